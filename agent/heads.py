"""Masses on sets of labels -> the labels that are left: two rules to choose from, `[alarms] head` in the settings.

Interval dominance, each label against its negation: a label goes where the belief that it is another is at least its
own plausibility (Zaffalon 2002, J. Stat. Plann. Inference 105:5, for credal intervals), which is where its
plausibility is at most a half. The prudent rule, and the default.

Interval criterion: the same with the plausibility drawn in, half-way, towards the pignistic probability (Smets,
Kennes 1994, Artif. Intell. 66:191). Drawn in not at all it is interval dominance, drawn in wholly a point answer;
after the idea of Imoussaten (IPMU 2024, hal-04663661) to trade the one for the other. We had a summary of it, not its
text, so the half-way rule is our reading. It abstains less often, and is wrong more often.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np

from agent.records import Booleans, Floats

Head = Literal["interval_dominance", "interval_criterion"]

SETS = np.array([[bits >> label & 1 for label in range(3)] for bits in range(8)], dtype=float)
"""(8, 3) the subsets of `LABELS`, numbered by their bits: 1 = {normal}, 2 = {noise}, 4 = {novelty}, 7 = all."""
DRAWN_IN = 0.5
"""How far the interval criterion draws plausibility in, in [0, 1]."""
_HALF = 0.5 + 1e-9
"""A half, but for rounding."""
_SHARED_OUT = SETS / np.maximum(SETS.sum(axis=1, keepdims=True), 1)
"""(8, 3) each set's mass in equal parts to its labels."""


def kept_by(head: Head, masses: Floats) -> Booleans:
    """(n, 3) labels that are left, at least one a row.

    Args:
        head: the rule.
        masses: (n, 8) mass of each of `SETS`; rows sum to 1, nothing on the empty set.
    """
    return _HEADS[head](masses)


def pignistic(masses: Floats) -> Floats:
    """(n, 3) probability of each label if one had to bet; rows sum to 1."""
    return np.asarray(masses @ _SHARED_OUT)


def _interval_dominance(masses: Floats) -> Booleans:
    return _undominated(masses @ SETS)


def _interval_criterion(masses: Floats) -> Booleans:
    plausibility = masses @ SETS
    return _undominated(plausibility + DRAWN_IN * (pignistic(masses) - plausibility))


def _undominated(plausibility: Floats) -> Booleans:
    """(n, 3) labels that their negation does not dominate; of none, the most plausible stays."""
    labels = plausibility > _HALF
    none = ~labels.any(axis=1)
    labels[none, plausibility[none].argmax(axis=1)] = True
    return np.asarray(labels)


_HEADS: dict[Head, Callable[[Floats], Booleans]] = {
    "interval_dominance": _interval_dominance,
    "interval_criterion": _interval_criterion,
}
