"""People's wear, put together from their recordings."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.layout import Layout
from agent.records import Floats
from training.benchmarks.noise_novelty.taxonomy import Track
from training.datasets import Labelled, open_dataset
from training.datasets.split import Part, split
from training.metrics import events

NOVELTIES = {
    "sisfall": "fall, waist (SisFall)",
    "umafall": "fall, four places (UMAFall)",
    "weda_fall": "fall, wrist (WEDA)",
    "stanford_fog": "freeze (Stanford)",
    "daphnet_partial": "freeze (Daphnet)",
}
DATASETS = (*NOVELTIES, "watch_walk_geotec")
AROUND_S = 3.0
"""Wear this near to an event is no normal wear."""
SHORTEST_S = 8.0
"""Pieces of wear shorter than this are left out."""
RESTING_G, BROKEN_G = 0.02, 0.3
"""A second with no more spread on any axis rests; at rest a length as far from 1 g as this is no measurement."""

Take = dict[str, Track]
"""One recording, or a piece of it: position -> what its sensor sent, all on one clock."""


@dataclass(frozen=True, slots=True)
class Wear:
    """One person."""

    wearer: str
    dataset: str
    normal: tuple[Take, ...]
    """Pieces of normal wear."""
    novelties: tuple[tuple[Take, float, float], ...]
    """What happened until the event was over, and the event's start and end on its clock."""


def wears(part: Part, layout: Layout, root: Path | None = None, datasets: Sequence[str] = DATASETS) -> list[Wear]:
    """Everyone of one part of the split who has normal wear, with those positions that the layout knows.

    Raises:
        DataError: a dataset is missing.
    """
    each = (open_dataset(name, root, lambda wearer: split(wearer) == part) for name in datasets)
    return wears_of(itertools.chain.from_iterable(each), layout)


def wears_of(items: Iterable[Labelled], layout: Layout) -> list[Wear]:
    """The same of these recordings; people in the order in which they come."""
    by_wearer: dict[str, list[Labelled]] = {}
    for item in items:
        by_wearer.setdefault(item.recording.wearer, []).append(item)
    found = [_wear(wearer, own, layout) for wearer, own in by_wearer.items()]
    return [wear for wear in found if wear.normal]


def _wear(wearer: str, items: Sequence[Labelled], layout: Layout) -> Wear:
    dataset = items[0].dataset
    normal: list[Take] = []
    novelties: list[tuple[Take, float, float]] = []
    trials: dict[str, list[Labelled]] = {}
    for item in items:
        trials.setdefault(item.recording.name, []).append(item)
    for trial in trials.values():
        whole = _take(trial, layout)
        spans = _spans(trial)
        if whole and all(item.normal for item in trial):
            normal.append(whole)
        elif whole:
            novelties += [(cut(whole, -np.inf, end + AROUND_S), start, end) for start, end in spans]
            if NOVELTIES.get(dataset, "").startswith("freeze"):  # a recording of a fall holds hardly anything else
                normal += _calm_pieces(trial[0], whole, spans)
    return Wear(wearer, dataset, tuple(take for take in normal if length(take) >= SHORTEST_S), tuple(novelties))


def _take(trial: Sequence[Labelled], layout: Layout) -> Take:
    return {
        name: Track(item.recording.times_s, samples)
        for item in trial
        for name, samples in item.recording.positions.items()
        if name in layout.positions and np.isfinite(samples).all(axis=1).sum() > 2 and len(samples) > 2
        and not broken(Track(item.recording.times_s, samples))
    }  # fmt: skip


def broken(track: Track) -> bool:
    """The dataset's own sensor was at fault: for a second or more, at rest, it read a length that gravity never has."""
    steps = track.steps(1.0)
    whole = track.samples_g[: len(track.samples_g) // steps * steps].reshape(-1, steps, 3)
    if len(whole) == 0 or steps < 5:
        return False
    with np.errstate(invalid="ignore"):
        resting = whole.std(axis=1).max(axis=1) < RESTING_G
        level = np.linalg.norm(whole.mean(axis=1), axis=1)
        return bool((resting & (np.abs(level - 1) > BROKEN_G)).any())


def _spans(trial: Sequence[Labelled]) -> Floats:
    """(events, 2) of a trial; several recordings of one fall (one a position) make one event."""
    spans = [events(item.recording.times_s, item.label) for item in trial]
    if len(trial) == 1:
        return spans[0]
    own = [span[0] for span in spans if len(span)]
    if not own:
        return np.empty((0, 2))
    middle = float(np.median([span.mean() for span in own]))
    near = [span for span in own if abs(span.mean() - middle) < 2.0]  # a knock against one sensor is not the fall
    return np.array([[min(span[0] for span in near), max(span[1] for span in near)]])


def _calm_pieces(item: Labelled, whole: Take, spans: Floats) -> list[Take]:
    times_s = item.recording.times_s
    calm = item.judged & (item.label == 0)
    for start, end in spans:
        calm &= (times_s < start - AROUND_S) | (times_s > end + AROUND_S)
    return [cut(whole, start, end) for start, end in events(times_s, calm.astype(np.int8))]


def cut(take: Take, start_s: float, end_s: float) -> Take:
    """What lies from `start_s` to before `end_s`."""
    found = {}
    for name, track in take.items():
        rows = (track.times_s >= start_s) & (track.times_s < end_s)
        if rows.sum() > 2:
            found[name] = Track(track.times_s[rows], track.samples_g[rows])
    return found


def length(take: Take) -> float:
    """Seconds from its first sample to its last."""
    start, end = ends(take)
    return end - start


def ends(take: Take) -> tuple[float, float]:
    """Times of its first and its last sample."""
    if not take:
        return 0.0, 0.0
    return min(float(t.times_s[0]) for t in take.values()), max(float(t.times_s[-1]) for t in take.values())
