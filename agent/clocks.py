"""A device's clock against the gateway's: an offset per stream, set when it starts or jumps, then led along its drift.

A packet arrives after it was made, so arrival less device time is never below the true offset, and touches it when the
radio is quick: a straight line through the least of each minute of the last hour gives offset and drift (lower envelope
of the delays, as in Paxson 1998, SIGMETRICS). Assumption: within a minute some packet is nearly as quick as any.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from agent.counters import Counters
from agent.records import Packet

UNIX_DAY_S = 86_400.0
FUTURE_S = 5.0
"""A sample this far ahead of its arrival cannot be true."""
SKEW_S = 1.0
"""A lag that stays above this, within as much, over `SKEW_PACKETS` packets and `SKEW_SPAN_S` of device time is a clock
that is set wrong: stored data comes in faster than it was recorded, so its lag shrinks, by more than `SKEW_S` in that
time unless it comes less than a sixth faster."""
SKEW_PACKETS = 8
SKEW_SPAN_S = 7.0
RESTART_S = 10.0
"""A device time this far behind the last one is a restarted clock, not a late packet."""


MINUTE_S = 60.0
MINUTES = 60
"""Remembered of each device."""
LEAST_MINUTES = 5
"""From here on a drift is fitted; before, the quickest packet stands for all."""
LED = 2e-4
"""At most so many seconds a second is an offset led: cells stay as they are."""
DEAD_BAND_S = 1e-3


@dataclass(frozen=True, slots=True)
class Line:
    """Offset along device time: `level_s` at `middle_s`, `drift` seconds a second."""

    middle_s: float
    level_s: float
    drift: float
    spread_s: float
    """Standard deviation about the line."""
    minutes: int
    reach: float
    """Sum of squared distances of the minutes from `middle_s`."""

    def at(self, device_s: float) -> float:
        """Gateway less device clock."""
        return self.level_s + self.drift * (device_s - self.middle_s)

    def error_s(self, device_s: float) -> float:
        """Standard error of `at`."""
        if self.minutes < LEAST_MINUTES:
            return self.spread_s
        return self.spread_s * math.sqrt(1 / self.minutes + (device_s - self.middle_s) ** 2 / self.reach)


def fit_line(least: list[tuple[float, float]]) -> Line:
    """Line through (device time, offset); level, and the range for its spread, with too few minutes for a drift."""
    times, lags = np.array(least).T
    middle = float(times.mean())
    if len(times) < LEAST_MINUTES:
        return Line(middle, float(lags.min()), 0.0, float(np.ptp(lags)) or np.inf, len(times), np.inf)
    reach = float((times - middle) @ (times - middle))
    drift = float((times - middle) @ lags) / reach
    left = lags - lags.mean() - drift * (times - middle)
    return Line(middle, float(lags.mean()), drift, float(np.sqrt(left @ left / (len(times) - 2))), len(times), reach)


@dataclass(slots=True)
class Delays:
    """The least of (arrival - device time) of each minute, and the line through them, drawn anew each minute."""

    least: list[tuple[float, float]] = field(default_factory=list)
    """Device time, and arrival less device time, of the quickest packet of each minute; the latest `MINUTES`."""
    line: Line | None = None

    def hear(self, device_s: float, received_s: float) -> None:
        """One packet: the device's time of its last sample, and its arrival."""
        lag_s = received_s - device_s
        if self.least and self.least[-1][0] // MINUTE_S == device_s // MINUTE_S:
            if lag_s < self.least[-1][1]:
                self.least[-1] = (device_s, lag_s)
            return
        if self.least:
            self.line = fit_line(self.least)
        self.least = [*self.least, (device_s, lag_s)][-MINUTES:]


@dataclass(slots=True)
class Lags:
    """Packets in a row whose lags (arrival minus end, on the gateway's clock) lie within `SKEW_S` of each other."""

    packets: int = 0
    began_s: float = 0.0
    """Device time of the first."""
    least_s: float = np.inf
    most_s: float = -np.inf

    def add(self, end_s: float, lag_s: float) -> bool:
        """One packet more; True where the row is long enough to tell of the clock, and far off."""
        if max(self.most_s, lag_s) - min(self.least_s, lag_s) >= SKEW_S:
            self.packets, self.least_s, self.most_s = 0, np.inf, -np.inf
        if self.packets == 0:
            self.began_s = end_s
        self.packets, self.least_s, self.most_s = self.packets + 1, min(self.least_s, lag_s), max(self.most_s, lag_s)
        long = self.packets >= SKEW_PACKETS and end_s - self.began_s >= SKEW_SPAN_S
        return long and (self.least_s > SKEW_S or self.most_s < -SKEW_S)


@dataclass(slots=True)
class DeviceClock:
    """Offset of one device: gateway time = device time + `offset_s`."""

    offset_s: float = np.nan
    trusted: bool = False
    """Keeps Unix time: its offset is not led, how far it is off `behind_s` tells."""
    delays: Delays = field(default_factory=Delays)
    last_device_s: float = -np.inf
    lags: Lags = field(default_factory=Lags)

    def on_gateway_time(self, packet: Packet, counters: Counters) -> Packet:
        """The packet with its times on the gateway's clock.

        A device that keeps Unix time (within a day of the gateway's) is trusted, so that what it stored while
        out of reach keeps its true time, until its lag shows that the clock is set wrong. Any other clock is
        anchored to the arrival of its first packet.
        """
        start, end = float(packet.times_s[0]), float(packet.times_s[-1])
        if np.isnan(self.offset_s):
            self._anchor(packet)
        elif start < self.last_device_s - RESTART_S or end + self.offset_s > packet.received_s + FUTURE_S:
            self._anchor(packet)
            self.last_device_s = -np.inf
            counters.count("clock_jumps")
        self._mend_skew(end, packet.received_s - end - self.offset_s, counters)
        self._lead(end, packet.received_s)
        self.last_device_s = max(self.last_device_s, end)
        return replace(packet, times_s=packet.times_s + self.offset_s) if self.offset_s else packet

    def _mend_skew(self, end: float, lag_s: float, counters: Counters) -> None:
        """Move a clock that is steadily off to where its packets arrive."""
        if self.lags.add(end, lag_s):
            self.offset_s += self.lags.least_s
            self.lags, self.delays = Lags(), Delays()
            counters.count("clock_jumps")

    def behind_s(self) -> tuple[float, float]:
        """What the offset in use lacks by the delays heard, and the standard error of that; (0, inf) before any."""
        line = self.delays.line
        if line is None:
            return 0.0, np.inf
        return line.at(self.last_device_s) - self.offset_s, line.error_s(self.last_device_s)

    def _lead(self, end: float, received_s: float) -> None:
        """Follow the drift of a clock that is not trusted, by as little as time has passed."""
        passed_s, line = end - self.last_device_s, self.delays.line
        self.delays.hear(end, received_s)
        if self.trusted or line is None or line.minutes < LEAST_MINUTES or not 0 < passed_s < MINUTE_S:
            return
        lacks_s = line.at(end) - self.offset_s
        if abs(lacks_s) > DEAD_BAND_S:
            self.offset_s += max(-LED * passed_s, min(lacks_s, LED * passed_s))

    def _anchor(self, packet: Packet) -> None:
        self.delays, self.lags = Delays(), Lags()
        ahead = float(packet.times_s[-1]) - packet.received_s
        self.trusted = -UNIX_DAY_S < ahead <= FUTURE_S and packet.received_s > UNIX_DAY_S
        self.offset_s = 0.0 if self.trusted or ahead == 0 else -ahead
