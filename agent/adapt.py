"""The level at which `normal` is ruled out follows what really happens: adaptive conformal inference, held in bounds.

After each half-minute of a wearer (Gibbs, Candes 2021, NeurIPS: "Adaptive conformal inference under distribution
shift")

    level <- level + GAIN * level_0 * (level_0 - alarm)          level_0: from the budget;  alarm: 1 or 0

so that alarms beyond the budget lower the level and quiet wear restores it: each costs a fiftieth, which is back after
as long as the budget allows one alarm. Chance alone keeps the level below `level_0`, by some .8 sqrt(GAIN / 2) of it (a
walk that is turned back at the top): 8 % here; at a gain of .1 it would be 13 %, of a budget that is meant to be
used. It cannot know which alarms were false, so it must not go far: the level
stays between half of `level_0` and `level_0`. Free of bounds, the share of half-minutes with an alarm would come to
the budget for any sequence whatever; with them, this holds while the wearer's p-values are off by a factor of two at
most, and no run of true alarms can make the agent deaf. It is never above `level_0`: the budget is never overspent on
purpose.

The honest bound rests on the counts: with A alarms in T half-minutes judged, and the population's word worth C of
them, the wearer's rate is below the 95 % point of Beta(C * level_0 + A, C * (1 - level_0) + T - A). It assumes that
wearers differ as the calibration wearers did (`own`), and that every alarm was false. It is never below the budget:
while a calm wearer is still judged by the population alarms are rarer, and become as many as the budget allows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.binomial import Z_95_UPPER, beta_quantile
from agent.calibrate import BLOCKS_PER_DAY
from agent.records import Booleans, Floats, Integers

GAIN = 0.02
"""Share of the level that one alarm costs."""
LOWEST = 0.5
"""Share of `level_0` below which the level never falls."""


class AdaptiveLevel:
    """One level a wearer."""

    def __init__(self, level: float, concentration: float) -> None:
        """`level`: level_0, in (0, 1]; `concentration`: C."""
        self.base, self._concentration = level, concentration
        self.share: Floats = np.empty(0)
        """(wearers,) level / level_0, in [LOWEST, 1]."""
        self.judged: Integers = np.empty(0, np.int64)
        """(wearers,) half-minutes so far."""
        self.alarms: Integers = np.empty(0, np.int64)
        """(wearers,) of these, with an alarm."""

    def of(self, wearer: Integers) -> Floats:
        """(n,) level of each wearer."""
        self.make_room(wearer)
        return np.asarray(self.base * self.share[wearer])

    def learn(self, wearer: Integers, alarm: Booleans) -> None:
        """A half-minute of each of these wearers has closed; a wearer may appear several times."""
        self.make_room(wearer)
        np.add.at(self.judged, wearer, 1)
        np.add.at(self.alarms, wearer, alarm)
        np.add.at(self.share, wearer, GAIN * (self.base - alarm))
        self.share[wearer] = np.clip(self.share[wearer], LOWEST, 1.0)

    def at_most_per_day(self, wearer: Integers) -> Floats:
        """(n,) false alarms a day below which each wearer's rate lies with 95 %."""
        self.make_room(wearer)
        prior, alarms = self._concentration, self.alarms[wearer].astype(np.float64)
        quiet = prior * (1 - self.base) + self.judged[wearer] - alarms
        bound = beta_quantile(Z_95_UPPER, prior * self.base + alarms, quiet)
        return np.asarray(BLOCKS_PER_DAY * np.maximum(bound, self.base))

    def state(self, wearer: int) -> dict[str, NDArray[Any]]:
        """What is known of a wearer."""
        self.make_room(np.array([wearer]))
        return {name: getattr(self, name)[wearer : wearer + 1] for name in ("share", "judged", "alarms")}

    def restore(self, wearer: int, state: dict[str, NDArray[Any]]) -> None:
        """Take it back.

        Raises:
            KeyError, ValueError: it is not what `state` gave; nothing was taken.
        """
        share, judged, alarms = (state[name].item() for name in ("share", "judged", "alarms"))
        if not (LOWEST <= share <= 1 and 0 <= alarms <= judged):
            raise ValueError(f"level {share}, {alarms} alarms in {judged} half-minutes: out of range")
        self.make_room(np.array([wearer]))
        self.share[wearer], self.judged[wearer], self.alarms[wearer] = share, judged, alarms

    def make_room(self, wearer: Integers) -> None:
        """So that every one of these wearers is there."""
        needed, have = int(wearer.max(initial=-1)) + 1, len(self.share)
        if needed > have:
            more = max(needed, 2 * have) - have
            self.share = np.concatenate([self.share, np.ones(more)])
            self.judged = np.concatenate([self.judged, np.zeros(more, np.int64)])
            self.alarms = np.concatenate([self.alarms, np.zeros(more, np.int64)])
