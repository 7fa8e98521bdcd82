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
