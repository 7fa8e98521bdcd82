"""VUS-PR: the volume under the precision-recall surface whose third axis is a buffer around each event.

Paparrizos et al.: Volume under the surface, PVLDB 15(11):2774-2787, 2022. A point near an event is partly right: its
label falls off as sqrt(1 - distance / buffer) up to half a buffer away, so that a detector that is early or late by
a little is not counted as wrong. Each buffer from 0 to the given one has its own precision-recall curve; the volume is
the mean of the areas beneath them.

These are the numbers of `generate_curve(label, score, buffer, "opt", 250)` in the packages `vus` 0.0.6 and `TSB-AD`
1.5, which agree with each other; theirs loops over thresholds and rows, this one counts each row once. As in theirs,
recall is multiplied by the share of events that are touched, and the thresholds are 250 quantiles of the
scores: ties and few rows make it coarse.
"""

import numpy as np

from agent.records import Floats, Integers
from training.metrics import Labels

THRESHOLDS = 250


def vus_pr(label: Labels, score: Floats, buffer: int, thresholds: int = THRESHOLDS) -> float:
    """Volume under the precision-recall surface, in [0, 1].

    Args:
        label: (n,) 1 = anomalous, 0 = normal, in order of time.
        score: (n,) finite, higher = stranger.
        buffer: the longest buffer, in rows.
        thresholds: how many quantiles of the scores are tried.

    Returns:
        NaN where one of the two classes is absent.
    """
    if label.min(initial=1) == label.max(initial=0):
        return float("nan")
    order = np.sort(score)[::-1]
    levels = order[np.linspace(0, len(score) - 1, thresholds).astype(int)]
    first = np.searchsorted(-levels, -score, side="left")  # (n,) the first of the falling levels that a row reaches
    predicted = np.cumsum(np.bincount(first, minlength=thresholds)[:thresholds])
    edge = np.diff(label.astype(np.int8), prepend=0, append=0)
    runs = np.stack([np.flatnonzero(edge == 1), np.flatnonzero(edge == -1)], axis=1)  # (events, 2) first, past the last
    areas = [_area(label, first, predicted, runs, width) for width in range(buffer + 1)]
    return float(np.mean(areas))


def _area(label: Labels, first: Integers, predicted: Integers, runs: Integers, width: int) -> float:
    """Area under one curve: of the buffer that is `width` rows wide."""
    levels = len(predicted)
    weight = _weights(label, runs, width)
    partly = np.flatnonzero((weight > 0) & (label == 0))
    inside = _count(first[label > 0], None, levels)
    near = _count(first[partly], weight[partly], levels)
    touched = _count(_earliest(first, runs, width), None, levels)
    found = inside + near
    recall = np.minimum(found / (label.sum() + near / 2), 1.0) * touched / touched[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * found / predicted))


def _count(first: Integers, weight: Floats | None, levels: int) -> Floats:
    """(levels,) how many rows, or how much weight, are at or above each level."""
    return np.cumsum(np.bincount(first, weight, minlength=levels)[:levels]).astype(np.float64)


def _weights(label: Labels, runs: Integers, width: int) -> Floats:
    """(n,) label of each row, from 0 to 1, with a buffer; where two buffers overlap they add up to at most 1."""
    away = np.arange(1, width // 2 + 1)
    fall = np.sqrt(1 - away / width) if width else np.empty(0)
    near = np.stack([runs[:, 1, None] - 1 + away, runs[:, 0, None] - away])  # (2, events, half): after, before
    inside = (near >= 0) & (near < len(label))
    added = np.bincount(near[inside], np.broadcast_to(fall, near.shape)[inside], minlength=len(label))
    weight: Floats = np.minimum(label + added, 1.0)
    return weight


def _earliest(first: Integers, runs: Integers, width: int) -> Integers:
    """(k,) the first level that any row of each event with its buffer reaches; events whose buffers meet are one."""
    half, rows = width // 2, len(first)
    apart = runs[:-1, 1] - 1 + half < runs[1:, 0] - half
    start = np.r_[max(int(runs[0, 0]) - half, 0), runs[1:, 0][apart] - half]
    stop = np.r_[runs[:-1, 1][apart] + half, min(int(runs[-1, 1]) + half, rows)]
    bounds = np.stack([start, stop], axis=1).ravel()
    earliest: Integers = np.minimum.reduceat(np.append(first, first[-1]), bounds)[::2]
    return earliest
