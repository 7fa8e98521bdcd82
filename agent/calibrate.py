"""Scores -> p-values with their interval, against the normal wear of wearers the model was not trained on.

The unit is the half-minute, not the window: calibration keeps the strangest window of each half-minute, so that
neighbouring windows do not count twice, and a p-value reads "this share of normal half-minutes holds a window at
least this strange".

    p = (1 + number of calibration half-minutes at least as strange) / (1 + their number)

Guarantee: for a half-minute of normal wear that is exchangeable with the calibration half-minutes, the strangest
window's p satisfies P(p <= a) <= a, over the draw of both (Vovk, Gammerman, Shafer 2005, "Algorithmic Learning in
a Random World", conformal prediction). Not if the wearer differs in kind from the calibration wearers: half-minutes
of one wearer resemble each other, so the interval below counts fewer of them than there are.

Interval: Clopper-Pearson (1934, Biometrika 26:404) at 95 % for the true share, on the number of half-minutes
divided by the design effect between wearers (Kish 1965); computed at export and shipped as a table, since it
depends only on the count.

Several positions of one wearer: the smallest of p / w over the positions, with weights w that sum to 1 (weighted
Bonferroni; Genovese, Roeder, Wasserman 2006, Biometrika 93:509), which holds however the positions depend on each
other. The weights are the positions' shares of the calibration half-minutes: where little is known, little is spent.
"""

from dataclasses import dataclass

import numpy as np

from agent.records import Booleans, Floats, Integers, Surprise, Windows

BLOCK_S = 30.0
"""Length of the unit of calibration."""
BLOCKS_PER_DAY = 86_400 / BLOCK_S
CONCENTRATION = 30.0
"""Weight of the population, in half-minutes of a wearer's own, in bundles that do not say; see `own`."""


@dataclass(frozen=True, slots=True)
class FamilyCalibration:
    """Normal half-minutes of one family of positions."""

    scores: Floats
    """(n,) strangest score of each half-minute, ascending; from the quantized model."""
    low: Floats
    """(n + 1,) lower end of the 95 % interval where k half-minutes are at least as strange."""
    high: Floats
    """(n + 1,) upper end."""
    wearers: int
    """How many people they come from."""
    parts: tuple[Floats, ...] = ()
    """Of each of `PARTS`: (k,) its largest value in each half-minute, ascending; empty = no such part."""


class Calibration:
    """The population's calibration, with which every wearer starts; see `own` for what each adds."""

    def __init__(self, families: tuple[FamilyCalibration, ...], concentration: float = CONCENTRATION) -> None:
        """`concentration`: how many of a wearer's own half-minutes weigh as much as the population's word."""
        self.families, self.concentration = families, concentration
        self._sizes = np.array([float(1 + len(family.scores)) for family in families])
        self._smallest = 1 / self._sizes

    def p_values(self, score: Floats, family: Integers) -> tuple[Floats, Floats, Floats]:
        """p, low, high of each row, (m,) each; NaN where the score is NaN."""
        out = np.full((3, len(score)), np.nan)
        for index in np.unique(family):
            rows = (family == index) & np.isfinite(score)
            known = self.families[index]
            above = len(known.scores) - np.searchsorted(known.scores, score[rows], side="left")
            out[:, rows] = (1 + above) / (1 + len(known.scores)), known.low[above], known.high[above]
        return out[0], out[1], out[2]

    def p_of_parts(self, parts: Floats, family: int) -> Floats:
        """(parts,) p-value of each part of one row's score, as of the whole; NaN where it has none."""
        found = np.full(len(parts), np.nan)
        for index, normal in enumerate(self.families[family].parts):
            if len(normal) and np.isfinite(parts[index]):
                above = len(normal) - np.searchsorted(normal, parts[index], side="left")
                found[index] = (1 + above) / (1 + len(normal))
        return found

    def rank(self, windows: Windows, score: Floats, trusted: Booleans) -> Surprise:
        """Merge the positions of each window.

        Args:
            windows: n windows, m rows.
            score: (m,) nonconformity scores, NaN = not scored.
            trusted: (m,) rows whose measurement is not certainly wrong; others count only where none is trusted.
        """
        count = len(windows.end_s)
        known = np.isfinite(score)
        size = np.where(known & (trusted | ~_any(windows.owner, known & trusted, count)[windows.owner]), 1.0, 0.0)
        size *= self._sizes[windows.family]
        weight = size / np.maximum(np.bincount(windows.owner, size, count)[windows.owner], 1e-12)
        with np.errstate(divide="ignore", invalid="ignore"):
            p, low, high = (values / weight for values in self.p_values(score, windows.family))
            smallest = self._smallest[windows.family] / weight
        leading = _leading_row(windows.owner, np.where(weight > 0, p, np.nan), score, count)
        out = np.full((5, count), np.nan)
        some = leading >= 0
        rows = leading[some]
        out[0, some] = score[rows]
        out[1:, some] = np.minimum(1.0, np.stack([p[rows], low[rows], high[rows], smallest[rows]]))
        out[4, ~some] = 1.0  # nothing was scored: nothing can be promised
        return Surprise(out[0], leading, out[1], out[2], out[3], out[4], out[1], np.zeros(count, np.int64))


def _any(owner: Integers, flags: Booleans, count: int) -> Booleans:
    """(count,) whether any row of each window is flagged."""
    return np.bincount(owner, flags, count) > 0


def _leading_row(owner: Integers, p: Floats, score: Floats, count: int) -> Integers:
    """(count,) the row with the smallest p, of several the one with the highest score; -1 where none has a p."""
    rows = np.flatnonzero(np.isfinite(p))
    order = rows[np.lexsort((score[rows], -p[rows], owner[rows]))]  # the last of each owner leads
    leading = np.full(count, -1, np.int64)
    leading[owner[order]] = order  # later assignments win
    return leading
