"""Seconds of arms and legs -> spans of time with their sums, as they are booked."""

from dataclasses import dataclass

import numpy as np

from agent.limbs.columns import ARMS, AT, BINS, COLUMNS, RULES, SENSORS, SIDES
from agent.limbs.gait import Pace
from agent.limbs.measure import Seconds
from agent.records import Booleans, Floats, Integers


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over short spans of time, each of one wearer; in order of time."""

    wearer: Integers
    end_s: Floats
    length_s: float
    heard: Booleans
    """(n, sensors) left and right arm, left and right leg, trunk."""
    still: Booleans
    """(n, sensors)"""
    sums: Floats
    """(n, columns) as in `COLUMNS`; `worn_s` = the span's length, nothing aside."""
    ratios: Integers
    """(n, bins) how many seconds had which magnitude ratio."""


def tally(seconds: Seconds, pace: Pace | None = None) -> Tally:
    """Seconds as spans of one second each; what is not heard sums to nothing."""
    arms = _of_arms(seconds)
    if pace is None or not len(pace):
        return arms
    return _of_legs(pace) if not len(seconds) else _merged(arms, _of_legs(pace))


def _of_legs(pace: Pace) -> Tally:
    heard, still = (np.pad(part, ((0, 0), (SENSORS - 3, 0))) for part in (pace.heard, pace.still))
    sums = np.concatenate([np.zeros((len(pace), len(ARMS))), pace.sums], axis=1)
    return Tally(pace.wearer, pace.end_s, 1.0, heard, still, sums, np.zeros((len(pace), len(BINS) - 1), np.int64))


def _merged(one: Tally, other: Tally) -> Tally:
    """Two records of the same seconds, or of some of them, as one."""
    keys = np.stack([np.append(one.end_s, other.end_s), np.append(one.wearer, other.wearer)])
    both, line = np.unique(keys, axis=1, return_inverse=True)
    parts = []
    for name in ("heard", "still", "sums", "ratios"):
        first, second = getattr(one, name), getattr(other, name)
        whole = np.zeros((both.shape[1], first.shape[1]), first.dtype)
        np.add.at(whole, line.ravel(), np.concatenate([first, second]))
        parts.append(whole)
    return Tally(both[1].astype(np.int64), both[0], 1.0, *parts)


def _of_arms(seconds: Seconds) -> Tally:
    sums = np.zeros((len(seconds), len(COLUMNS)))
    counts = np.nan_to_num(seconds.counts)
    moved: Booleans = np.asarray(counts > 0)
    either: Booleans = np.asarray(moved.any(axis=1))
    logs = np.log1p(counts) * either[:, None]
    sums[:, AT["worn_s"]], sums[:, AT["walking_s"]], sums[:, AT["either_s"]] = 1.0, seconds.walking, either
    sums[:, AT["together_s"]] = seconds.by_counts.all(axis=1)
    used = {"counts": seconds.by_counts, "gross": seconds.by_gross, "both": seconds.by_both}
    for side, name in enumerate(SIDES):
        for rule in RULES:
            sums[:, AT[f"{rule}_{name}_s"]] = used[rule][:, side]
        sums[:, AT[f"learned_{name}_s"]] = seconds.by_learned[:, side]
        sums[:, AT[f"free_{name}_s"]] = seconds.by_counts[:, side] & ~seconds.walking
        sums[:, AT[name]], sums[:, AT[f"{name}2"]] = counts[:, side], counts[:, side] ** 2
        sums[:, AT[f"log_{name}"]], sums[:, AT[f"log_{name}2"]] = logs[:, side], logs[:, side] ** 2
        up = np.nan_to_num(seconds.gravity[:, side]) * moved[:, side, None]
        sums[:, AT[f"up_{name}_x"] : AT[f"up_{name}_z"] + 1] = up
        sums[:, AT[f"turned_{name}_s"]] = moved[:, side]
    sums[:, AT["log_both"]] = logs[:, 0] * logs[:, 1]
    heard, still = (np.pad(part, ((0, 0), (0, SENSORS - 2))) for part in (seconds.heard, seconds.still))
    return Tally(seconds.wearer, seconds.end_s, 1.0, heard, still, sums, _binned(counts, either))


def _binned(counts: Floats, either: Booleans) -> Integers:
    """(n, bins) one-hot: the magnitude ratio left to right of each second in which an arm moved."""
    apart = np.log(np.maximum(counts[:, 0], 1e-9)) - np.log(np.maximum(counts[:, 1], 1e-9))
    place = np.clip(np.searchsorted(BINS, apart, side="right") - 1, 0, len(BINS) - 2)
    ratios = np.zeros((len(counts), len(BINS) - 1), np.int64)
    ratios[np.arange(len(counts))[either], place[either]] = 1
    return ratios
