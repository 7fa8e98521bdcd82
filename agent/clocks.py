"""A device's clock against the gateway's: one offset per stream, set when the stream starts or its clock jumps.

Issue for later: a fitted drift. Until then a device that drifts by 50 parts per million is off by 4 s a day
(counted in `/health` as `clock_jumps` when it is put right).
"""

from dataclasses import dataclass, replace

import numpy as np

from agent.counters import Counters
from agent.records import Packet

UNIX_DAY_S = 86_400.0
FUTURE_S = 5.0
"""A sample this far ahead of its arrival cannot be true."""
RESTART_S = 10.0
"""A device time this far behind the last one is a restarted clock, not a late packet."""


@dataclass(slots=True)
class DeviceClock:
    """Offset of one device: gateway time = device time + `offset_s`."""

    offset_s: float = np.nan
    last_device_s: float = -np.inf

    def on_gateway_time(self, packet: Packet, counters: Counters) -> Packet:
        """The packet with its times on the gateway's clock.

        A device that keeps Unix time (within a day of the gateway's) is trusted, so that what it stored while
        out of reach keeps its true time. Any other clock is anchored to the arrival of its first packet.
        """
        start, end = float(packet.times_s[0]), float(packet.times_s[-1])
        if np.isnan(self.offset_s):
            self._anchor(packet)
        elif start < self.last_device_s - RESTART_S or end + self.offset_s > packet.received_s + FUTURE_S:
            self._anchor(packet)
            self.last_device_s = -np.inf
            counters.count("clock_jumps")
        self.last_device_s = max(self.last_device_s, end)
        return replace(packet, times_s=packet.times_s + self.offset_s) if self.offset_s else packet

    def _anchor(self, packet: Packet) -> None:
        ahead = float(packet.times_s[-1]) - packet.received_s
        trusted = -UNIX_DAY_S < ahead <= FUTURE_S and packet.received_s > UNIX_DAY_S
        self.offset_s = 0.0 if trusted or ahead == 0 else -ahead
