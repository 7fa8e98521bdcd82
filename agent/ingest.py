"""Packets -> rings on a fixed grid: one ring a stream (wearer x position), order and clocks put right.

Nothing is dropped in silence: what cannot be used is refused (`PacketError`) or counted. Memory is bounded:
per stream one ring of `RING_CELLS`, a resampler's tail and at most `HELD_PACKETS` packets waiting for an
earlier one. No rule here looks at the gateway's clock, so a replay gives what the live stream gave.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from agent.clocks import DeviceClock
from agent.counters import Counters
from agent.errors import PacketError
from agent.layout import Layout
from agent.records import Booleans, Floats, Integers, Packet, Singles
from agent.resample import LONGEST_BRIDGE_S, Resampler
from agent.sanity import StreamSanity

RING_CELLS = 2048
"""Cells kept a stream (41 s at 50 Hz)."""
NO_CELL = -(2**60)
"""Before any cell: a recording may well begin at a negative time."""
LONGEST_PACKET_S = 10.0
LARGEST = 1e6
"""A number beyond this is no acceleration in any unit, and its square would overflow: taken as missing."""
SHORTEST_STEP_S = 1e-6
"""Samples closer than this would fall together once the clock's offset is added."""
HELD_PACKETS = 8
REORDER_S = 1.0
"""How far the stream may run ahead of a missing packet before that is given up."""
NEW_WEARING_S = 10.0
"""After a gap as long as this the stream starts anew: no window reaches across it."""


@dataclass(slots=True)
class Stream:
    """State of one wearer's one position."""

    slot: int
    name: str
    resampler: Resampler
    clock: DeviceClock = field(default_factory=DeviceClock)
    sanity: StreamSanity = field(default_factory=StreamSanity)
    held: list[Packet] = field(default_factory=list)
    """Packets from after a gap, in order of time, waiting for what is missing."""


class Streams:
    """All streams of a gateway; arrays are addressed by slots, small integers given out in order of arrival."""

    def __init__(
        self, layout: Layout, counters: Counters, *, allowed: tuple[str, ...] = (), max_wearers: int = 64
    ) -> None:
        self.layout = layout
        self.counters = counters
        self.allowed = frozenset(allowed)
        self.max_wearers = len(allowed) or max_wearers
        self.wearers: list[str] = []
        self.positions: list[str] = []
        """Position of each stream slot."""
        self.wearer_of: Integers = np.empty(0, np.int64)
        """(streams,) wearer slot."""
        self.family_of: Integers = np.empty(0, np.int64)
        self.first: Integers = np.empty(0, np.int64)
        """(streams,) first cell of this wearing."""
        self.written: Integers = np.empty(0, np.int64)
        """(streams,) first cell not yet written."""
        self.longest: Floats = np.empty(0)
        """(streams,) length in seconds of the longest packet: its stream may lag by as much and not be late."""
        self.cut_at: Integers = np.empty(0, np.int64)
        """(streams,) `written` when windows were last cut."""
        self.heard_s: Floats = np.empty(0)
        """(streams,) when the latest packet that could be used reached the gateway."""
        self.crowded = False
        """A ring is half full of cells that no cut has seen, or a new wearing waits to begin: cut before the next
        packet."""
        self.ring: Singles = np.empty((0, 3, RING_CELLS), np.float32)
        self.slot_of: dict[str, int] = {}
        """Slot of each wearer."""
        self._streams: dict[tuple[str, str], Stream] = {}
        self._parked: dict[int, Stream] = {}
        """Streams whose new wearing waits for the next cut."""

    def put(self, packet: Packet) -> None:
        """Add one packet to its stream.

        Raises:
            PacketError: refused, with its reason; the stream goes on.
        """
        where = f"{packet.wearer}/{packet.position}"
        present = self._checked(packet, where)
        stream = self._stream(packet, where)
        # the clock sees all times: a missing last sample must not shift the stream
        packet = _only(stream.clock.on_gateway_time(packet, self.counters), present)
        if np.any(np.diff(packet.times_s) < SHORTEST_STEP_S):
            raise PacketError("bad_time", where, "samples must lie a microsecond apart or more")
        self.longest[stream.slot] = max(self.longest[stream.slot], packet.times_s[-1] - packet.times_s[0])
        stream.sanity.check(packet, where)
        if packet.times_s[-1] <= stream.resampler.last_s:
            self._count_past(stream, packet)
        elif packet.times_s[0] > stream.resampler.last_s + LONGEST_BRIDGE_S and np.isfinite(stream.resampler.last_s):
            stream.held = sorted([*stream.held, packet], key=lambda held: float(held.times_s[0]))
        else:
            self._write(stream, packet)
        self._release(stream)
        self.heard_s[stream.slot] = packet.received_s

    def flush(self) -> None:
        """The streams have ended: stop waiting for missing packets. Where `crowded` then, cut and flush again."""
        for stream in self._streams.values():
            self._release(stream, to_the_last=True)

    def cut(self) -> None:
        """All windows that were due have been cut: new wearings may begin."""
        self.cut_at[:] = self.written
        self.crowded = False
        parked, self._parked = self._parked, {}
        for stream in parked.values():
            self._release(stream)

    def clock_offsets_s(self) -> dict[str, float]:
        """Gateway minus device clock, per stream, as applied."""
        return {stream.name: stream.clock.offset_s for stream in self._streams.values()}

    def clocks(self, wearer: str, positions: list[str]) -> list[DeviceClock]:
        """Clocks of those of these positions of a wearer that have been heard."""
        found = [self._streams.get((wearer, position)) for position in positions]
        return [stream.clock for stream in found if stream is not None]

    def _checked(self, packet: Packet, where: str) -> Booleans:
        """(n,) which samples are there; at least one is."""
        if len(packet.times_s) == 0:
            raise PacketError("empty_packet", where, "no samples; send at least one [x, y, z] in g")
        if packet.samples_g.shape != (len(packet.times_s), 3):
            raise PacketError("bad_fields", where, f"samples have shape {packet.samples_g.shape}, not (n, 3)")
        if not np.all(np.isfinite(packet.times_s)) or np.any(np.diff(packet.times_s) <= 0):
            raise PacketError("time_backwards", where, "sample times must be finite and increase")
        if packet.times_s[-1] - packet.times_s[0] > LONGEST_PACKET_S:
            raise PacketError("too_long", where, f"spans more than {LONGEST_PACKET_S:g} s; send shorter packets")
        finite = (np.abs(packet.samples_g) < LARGEST).all(axis=1)  # False for NaN
        self.counters.count("missing_samples", int((~finite).sum()))
        if not finite.any():
            raise PacketError("non_finite", where, "every sample is missing, NaN or infinite")
        return np.asarray(finite)

    def _stream(self, packet: Packet, where: str) -> Stream:
        key = (packet.wearer, packet.position)
        if key not in self._streams:
            self._streams[key] = self._open(packet, where)
        return self._streams[key]

    def _open(self, packet: Packet, where: str) -> Stream:
        family = self.layout.family_index(packet.position)
        if family is None:
            known = ", ".join(sorted(self.layout.positions))
            raise PacketError("unknown_position", where, f"the bundle knows {known}")
        slot = self._wearer_slot(packet.wearer, where)
        self.positions.append(packet.position)
        self.wearer_of = np.append(self.wearer_of, slot)
        self.family_of = np.append(self.family_of, family)
        self.first = np.append(self.first, NO_CELL)
        self.written = np.append(self.written, NO_CELL)
        self.cut_at = np.append(self.cut_at, NO_CELL)
        self.longest = np.append(self.longest, 0.0)
        self.heard_s = np.append(self.heard_s, packet.received_s)
        if len(self.positions) > len(self.ring):  # doubled: a row that is not used yet takes no memory
            ring = np.empty((max(4, 2 * len(self.ring)), 3, RING_CELLS), np.float32)
            ring[: len(self.ring)] = self.ring
            self.ring = ring
        self.ring[len(self.positions) - 1] = np.nan
        return Stream(len(self.positions) - 1, where, Resampler(self.layout.rate_hz))

    def _wearer_slot(self, wearer: str, where: str) -> int:
        if wearer not in self.slot_of:
            if self.allowed and wearer not in self.allowed:
                raise PacketError("unknown_wearer", where, "not in `wearers` of the settings; add it there")
            if len(self.slot_of) >= self.max_wearers:
                raise PacketError("too_many_wearers", where, f"{self.max_wearers} at most; raise `max_wearers`")
            self.slot_of[wearer] = len(self.wearers)
            self.wearers.append(wearer)
        return self.slot_of[wearer]

    def _release(self, stream: Stream, *, to_the_last: bool = False) -> None:
        """Write held packets that follow on, or whose predecessor has been waited for long enough."""
        while stream.held:
            first, last = stream.held[0], stream.held[-1]
            follows = first.times_s[0] <= stream.resampler.last_s + LONGEST_BRIDGE_S
            waited = last.times_s[-1] - stream.resampler.last_s - REORDER_S > LONGEST_BRIDGE_S
            if not (follows or waited or to_the_last or len(stream.held) > HELD_PACKETS):
                return
            if self._buries(stream, first):
                self.crowded = True
                self._parked[stream.slot] = stream
                return
            self.counters.count("gaps", int(not follows))
            self._write(stream, stream.held.pop(0))

    def _buries(self, stream: Stream, packet: Packet) -> bool:
        """The packet begins a new wearing while windows of the old one may still be due: they are cut first."""
        begins = packet.times_s[0] - stream.resampler.last_s > NEW_WEARING_S
        uncut = self.written[stream.slot] > self.cut_at[stream.slot]
        return bool(begins and uncut and len(stream.held) <= HELD_PACKETS)

    def _write(self, stream: Stream, packet: Packet) -> None:
        new = packet.times_s > stream.resampler.last_s
        self.counters.count("late_samples", int((~new).sum()))
        self.counters.count("samples", int(new.sum()))
        if not new.any():
            return
        if packet.times_s[new][0] - stream.resampler.last_s > NEW_WEARING_S:
            stream.resampler = Resampler(self.layout.rate_hz)
            self.first[stream.slot] = NO_CELL
        first, cells = stream.resampler.push(packet.times_s[new], packet.samples_g[new])
        self._fill(stream.slot, first, cells)

    def _fill(self, slot: int, first: int, cells: Singles) -> None:
        if len(cells) == 0:
            return
        ring, past = self.ring[slot], first + len(cells)
        if self.first[slot] == NO_CELL:  # a new wearing: what the ring holds of the old one must not show in the gap
            ring[:, np.arange(max(self.written[slot], first - RING_CELLS), first) % RING_CELLS] = np.nan
            self.first[slot] = first
            self.cut_at[slot] = first
        ring[:, np.arange(first, past) % RING_CELLS] = cells.T
        self.written[slot] = past
        self.crowded |= bool(past - self.cut_at[slot] > RING_CELLS // 2)

    def _count_past(self, stream: Stream, packet: Packet) -> None:
        """The packet lies wholly before what has been written: sent twice, or too late."""
        name = "duplicate_packets" if stream.sanity.seen(packet) else "late_packets"
        self.counters.count(name)

    def recent(self, slot: int, end_s: float, count: int) -> Singles:
        """(3, count) what one stream wrote up to `end_s`; NaN where nothing was, or where it is no longer held."""
        until = round(end_s * self.layout.rate_hz)
        cells = np.arange(until - count, until)
        held = (cells < self.written[slot]) & (cells >= max(self.first[slot], self.written[slot] - RING_CELLS))
        return np.where(held, self.ring[slot][:, cells % RING_CELLS], np.nan).astype(np.float32)

    def heard(self) -> Booleans:
        """(streams,) streams that have written at least one cell."""
        return np.not_equal(self.written, NO_CELL)


def _only(packet: Packet, present: Booleans) -> Packet:
    """The packet without its missing samples."""
    if present.all():
        return packet
    return replace(packet, times_s=packet.times_s[present], samples_g=packet.samples_g[present])
