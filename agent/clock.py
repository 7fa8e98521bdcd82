"""Time is passed in, so that a replay runs on the recording's clock and no test sleeps."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """What the agent asks of time."""

    def now_s(self) -> float:
        """Seconds since the Unix epoch (or since the start of a recording)."""

    def wait(self, seconds: float, wake: threading.Event) -> bool:
        """Wait until `wake` is set or `seconds` have passed; True where `wake` was set."""


class WallClock:
    """The gateway's own clock."""

    def now_s(self) -> float:
        return time.time()

    def wait(self, seconds: float, wake: threading.Event) -> bool:
        return wake.wait(seconds)


class ManualClock:
    """A clock that moves only when told to: for replays and tests."""

    def __init__(self, now_s: float = 0.0) -> None:
        self._now_s = now_s

    def now_s(self) -> float:
        return self._now_s

    def set(self, now_s: float) -> None:
        """Move to `now_s`; a clock never runs backwards."""
        self._now_s = max(self._now_s, now_s)

    def wait(self, seconds: float, wake: threading.Event) -> bool:
        self._now_s += seconds
        return wake.is_set()


class ScaledClock:
    """A clock that left the wall clock at `since_s` and has run `speed` times faster since, for demonstrations.

    The packets of a recording that is played `speed` times faster than life then come at the pace of their own
    times, so that windows, offsets, lateness and waits all behave as they would live. What is stamped with this
    clock runs ahead of the wall: never use it on a real gateway.

    Args:
        speed: above 0.
        since_s: seconds since the Unix epoch; none = now. Two programs that name the same moment agree on the time.
    """

    def __init__(self, speed: float, since_s: float | None = None) -> None:
        if not speed > 0:
            raise ValueError(f"speed {speed}: must be above 0")
        wall_s = time.time()
        since_s = wall_s if since_s is None else since_s
        self._speed = speed
        self._begins_s, self._began_s = since_s + speed * (wall_s - since_s), time.monotonic()

    def now_s(self) -> float:
        return self._begins_s + self._speed * (time.monotonic() - self._began_s)

    def wait(self, seconds: float, wake: threading.Event) -> bool:
        return wake.wait(self.wall_s(seconds))

    def wall_s(self, seconds: float) -> float:
        """How long `seconds` of this clock take."""
        return seconds / self._speed
