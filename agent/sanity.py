"""Is this packet in the unit and at the rate that it claims? Wrong ones are refused and named, not repaired."""

from dataclasses import dataclass, field

import numpy as np

from agent.errors import PacketError
from agent.records import Packet

HIGHEST_LEVEL_G = 5.0
"""No one lives for seconds at a mean of more than this: the number is in another unit."""
LEVEL_MEMORY_S = 2.0
SHORTEST_S = 0.02
"""A packet counts at least this long in the slow level: one of a single sample has no length of its own."""
RATE_TOLERANCE = 0.1
"""Share of a packet's length by which the next one may start early or late; at least one sample's interval, so
that short packets of a device with irregular times are not refused."""
MISMATCH_SHARE = 0.8
"""Share of recent packets that must disagree, each by as much as the one before it: a wrong rate is at 1; where half
of all packets are lost, the holes differ in length."""
MEMORY_PACKETS = 8
REMEMBERED = 8


@dataclass(slots=True)
class StreamSanity:
    """Slow statistics of one stream."""

    level_g: float = np.nan
    disagreement: float = 0.0
    expected_s: float = np.nan
    previous: tuple[float, int] = (np.nan, 0)
    stride: float = np.nan
    """Latest distance between the starts of two packets, in lengths of a packet."""
    recent: list[tuple[float, int]] = field(default_factory=list)
    """First time and length of the latest packets, to tell a duplicate from a late one."""

    def check(self, packet: Packet, where: str) -> None:
        """Raises:
        PacketError: `unit_mismatch` or `rate_mismatch`.
        """
        self._check_unit(packet, where)
        self._check_rate(packet, where)
        self.recent = [*self.recent, (float(packet.times_s[0]), len(packet.times_s))][-REMEMBERED:]

    def seen(self, packet: Packet) -> bool:
        """Whether a packet with this start and length came before the latest."""
        return (float(packet.times_s[0]), len(packet.times_s)) in self.recent[:-1]

    def _check_unit(self, packet: Packet, where: str) -> None:
        norm = float(np.sqrt(np.einsum("ij,ij->i", packet.samples_g, packet.samples_g)).mean())
        length_s = max(float(packet.times_s[-1] - packet.times_s[0]), SHORTEST_S)
        start = np.isnan(self.level_g)
        news = min(norm, 2 * HIGHEST_LEVEL_G)  # cut off, so that one wrong packet does not condemn the next ten
        self.level_g = news if start else self.level_g + min(1.0, length_s / LEVEL_MEMORY_S) * (news - self.level_g)
        if self.level_g > HIGHEST_LEVEL_G:
            seen = max(norm, self.level_g)
            raise PacketError("unit_mismatch", where, f"mean length {seen:.1f}: {_likely_unit(seen)}")

    def _check_rate(self, packet: Packet, where: str) -> None:
        start, count = float(packet.times_s[0]), len(packet.times_s)
        before, before_count = self.previous
        if start <= before:
            if (start, count) not in self.recent:  # overtaken on its way: the hole that it left was no wrong rate
                self._agree()
            return
        length_s = float(packet.times_s[-1] - packet.times_s[0]) * count / (count - 1) if count > 1 else np.nan
        stride, before_stride = (start - before) / length_s, self.stride
        off = abs(start - self.expected_s) > max(RATE_TOLERANCE, 1 / count) * length_s  # False where either is unknown
        off &= abs(stride - before_stride) <= RATE_TOLERANCE * stride
        self.stride = stride
        if off:
            self.disagreement += (1 - self.disagreement) / MEMORY_PACKETS
        else:
            self._agree()
        self.previous, self.expected_s = (start, count), start + length_s
        if off and self.disagreement > MISMATCH_SHARE:
            found = before_count / (start - before)
            detail = f"declares {count / length_s:.1f} Hz, but {found:.1f} samples a second come; correct rate_hz"
            raise PacketError("rate_mismatch", where, detail)

    def _agree(self) -> None:
        self.disagreement -= self.disagreement / MEMORY_PACKETS


def _likely_unit(level: float) -> str:
    """What the number probably is, and what to do."""
    if level < 50:
        return "looks like m/s²; divide by 9.80665 or declare the unit"
    return "looks like milli-g; divide by 1000 or declare the unit"
