"""Recordings -> windows for training, through the agent's own ingest and windows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from agent.batch import cut_recording
from agent.layout import Layout
from agent.quality import CERTAIN, Assessor, Beside
from agent.records import Booleans, Floats, Integers, Singles
from training.datasets import Labelled
from training.errors import DataError
from training.metrics import window_labels

MOST_MISSING = 0.2
"""Windows that lack more than this share of their samples teach nothing."""


@dataclass(frozen=True, slots=True)
class NormalWindows:
    """Windows to learn from, or to calibrate with; one row = one position."""

    samples_g: Singles
    """(m, 3, samples)"""
    family: Integers
    """(m,) index in the layout's families."""
    wearer: NDArray[np.str_]
    """(m,)"""
    session: NDArray[np.str_]
    """(m,) wearer, recording and position: rows of one session follow each other in time."""
    end_s: Floats
    """(m,) end of the window in its recording."""
    window: Integers
    """(m,) number of the window: rows of one wearer at one time have the same."""
    label: NDArray[np.int8]
    """(m,) 1 = holds a sample of a labelled event."""
    normal: Booleans
    """(m,) holds nothing but normal wear."""


def normal_windows(
    recordings: Iterable[Labelled], layout: Layout, on_recording: Callable[[], None] = lambda: None
) -> NormalWindows:
    """Cut them all; leave out what lacks samples or is certainly a fault, as the agent would.

    Recordings shorter than a window give none.

    Raises:
        DataError: no recording gives one.
    """
    parts: list[NormalWindows] = []
    before = 0
    for item in recordings:
        on_recording()
        count, part = _cut(item, layout, before)
        before += count
        parts.append(part)
    if not any(len(part.family) for part in parts):
        raise DataError("no usable window of normal wear in these recordings")
    names = [field.name for field in fields(NormalWindows)]
    return NormalWindows(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _cut(item: Labelled, layout: Layout, before: int) -> tuple[int, NormalWindows]:
    """Number of windows of one recording, and its usable rows, their windows numbered from `before`."""
    windows, recording = cut_recording(item.recording, layout), item.recording
    end = windows.end_s[windows.owner]
    beside = Beside(windows.owner, windows.family)
    quality = Assessor(layout.rate_hz, layout.families).assess(windows.samples_g, windows.stream, end, beside)
    usable = (quality.missing <= MOST_MISSING) & (quality.faults().max(axis=1, initial=0.0) < CERTAIN)
    positions = list(recording.positions)
    session = [f"{recording.wearer}/{recording.name}/{positions[slot]}" for slot in windows.stream]
    return len(windows.end_s), some(
        NormalWindows(
            samples_g=windows.samples_g,
            family=windows.family,
            wearer=np.full(len(end), recording.wearer),
            session=np.array(session, dtype=np.str_),
            end_s=end,
            window=before + windows.owner,
            label=window_labels(recording.times_s, item.label, end, layout.window_s),
            normal=window_labels(recording.times_s, ~item.calm_samples(), end, layout.window_s) == 0,
        ),
        usable,
    )


def held_back(windows: NormalWindows, share: float, rng: np.random.Generator) -> Booleans:
    """(m,) windows on which losses are shown and nothing is trained: all of some wearers, at least one.

    Of a single wearer the last part of each session is held back; what is shown is then kinder than the truth.

    Raises:
        DataError: too few windows to hold any back.
    """
    wearers = rng.permutation(np.unique(windows.wearer))
    shown = np.isin(windows.wearer, wearers[: max(1, round(share * len(wearers)))])
    if len(wearers) == 1:
        last = {name: windows.end_s[windows.session == name] for name in np.unique(windows.session)}
        until_s = {name: np.quantile(end_s, 1 - share) for name, end_s in last.items()}
        shown = windows.end_s > np.array([until_s[name] for name in windows.session])
    if not shown.any() or shown.all():
        raise DataError(f"{len(shown)} windows of normal wear are too few to train on; add recordings")
    return np.asarray(shown)


def some(windows: NormalWindows, rows: Booleans) -> NormalWindows:
    """Those rows."""
    return NormalWindows(*(getattr(windows, field.name)[rows] for field in fields(windows)))
