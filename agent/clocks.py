"""A device's clock against the gateway's: one offset per stream, set when the stream starts or its clock jumps.

Issue for later: a fitted drift. Until then a device that drifts by 50 parts per million is off by 4 s a day
(counted in `/health` as `clock_jumps` when it is put right).
"""

from dataclasses import dataclass, field, replace

import numpy as np

from agent.counters import Counters
from agent.records import Packet

UNIX_DAY_S = 86_400.0
FUTURE_S = 5.0
"""A sample this far ahead of its arrival cannot be true."""
SKEW_S = 1.0
"""A lag that stays above this, within as much, over `SKEW_PACKETS` packets is a clock that is set wrong: stored data
comes in faster than it was recorded, so its lag shrinks."""
SKEW_PACKETS = 8
RESTART_S = 10.0
"""A device time this far behind the last one is a restarted clock, not a late packet."""


@dataclass(slots=True)
class DeviceClock:
    """Offset of one device: gateway time = device time + `offset_s`."""

    offset_s: float = np.nan
    last_device_s: float = -np.inf
    lags_s: list[float] = field(default_factory=list)
    """Arrival minus end of the latest packets, on the gateway's clock."""

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
        self._mend_skew(packet.received_s - end - self.offset_s, counters)
        self.last_device_s = max(self.last_device_s, end)
        return replace(packet, times_s=packet.times_s + self.offset_s) if self.offset_s else packet

    def _mend_skew(self, lag_s: float, counters: Counters) -> None:
        """Move a clock that is steadily off to where its packets arrive."""
        self.lags_s = [*self.lags_s, lag_s][-SKEW_PACKETS:]
        steady = len(self.lags_s) == SKEW_PACKETS and max(self.lags_s) - min(self.lags_s) < SKEW_S
        if steady and min(abs(lag) for lag in self.lags_s) > SKEW_S:
            self.offset_s += min(self.lags_s)
            self.lags_s = []
            counters.count("clock_jumps")

    def _anchor(self, packet: Packet) -> None:
        ahead = float(packet.times_s[-1]) - packet.received_s
        trusted = -UNIX_DAY_S < ahead <= FUTURE_S and packet.received_s > UNIX_DAY_S
        self.offset_s = 0.0 if trusted or ahead == 0 else -ahead
