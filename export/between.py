"""How much wearers differ from each other, as the weight that the population's word has beside a wearer's own wear."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom

from agent.records import Floats

STRANGE = 0.1
"""Share of a family's half-minutes that count as strange here: rarer ones are too few to compare wearers by."""
WEIGHTS = np.geomspace(10, 100, 181)
"""Weights to choose from. A handful of wearers with minutes each cannot tell that people are all alike, nor that they
have nothing in common, so the estimate ends there."""


def concentration(families: Sequence[tuple[Floats, NDArray[np.str_]]]) -> float:
    """C in `agent.own`: likeliest where each wearer's share of strange half-minutes is drawn from Beta(C q, C (1 - q)).

    Maximum of the beta-binomial likelihood (Skellam 1948, J. R. Stat. Soc. B 10:257), all families together: most
    have too few half-minutes to say anything alone. The intra-class correlation is then 1 / (C + 1).

    Args:
        families: of each, its (n,) half-minutes and the (n,) wearers they come from.
    """
    counts = [_counts(blocks, owners) for blocks, owners in families if len(blocks)]
    strange, total = (np.concatenate(values) for values in zip(*counts, strict=True))
    likelihood = [betabinom.logpmf(strange, total, c * STRANGE, c * (1 - STRANGE)).sum() for c in WEIGHTS]
    return float(WEIGHTS[int(np.argmax(likelihood))])


def _counts(blocks: Floats, owners: NDArray[np.str_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each wearer: strange half-minutes, and all."""
    _, place = np.unique(owners, return_inverse=True)
    strange = blocks > np.quantile(blocks, 1 - STRANGE)
    return np.bincount(place, strange).astype(np.int64), np.bincount(place).astype(np.int64)
