"""Figures that need the windows in the order of time: VUS-PR of recordings, and how long an event goes unnoticed.

- VUS-PR: `training.vus`, of all recordings one after the other with a gap of normal windows at the lowest score in
  between; the buffer is 2.5 s in windows.
- detection delay: seconds from the start of an event to the end of the first window that overlaps it and scores at
  least the threshold at a rate of false alarms; the median over the events that are detected at all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from agent.records import Booleans, Floats
from training.metrics import Labels, ScoredRecording, Tally, Weights, events, threshold_at, window_truth
from training.vus import vus_pr

BUFFER_S = 2.5
GAP_WINDOWS = 20
"""More than half a buffer: what happens in one recording changes nothing in its neighbours."""


@dataclass(frozen=True, slots=True)
class Onset:
    """One event, and how the highest score so far rises while windows overlap it."""

    wearer: str
    delay_s: Floats
    """(k,) end of each overlapping window after the start of the event, ascending."""
    highest: Floats
    """(k,) highest score up to there."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """One program's windows of one protocol, by wearer."""

    label: dict[str, Labels]
    """Wearer -> (n,) windows of known truth, recordings one after the other with gaps."""
    score: dict[str, Floats]
    """Wearer -> (n,)"""
    onsets: list[Onset]
    buffer: int
    """Of VUS-PR, in windows."""


def timeline(recordings: Sequence[ScoredRecording], window_s: float) -> Timeline:
    """Put each wearer's recordings one after the other. Scores that are not finite are left out."""
    lowest = min((float(own.min()) for one in recordings if len(own := one.score[np.isfinite(one.score)])), default=0.0)
    label: dict[str, list[Labels]] = {one.wearer: [] for one in recordings}
    score: dict[str, list[Floats]] = {one.wearer: [] for one in recordings}
    for one in recordings:
        known, truth = _known(one, window_s)
        label[one.wearer] += [truth[known], np.zeros(GAP_WINDOWS, dtype=np.int8)]
        score[one.wearer] += [one.score[known], np.full(GAP_WINDOWS, lowest)]
    hops = [float(np.median(np.diff(one.end_s))) for one in recordings if len(one.end_s) > 1]
    return Timeline(
        {wearer: np.concatenate(parts) for wearer, parts in label.items()},
        {wearer: np.concatenate(parts) for wearer, parts in score.items()},
        [onset for one in recordings for onset in _onsets(one, window_s)],
        max(1, round(BUFFER_S / float(np.median(hops)))) if hops else 1,
    )


def _known(recording: ScoredRecording, window_s: float) -> tuple[Booleans, Labels]:
    """Windows of known truth that have a score, and the labels of all windows."""
    truth, known = window_truth(recording.times_s, recording.label, recording.judged, recording.end_s, window_s)
    return known & np.isfinite(recording.score), truth


def _onsets(recording: ScoredRecording, window_s: float) -> Iterator[Onset]:
    scored = np.isfinite(recording.score)
    end_s, score = recording.end_s[scored], recording.score[scored]
    for start_s, stop_s in events(recording.times_s, recording.label):
        over = (end_s > start_s) & (end_s - window_s <= stop_s)
        yield Onset(recording.wearer, end_s[over] - start_s, np.maximum.accumulate(score[over]))


def vus_pr_of(line: Timeline, times: dict[str, int]) -> float:
    """VUS-PR of the wearers, each taken so many times."""
    drawn = [wearer for wearer, count in times.items() for _ in range(count)]
    label = np.concatenate([line.label[wearer] for wearer in drawn])
    return vus_pr(label, np.concatenate([line.score[wearer] for wearer in drawn]), line.buffer)


def delay_of(line: Timeline, counts: Tally, weights: Weights, per_hour: float) -> float:
    """Median delay in seconds of the events detected at that many false alarms per hour; NaN = none is."""
    threshold = threshold_at(counts, weights, per_hour)
    taken = dict(zip(counts.wearers, weights.astype(int), strict=True))
    delays: list[float] = []
    for onset in line.onsets:
        place = int(np.searchsorted(onset.highest, threshold))
        if place < len(onset.highest):
            delays += [float(onset.delay_s[place])] * taken[onset.wearer]
    return float(np.median(delays)) if delays else float("nan")
