"""Limbs that agree: what is strange at one is stranger where the others show it too.

    together_i = max(own_i, sum over j of min(own_i, own_j) / sqrt(k (1 + (k - 1) ALIKE)))

over the k limbs of one person in one window that are heard. Each other limb counts as far as it agrees and no further,
so a limb that is strange by itself, or measured wrongly, lends the others nothing. The sum is divided by the spread of
a sum of k numbers that correlate by ALIKE, so that in normal wear it has hardly a heavier tail than one limb alone. No
limb is made less strange by calm ones: one arm may well tremble alone. A single limb says what it says.

What it brings, and the tail: `python -m training agreement`.
"""

import numpy as np

from agent.records import Booleans, Floats, Integers

ALIKE = 0.4
"""In normal wear the open parts of two limbs of a person correlate by .25 to .60, .41 in the mean (calibration wearers
of UMAFall, six pairs; `python -m training agreement`)."""


def together(own: Floats, owner: Integers, heard: Booleans) -> tuple[Floats, Floats]:
    """What each limb says with the others of its window.

    Args:
        own: (m,) what each says by itself, finite.
        owner: (m,) the window of each.
        heard: (m,) those that have a say; the rest say what they say, and nobody listens.

    Returns:
        (m,) and (m,) by how much the first rises with `own`.
    """
    whole, slope = own.copy(), np.ones(len(own))
    rows = np.flatnonzero(heard)
    rows = rows[np.lexsort((own[rows], owner[rows]))]  # within a window the calmest first
    windows, first, count = np.unique(owner[rows], return_index=True, return_counts=True)
    spread = np.sqrt(count * (1 + (count - 1) * ALIKE))
    calmer = np.zeros(len(windows))
    for rank in range(int(count.max(initial=0))):  # in turn, so that nobody else's windows take part in a sum
        there = count > rank
        limb, others = rows[first[there] + rank], count[there] - rank
        agreed = (calmer[there] + others * own[limb]) / spread[there]
        slope[limb] = np.where(agreed > own[limb], others / spread[there], 1.0)
        whole[limb] = np.maximum(agreed, own[limb])
        calmer[there] += own[limb]
    return whole, slope
