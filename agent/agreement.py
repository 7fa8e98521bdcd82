"""Limbs that agree: what is strange at one is stranger where the others show it too.

    together_i = sum over j of min(own_i, own_j) / sqrt(k (1 + (k - 1) ALIKE))

over the k limbs of one person in one window that are heard. Each other limb counts as far as it agrees and no further,
so a limb that is strange by itself, or measured wrongly, lends the others nothing; and one that stays calm makes it
less. Divided by the spread of a sum of k numbers that correlate by ALIKE, so that in normal wear it has no heavier a
tail than one limb alone. A single limb says what it says.

What it brings, and that its tail is no heavier: `python -m training agreement`.
"""

import numpy as np

from agent.records import Booleans, Floats, Integers

ALIKE = 0.4
"""In normal wear the open parts of two limbs of a person correlate by .25 to .60, .41 in the mean (calibration wearers
of UMAFall, six pairs; `python -m training agreement`). With 0, an unusual gait, unusual at every limb, drowns freezes:
average precision at Stanford .37, not .47; that of falls on the calibration wearers rises by .02 at most."""


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
    calmer = np.zeros(len(windows))
    for rank in range(int(count.max(initial=0))):  # in turn, so that nobody else's windows take part in a sum
        there = count > rank
        limb, others, root = rows[first[there] + rank], count[there] - rank, _spread(count[there])
        whole[limb] = (calmer[there] + others * own[limb]) / root
        slope[limb] = others / root
        calmer[there] += own[limb]
    return whole, slope


def _spread(count: Integers) -> Floats:
    return np.asarray(np.sqrt(count * (1 + (count - 1) * ALIKE)))
