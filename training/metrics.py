"""How good are scores? Window ROC-AUC, average precision, and event recall at a rate of false alarms.

Definitions, the same for every program that is compared:

- window label: 1 if an anomalous sample lies in `[end - window, end)`.
- event: one contiguous run of anomalous samples; detected if a window that overlaps it scores at least the threshold;
  missed if no window of it is scored.
- false alarm: a run of normal windows that score at least the threshold; runs of one recording that are no more than
  30 s apart are one; runs of different recordings never are.
- normal hours: normal windows x the recording's median hop.
- threshold at a rate: the lowest score such that at it, and at every higher one, there are at most
  floor(rate x hours) false alarms; one for all wearers, chosen on the judged recordings themselves (an oracle).

Every count is a sum over wearers, so that a bootstrap over wearers only weighs the rows of one `Tally` anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.records import Booleans, Floats, Integers

Labels = NDArray[np.int8]

REFRACTORY_S = 30.0
HOURS_A_DAY = 24.0
_EDGE_S = 1e-6  # a window's end may be off its sample's time by rounding, never by this much of a sample


def roc_auc(label: Labels, score: Floats) -> float:
    """Area under the ROC curve in [0, 1]: chance that an anomalous window outscores a normal one, ties half.

    Args:
        label: (n,) 1 = anomalous, 0 = normal.
        score: (n,) finite, higher = stranger.

    Returns:
        NaN where one of the two classes is absent.
    """
    return _auc(*_curve(label, score))


def average_precision(label: Labels, score: Floats) -> float:
    """Mean precision over the anomalous windows, in [0, 1]; no interpolation; windows of one score count together.

    Arguments and NaN as in `roc_auc`.
    """
    return _precision(*_curve(label, score))


def _curve(label: Labels, score: Floats) -> tuple[Floats, Floats]:
    """(k,) anomalous and (k,) normal windows at or above each distinct score, from the highest down."""
    thresholds = np.unique(score)[::-1]
    return _at_or_above(score[label == 1], thresholds), _at_or_above(score[label == 0], thresholds)


def _at_or_above(values: Floats, thresholds: Floats) -> Floats:
    return (len(values) - np.searchsorted(np.sort(values), thresholds, side="left")).astype(np.float64)


def _auc(anomalous: Floats, normal: Floats) -> float:
    if not _both(anomalous, normal):
        return float("nan")
    height = anomalous + np.r_[0.0, anomalous[:-1]]  # twice the mean height of each trapezium
    return float(np.sum(np.diff(normal, prepend=0.0) * height) / (2 * anomalous[-1] * normal[-1]))


def _precision(anomalous: Floats, normal: Floats) -> float:
    if not _both(anomalous, normal):
        return float("nan")
    gained = np.diff(anomalous, prepend=0.0)
    share = np.divide(anomalous, anomalous + normal, out=np.zeros_like(gained), where=anomalous > 0)
    return float(np.sum(gained * share) / anomalous[-1])


def _both(anomalous: Floats, normal: Floats) -> bool:
    return len(anomalous) > 0 and bool(anomalous[-1] > 0) and bool(normal[-1] > 0)


def window_labels(times_s: Floats, label: NDArray[np.bool_] | Labels, end_s: Floats, window_s: float) -> Labels:
    """(m,) 1 for each window with a labelled sample in `[end - window, end)`.

    Args:
        times_s: (n,) times of the samples, increasing.
        label: (n,) label of each sample.
        end_s: (m,) ends of the windows.
        window_s: their length in seconds.
    """
    before: Integers = np.r_[0, np.cumsum(np.asarray(label, dtype=np.int8) > 0)]
    stop = np.searchsorted(times_s, end_s - _EDGE_S)
    start = np.searchsorted(times_s, end_s - window_s - _EDGE_S)
    some: Booleans = before[stop] > before[start]
    return some.astype(np.int8)


def window_truth(
    times_s: Floats, label: Labels, judged: Booleans, end_s: Floats, window_s: float
) -> tuple[Labels, Booleans]:
    """(m,) `window_labels`, and (m,) whether they are known: an event is there, or no sample that is not `judged`."""
    truth = window_labels(times_s, label, end_s, window_s)
    return truth, (truth == 1) | (window_labels(times_s, ~judged, end_s, window_s) == 0)


def events(times_s: Floats, label: Labels) -> Floats:
    """(k, 2) times of the first and the last sample of each contiguous run of label 1."""
    edge = np.diff((np.asarray(label) > 0).astype(np.int8), prepend=0, append=0)
    first, last = np.flatnonzero(edge == 1), np.flatnonzero(edge == -1) - 1
    return np.stack([times_s[first], times_s[last]], axis=1).astype(np.float64)


def event_scores(found: Floats, end_s: Floats, score: Floats, window_s: float) -> Floats:
    """(k,) highest score over the windows that overlap each of (k, 2) events; NaN = none does."""
    best = np.full(len(found), np.nan)
    for index, (start_s, stop_s) in enumerate(found):
        overlapping = (end_s > start_s) & (end_s - window_s <= stop_s)
        if overlapping.any():
            best[index] = score[overlapping].max()
    return best


def alarm_ends(end_s: Floats, score: Floats, refractory_s: float = REFRACTORY_S) -> Floats:
    """(n,) the threshold at and below which a window no longer begins a false alarm of its own; -inf = always does.

    At a threshold t a window begins a false alarm if it scores at least t and no earlier window within the refractory
    time does. So the false alarms at t number: scores at or above t, less `alarm_ends` at or above t.

    Args:
        end_s: (n,) ends of the normal windows of one recording, ascending.
        score: (n,) their scores.
        refractory_s: runs no further apart than this are one false alarm.
    """
    before = np.full(len(score), -np.inf)
    for lag in range(1, len(score)):
        near = end_s[lag:] - end_s[:-lag] <= refractory_s
        if not near.any():
            break
        before[lag:][near] = np.maximum(before[lag:], score[:-lag])[near]
    ends: Floats = np.minimum(before, score)
    return ends


@dataclass(frozen=True, slots=True)
class ScoredRecording:
    """One recording's truth and what one program says of its windows."""

    wearer: str
    times_s: Floats
    """(n,) times of the samples."""
    label: Labels
    """(n,) 1 = anomalous sample."""
    judged: Booleans
    """(n,) False = truth unknown; a window with such a sample and without an anomalous one is left out."""
    end_s: Floats
    """(m,) ends of the windows, ascending, in the recording's time."""
    score: Floats
    """(m,) higher = stranger; not finite = the window is left out."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Each wearer's counts at or above each distinct score."""

    wearers: tuple[str, ...]
    thresholds: Floats
    """(k,) descending."""
    anomalous: Floats
    """(wearers, k) anomalous windows."""
    normal: Floats
    """(wearers, k) normal windows."""
    false_alarms: Floats
    """(wearers, k)"""
    normal_hours: Floats
    """(wearers,)"""
    event_wearer: Integers
    """(events,) index in `wearers`."""
    event_score: Floats
    """(events,) see `event_scores`."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What one recording adds to the tally."""

    wearer: int
    anomalous: Floats
    normal: Floats
    alarm_end: Floats
    hours: float
    event: Floats


def tally(recordings: Sequence[ScoredRecording], window_s: float, refractory_s: float = REFRACTORY_S) -> Tally:
    """Count; see the definitions at the top."""
    wearers = tuple(sorted({recording.wearer for recording in recordings}))
    parts = [_part(recording, wearers, window_s, refractory_s) for recording in recordings]
    thresholds = np.unique(_joined([scores for part in parts for scores in (part.anomalous, part.normal)]))[::-1]

    def counts(take: Callable[[_Part], Floats]) -> Floats:
        own = [_joined([take(part) for part in parts if part.wearer == index]) for index in range(len(wearers))]
        return np.stack([_at_or_above(values, thresholds) for values in own])

    normal = counts(lambda part: part.normal)
    hours = np.zeros(len(wearers))
    np.add.at(hours, [part.wearer for part in parts], [part.hours for part in parts])
    return Tally(
        wearers=wearers,
        thresholds=thresholds,
        anomalous=counts(lambda part: part.anomalous),
        normal=normal,
        false_alarms=normal - counts(lambda part: part.alarm_end),
        normal_hours=hours,
        event_wearer=np.repeat([part.wearer for part in parts], [len(part.event) for part in parts]).astype(np.int64),
        event_score=_joined([part.event for part in parts]),
    )


def _joined(arrays: list[Floats]) -> Floats:
    return np.concatenate(arrays) if arrays else np.empty(0)


def _part(recording: ScoredRecording, wearers: Sequence[str], window_s: float, refractory_s: float) -> _Part:
    scored = np.isfinite(recording.score)
    end_s, score = recording.end_s[scored], recording.score[scored]
    label, known = window_truth(recording.times_s, recording.label, recording.judged, end_s, window_s)
    normal = (label == 0) & known
    hop_s = float(np.median(np.diff(end_s))) if len(end_s) > 1 else 0.5
    found = events(recording.times_s, recording.label)
    return _Part(
        wearer=wearers.index(recording.wearer),
        anomalous=score[label == 1],
        normal=score[normal],
        alarm_end=alarm_ends(end_s[normal], score[normal], refractory_s),
        hours=float(normal.sum()) * hop_s / 3600,
        event=event_scores(found, end_s, score, window_s),
    )


Weights = Floats
"""(wearers,) how often each wearer counts."""
Figure = Callable[[Tally, Weights], float]


def roc_auc_of(counts: Tally, weights: Weights) -> float:
    """`roc_auc` of all windows."""
    return _auc(weights @ counts.anomalous, weights @ counts.normal)


def average_precision_of(counts: Tally, weights: Weights) -> float:
    """`average_precision` of all windows."""
    return _precision(weights @ counts.anomalous, weights @ counts.normal)


def threshold_at(counts: Tally, weights: Weights, per_hour: float) -> float:
    """The threshold at a rate of false alarms per hour of normal wear; NaN without a window."""
    if len(counts.thresholds) == 0:
        return float("nan")
    allowed = np.floor(per_hour * float(weights @ counts.normal_hours) + 1e-9)
    too_many = np.flatnonzero(weights @ counts.false_alarms > allowed)
    lowest = counts.thresholds[-1]
    return float(np.nextafter(counts.thresholds[too_many[0]], np.inf) if len(too_many) else lowest)


def recall_above(threshold: float, counts: Tally, weights: Weights) -> float:
    """Share of events in [0, 1] that reach a given threshold; NaN without an event."""
    weight = weights[counts.event_wearer]
    detected = counts.event_score >= threshold  # NaN: missed
    return float(weight[detected].sum() / weight.sum()) if weight.sum() > 0 else float("nan")


def event_recall_at(per_hour: float) -> Figure:
    """The figure 'share of events detected at that many false alarms per hour'; NaN without an event."""
    return lambda counts, weights: recall_above(threshold_at(counts, weights, per_hour), counts, weights)


def event_recall_per_day(counts: Tally, weights: Weights) -> float:
    """Share of events detected at one false alarm per day; NaN = less than a day of normal wear, which cannot tell."""
    known = float(weights @ counts.normal_hours) >= HOURS_A_DAY
    return event_recall_at(1 / HOURS_A_DAY)(counts, weights) if known else float("nan")
