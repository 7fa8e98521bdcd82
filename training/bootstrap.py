"""A figure with its interval: what other wearers would have given, as far as these few can tell."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agent.records import Floats
from training.metrics import Figure, Tally


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval over wearers; NaN = cannot be had from these recordings."""

    value: float
    low: float
    high: float


def estimate(counts: Tally, figure: Figure, resamples: int = 1000) -> Estimate:
    """The figure of all wearers, and its `interval`."""
    return Estimate(figure(counts, np.ones(len(counts.wearers))), *interval(counts, figure, resamples))


def interval(counts: Tally, figure: Figure, resamples: int = 1000, seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap over wearers: (low, high).

    Wearers are drawn with replacement, each with all of its recordings; for a recall the threshold is chosen anew in
    each draw. Draws without a value (no event, one class) are left out; (NaN, NaN) for fewer than two wearers.
    With the handful of wearers of these datasets it is a rough statement: percentile intervals of few are too narrow.
    """
    return interval_of(lambda weights: figure(counts, weights), len(counts.wearers), resamples, seed)


def interval_of(
    figure: Callable[[Floats], float], wearers: int, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The same for any figure of (wearers,) weights."""
    if wearers < 2:
        return float("nan"), float("nan")
    draws = np.random.default_rng(seed).multinomial(wearers, np.full(wearers, 1 / wearers), resamples)
    return percentiles(np.array([figure(weights) for weights in draws.astype(np.float64)]))


def percentiles(draws: Floats) -> tuple[float, float]:
    """The ends of the middle 95 % of (n,) draws, without those that have no value; (NaN, NaN) where none has one."""
    known = draws[np.isfinite(draws)]
    low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)
    return float(low), float(high)
