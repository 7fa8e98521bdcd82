"""A whole recording through the live path at once: what training, export and evaluation use."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from agent.counters import Counters
from agent.ingest import Streams
from agent.layout import Layout
from agent.recording import Recording
from agent.records import Packet, Windows
from agent.windows import Cutter


def packets(recording: Recording, packet_s: float = 1.0) -> Iterator[Packet]:
    """The recording as packets of `packet_s` seconds, positions taking turns, received when they end."""
    times = recording.times_s
    marks = np.flatnonzero(np.diff(np.floor((times - times[0]) / packet_s))) + 1  # a gap of a year costs nothing
    bounds = np.concatenate([[0], marks, [len(times)]])
    for start, stop in itertools.pairwise(bounds):
        for position, samples in recording.positions.items():
            part = samples[start:stop]
            if np.isfinite(part).all(axis=1).any():
                yield Packet(recording.wearer, position, times[start:stop], part, float(times[stop - 1]))


def cut_recording(recording: Recording, layout: Layout, *, packet_s: float = 1.0) -> Windows:
    """All windows of a recording, through `ingest` and `windows`; errors as in `cut_packets`."""
    return cut_packets(packets(recording, packet_s), layout)


def cut_packets(coming: Iterable[Packet], layout: Layout) -> Windows:
    """All windows of packets, in the order in which they are received.

    Raises:
        PacketError: one is not in g, or names a position that the layout does not know.
    """
    streams = Streams(layout, Counters())
    cutter = Cutter(streams)
    parts = []
    for packet in coming:
        streams.put(packet)
        if streams.crowded:
            parts.append(cutter.cut())
    streams.flush()
    while streams.crowded:
        parts.append(cutter.cut())
        streams.flush()
    parts += [cutter.cut(), cutter.cut(to_the_last=True)]
    return join(parts)


def join(parts: list[Windows]) -> Windows:
    """Several ticks as one record."""
    before = np.cumsum([0] + [len(part.end_s) for part in parts[:-1]])
    return Windows(
        wearer=np.concatenate([part.wearer for part in parts]),
        end_s=np.concatenate([part.end_s for part in parts]),
        owner=np.concatenate([part.owner + n for part, n in zip(parts, before, strict=True)]),
        stream=np.concatenate([part.stream for part in parts]),
        family=np.concatenate([part.family for part in parts]),
        samples_g=np.concatenate([part.samples_g for part in parts]),
    )
