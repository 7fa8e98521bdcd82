"""Has the level of a stream shifted? Bets against "nothing has changed", at most one false alarm in 300 days.

z is the rank of a unit of wear among the wearer's own (see `reference`). A bet with stake s, of either sign, is worth

    e = exp(s * z - |s| * tolerance - s^2 * V / 2)

at each unit: on average at most 1 while nothing has changed. Bets are opened anew at every unit, and the sum of all
their fortunes is followed (Shiryaev-Roberts),

    wealth = (1 + wealth) * e,    raised when the mean over the six stakes reaches `THRESHOLD`

which is an e-detector (Shin, Ramdas, Rinaldo 2023, "E-detectors", N. Engl. J. Stat. Data Sci.); each bet on a
conformal p-value, Phi(-z), is one of Vovk's test martingales (2021, "Testing randomness online", Statist. Sci. 36:595).

Guarantee: if, given the past, E exp(s z) <= exp(|s| tolerance + s^2 V / 2) for the stakes, then wealth less the number
of units is a supermartingale. So the mean time to a false alarm is at least THRESHOLD units, and by Ville's inequality
one comes within T units with a chance of at most T / THRESHOLD: 10 % in 30 days of wear, two of them with 1 %.

Assumption: with V = 1 it holds where units are exchangeable with the reference, up to the reference's own error: no
stake gains, on average, by a mean of z within the tolerance and 0.2 more, which is three standard errors or more where
180 units of the kind are known. Real wear comes in bouts; then V, measured over sums of many minutes, stands in for
"given the past": right for sums over many bouts, not for a single one. What that costs is measured on real wear, see
`training.drift_figures`.
"""

import numpy as np

from agent.records import Booleans, Floats, Integers
from agent.reference import DAY_UNITS

EFFECTS = np.array([0.4, 0.8, 1.6, -0.4, -0.8, -1.6])
"""Shifts beyond the tolerance for which each stake is the best one, in standard deviations."""
FALSE_DAYS = 300
"""Days of wear to a false drift, on average, at the least: ten times the 30 in which there may be one."""
THRESHOLD = float(FALSE_DAYS * DAY_UNITS)
MOST = 2 * len(EFFECTS) * THRESHOLD
"""Wealth of one stake: enough to raise alone."""

MEMORY = np.dtype(
    [
        ("wealth", np.float64, len(EFFECTS)),
        ("rise", np.float64, len(EFFECTS)),
        ("began_s", np.float64, len(EFFECTS)),
        ("total", np.float64, len(EFFECTS)),
        ("units", np.int32, len(EFFECTS)),
    ]
)
"""One wearer, for each stake: wealth; the cumulative sum of log e since it was last at nought (Page 1954), which tells
since when; when that was, and sum and number of z since then."""


class Bets:
    """The bets on all wearers; about 220 bytes each."""

    def __init__(self) -> None:
        self.memory = np.zeros(0, MEMORY)

    def place(self, wearer: Integers, at_s: Floats, z: Floats, tolerance: Floats, variance: Floats) -> Booleans:
        """One unit each of n different wearers; (n,) for whom a shift is raised. Restart them: `restart`."""
        memory = self.memory
        gain = gains(z, tolerance, variance)
        fresh = memory["rise"][wearer] <= 0
        for name, value in (("began_s", at_s), ("total", 0.0), ("units", 0)):
            memory[name][wearer] = np.where(fresh, np.reshape(value, (-1, 1)), memory[name][wearer])
        memory["rise"][wearer] = np.maximum(memory["rise"][wearer] + gain, 0.0)
        memory["total"][wearer] += z[:, None]
        memory["units"][wearer] += 1
        memory["wealth"][wearer] = grown(memory["wealth"][wearer], gain)
        return self.statistic(wearer) >= THRESHOLD

    def statistic(self, wearer: Integers) -> Floats:
        """(n,) mean wealth of the stakes; a shift from `THRESHOLD` on."""
        return np.asarray(self.memory["wealth"][wearer].mean(axis=1))

    def found(self, wearer: Integers) -> tuple[Floats, Floats, Integers]:
        """Of the richest stake: since when (n,), the mean of z since then, and over how many units.

        The mean is a little too far out: the moment was chosen by it.
        """
        best = self.memory["wealth"][wearer].argmax(axis=1)
        units = self.memory["units"][wearer, best]
        mean = self.memory["total"][wearer, best] / np.maximum(units, 1)
        return self.memory["began_s"][wearer, best], mean, units.astype(np.int64)

    def restart(self, wearer: Integers) -> None:
        """Begin anew."""
        self.memory[wearer] = np.zeros((), MEMORY)


def gains(z: Floats, tolerance: Floats, variance: Floats) -> Floats:
    """(n, stakes) log e of each stake at n units."""
    stake = EFFECTS / variance[:, None]
    return np.asarray(stake * z[:, None] - np.abs(stake) * tolerance[:, None] - stake**2 * variance[:, None] / 2)


def grown(wealth: Floats, gain: Floats) -> Floats:
    """(n, stakes) wealth one unit later; bounded where the threshold has been reached by far."""
    return np.minimum((1 + wealth) * np.exp(gain), MOST)
