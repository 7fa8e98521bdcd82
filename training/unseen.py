"""Normal wear of people whom the bundle has not met: each wearer's recordings one after the other, as if worn so.

Unseen are the wearers who test by the split, and everyone in datasets that are never trained on.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from agent.batch import cut_packets, packets
from agent.bundle import Bundle
from agent.judge import Judge
from agent.layout import Layout
from agent.recording import Recording
from agent.records import Booleans, Floats, Integers, Packet, Surprise, Trust, Windows
from agent.regime import Regimes
from training.datasets import NAMES, Labelled, open_dataset
from training.datasets.labelled import worn_at
from training.datasets.split import Part, split

PAUSE_S = 60.0
"""Between two recordings: longer than anything that the agent remembers of a stream."""
FREEZING = ("stanford_fog", "daphnet_partial")
"""Where nearly every recording holds freezes: what lies further than `OFF_S` from them is normal wear there."""
OFF_S = 5.0
_ANY_LEVEL = 0.01  # nothing that is kept here depends on it


@dataclass(frozen=True, slots=True)
class Worn:
    """One wearer's normal wear, measured: n windows in order of time."""

    wearer: str
    windows: Windows
    bout: Integers
    """(n,) which recording each window lies in, from 0."""
    population: Surprise
    trust: Trust
    regime: Integers
    """(n,) index in `agent.regime.REGIMES`."""
    family: Integers
    """(n,) of the position that speaks for the window; -1 = none does."""

    def without_samples(self) -> "Worn":
        """The same, a hundredth the size; it cannot be judged again."""
        return replace(self, windows=replace(self.windows, samples_g=self.windows.samples_g[:0]))


def unseen(bundle: Bundle, root: Path | None = None, part: Part = "test") -> Iterator[Worn]:
    """Everyone of whom normal wear was recorded at positions that the bundle knows; `part`: as the split has it.

    Raises:
        DataError: a dataset is missing.
    """
    for items in _wearers(bundle.manifest.layout, root, part):
        coming, starts = one_after_another(items)
        windows = cut_packets(coming, bundle.manifest.layout)
        found = Judge(bundle.model, _ANY_LEVEL).measure(windows)
        leading = found.population.leading_row
        yield Worn(
            wearer=items[0].wearer,
            windows=windows,
            bout=np.searchsorted(starts, windows.end_s, side="right") - 1,
            population=found.population,
            trust=found.spoken,
            regime=Regimes(bundle.manifest.layout.hop_s).of(windows),
            family=np.where(leading >= 0, windows.family[leading], -1),
        )


def _wearers(layout: Layout, root: Path | None, part: Part) -> Iterator[list[Recording]]:
    """Each wearer's normal wear, in the order of the dataset."""
    for name in NAMES:
        found: dict[str, list[Recording]] = {}
        for item in worn_at(layout.positions, open_dataset(name, root, lambda wearer: split(wearer) == part)):
            if item.normal:
                found.setdefault(item.recording.wearer, []).append(item.recording)
            elif name in FREEZING:
                found.setdefault(item.recording.wearer, []).extend(_between_freezes(item))
        yield from found.values()


def _between_freezes(item: Labelled) -> Iterator[Recording]:
    """Its stretches of normal wear, longer than two windows."""
    recording, times = item.recording, item.recording.times_s
    bad = np.flatnonzero((item.label > 0) | ~item.judged)
    calm: Booleans = np.ones(len(times), np.bool_)
    if len(bad):
        after = np.searchsorted(times[bad], times)
        nearest = np.minimum(
            np.abs(times - times[bad][np.minimum(after, len(bad) - 1)]),
            np.abs(times - times[bad][np.maximum(after - 1, 0)]),
        )
        calm = nearest > OFF_S
    edges = np.flatnonzero(np.diff(calm.astype(np.int8), prepend=0, append=0))
    for number, (first, last) in enumerate(zip(edges[::2], edges[1::2], strict=True)):
        if times[last - 1] - times[first] > OFF_S:
            part = {name: samples[first:last] for name, samples in recording.positions.items()}
            yield replace(recording, name=f"{recording.name}/{number}", times_s=times[first:last], positions=part)


def one_after_another(recordings: Sequence[Recording]) -> tuple[Iterator[Packet], Floats]:
    """One wearer's recordings as packets, `PAUSE_S` apart, and when each begins.

    Recordings of one name with different positions were worn together, and stay so.
    """
    together: dict[str, list[Recording]] = {}
    for recording in recordings:
        together.setdefault(recording.name, []).append(recording)
    starts, streams, at_s = [], [], 0.0
    for same in together.values():
        shift_s = at_s - min(float(recording.times_s[0]) for recording in same)
        moved = [replace(recording, times_s=recording.times_s + shift_s) for recording in same]
        starts.append(at_s)
        streams.append(heapq.merge(*map(packets, moved), key=lambda packet: packet.received_s))
        at_s = max(float(recording.times_s[-1]) for recording in moved) + PAUSE_S
    return (packet for stream in streams for packet in stream), np.array(starts)
