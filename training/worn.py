"""The recordings on which explanations are judged: of which people, with which positions, how many of each."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from agent.bundle import Bundle
from training.datasets import NAMES, Labelled, open_dataset
from training.datasets.labelled import worn_at
from training.datasets.split import Part, split

LONGEST_S, SHORTEST_S = 400.0, 10.0
"""Of the recordings that are looked at."""


def some_of(items: Sequence[Labelled], each: int) -> list[Labelled]:
    """At most so many recordings of each wearer, of ordinary length, the same each time."""
    rng, own = np.random.default_rng(0), dict[str, list[Labelled]]()
    for item in items:
        times = item.recording.times_s
        if len(times) and SHORTEST_S <= times[-1] - times[0] <= LONGEST_S:
            own.setdefault(item.recording.wearer, []).append(item)
    return [each_[n] for each_ in own.values() for n in rng.permutation(len(each_))[:each]]


def seed_of(item: Labelled) -> int:
    """Of its injections: the same whichever other recordings there are."""
    return zlib.crc32(f"{item.recording.wearer}/{item.recording.name}".encode())


def joined_up(items: Sequence[Labelled]) -> list[Labelled]:
    """Sensors of one person that were recorded together under one name, as one recording."""
    together: dict[tuple[str, str], list[Labelled]] = {}
    for item in items:
        together.setdefault((item.recording.wearer, item.recording.name), []).append(item)
    return [_as_one(parts) for parts in together.values()]


def _as_one(parts: Sequence[Labelled]) -> Labelled:
    first = parts[0].recording
    positions = dict(first.positions)
    for item in parts[1:]:
        nearest = np.abs(np.searchsorted(item.recording.times_s, first.times_s)).clip(
            0, len(item.recording.times_s) - 1
        )
        positions |= {name: samples[nearest] for name, samples in item.recording.positions.items()}
    return replace(parts[0], recording=replace(first, positions=positions))


def everything(bundle: Bundle, root: Path | None) -> Iterator[Labelled]:
    """Every recording of every dataset, with the positions that the bundle knows."""
    for name in NAMES:
        yield from worn_at(bundle.model.layout.positions, open_dataset(name, root))


def of_several(bundle: Bundle, root: Path | None, part: Part) -> Iterator[Labelled]:
    """Normal wear of several positions, of every dataset: of whoever is of that part."""
    kept = (item for item in everything(bundle, root) if item.normal and split(item.recording.wearer) == part)
    for item in joined_up(list(kept)):
        times = item.recording.times_s
        if len(item.recording.positions) > 1 and len(times) and SHORTEST_S <= times[-1] - times[0] <= LONGEST_S:
            yield item
