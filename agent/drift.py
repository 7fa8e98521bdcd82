"""Drift: has a wearer's movement, as the network sees it, left for good what it was on the first day?

Every ten seconds of wear become one unit: the mean strangeness of its windows, beside the mean movement, which says
what it is compared with. A unit with an alarm, a fault, an abstention, a gap or a sensor that is not worn in it is
left out, and counted. The others are ranked among the wearer's first undisturbed day (`reference`) and bet on
(`shift`).

Where a shift is raised, a drift is open. Meanwhile nothing is bet and nothing is learnt: the reference stays as it was,
and the mean of z over about the last half-hour says how far away the wearer is. The drift ends when that mean is back
within the tolerance. One that has lasted a day of wear is called a habit: told as such, it widens nothing any more, but
it stays open, with its distance to the first reference, until the wearer is back. No silent adaptation.

What it cannot see: a change so strong that hardly a unit is without an alarm is told as alarms; a change during
the first day becomes part of the measure; a first day that lacks the nights makes the first night look like a drift.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.events import Phase
from agent.records import Booleans, Floats, Integers
from agent.reference import CAPACITY, DAY_UNITS, UNIT_S, Reference, kind_of, unknown
from agent.shift import MEMORY as BETS
from agent.shift import MOST, Bets

ENOUGH = 0.7
"""Share of a unit's windows without which it is left out."""
LATELY = 180
"""Units in the mean that says how far away a wearer is: half an hour."""
FURTHER = 1.0
"""Standard deviations by which a drift must have changed since it was last told, to be told again."""
NONE = -1

MEMORY = np.dtype(
    [
        ("unit", np.int64),
        ("windows", np.int32),
        ("score", np.float64),
        ("movement", np.float64),
        ("disturbed", np.bool_),
        ("left_out", np.int64),
        ("uncompared", np.int64),
        ("open", np.int8),
        ("since_s", np.float64),
        ("mean", np.float64),
        ("weight", np.float64),
        ("lasted", np.int64),
        ("statistic", np.float64),
        ("told", np.float64),
        ("revision", np.int32),
    ]
)
"""One wearer: the unit under way and its sums; units left out, and without others of their kind to compare with; +1 or
-1 while a drift is open, since when, the recent mean of z and the units in it, units that it has lasted, the statistic
that raised it, the mean that was last told (NaN = tell again), and how often it was told."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A drift began, went on or ended."""

    wearer: int
    phase: Phase
    revision: int
    at_s: float
    since_s: float
    size: float
    """Standard deviations of the wearer's own; positive = stranger than on the first day."""
    low: float
    """95 % interval of `size`, errors of the reference included."""
    high: float
    units: int
    """Seen since it began."""
    statistic: float
    """Evidence that raised it; `shift.THRESHOLD` was needed."""
    habit: bool
    """It has lasted a day of wear."""


class Drift:
    """Watches all wearers; under 6 kB each."""

    def __init__(self, hop_s: float) -> None:
        self._fewest = ENOUGH * UNIT_S / hop_s
        self.memory = np.zeros(0, MEMORY)
        self.reference, self.bets = Reference(), Bets()

    def see(
        self, wearer: Integers, end_s: Floats, score: Floats, movement_g: Floats, disturbed: Booleans
    ) -> list[Turn]:
        """Take note of n windows, ordered by end; all arguments (n,).

        Args:
            wearer: slots.
            end_s: ends of the windows.
            score: strangeness of the strangest position, in any unit; NaN = not scored.
            movement_g: standard deviation of the length of the acceleration; NaN = unknown.
            disturbed: windows that are anything but normal, or not worn.
        """
        self._make_room(int(wearer.max(initial=-1)) + 1)
        unit = np.floor(end_s / UNIT_S).astype(np.int64)
        marks = [0, *(np.flatnonzero(np.diff(unit)) + 1), len(unit)]
        turns: list[Turn] = []
        for start, stop in itertools.pairwise(marks):
            some = slice(start, stop)
            if start < stop:
                turns += self._close(np.unique(wearer[some]), int(unit[start]))
                self._add(wearer[some], score[some], movement_g[some], disturbed[some])
        return turns

    def widened(self, wearer: Integers) -> Floats:
        """(n,) standard deviations by which each wearer is adrift; 0 = no drift is open, or it has become a habit."""
        self._make_room(int(wearer.max(initial=-1)) + 1)
        memory = self.memory[wearer]
        return np.where((memory["open"] != 0) & (memory["lasted"] < DAY_UNITS), np.abs(memory["mean"]), 0.0)

    def pause(self, now_s: float) -> list[Turn]:
        """Nobody watches any more: what is open ends for those who listen, and is told again when the watch goes on."""
        adrift = np.flatnonzero((self.memory["open"] != 0) & np.isfinite(self.memory["told"]))
        self.memory["told"][adrift] = np.nan
        return [self._turn(int(one), "end", now_s) for one in adrift]

    def learnt(self, wearer: int) -> float:
        """Share of the reference day that has been seen, in [0, 1]."""
        known = wearer < len(self.memory)
        return float(self.reference.memory["seen"][wearer] / DAY_UNITS) if known else 0.0

    def state(self, wearer: int) -> dict[str, NDArray[Any]]:
        """What is known of a wearer, for `memory`."""
        self._make_room(wearer + 1)
        parts = (self.memory, self.reference.memory, self.bets.memory)
        return {name: part[name][wearer : wearer + 1].copy() for part in parts for name in part.dtype.names or ()}

    def restore(self, wearer: int, state: dict[str, NDArray[Any]]) -> None:
        """Take it back.

        Raises:
            KeyError, ValueError: it is not what `state` gave, or holds what no watch can have left; nothing was taken.
        """
        new = _nobody(1), unknown(1), np.zeros(1, BETS)
        for part in new:
            for name in part.dtype.names or ():
                if state[name].shape != part[name].shape:
                    raise ValueError(f"{name}: shape {state[name].shape} instead of {part[name].shape}")
                part[name] = state[name]
        _check(*new)
        new[0]["told"] = np.nan  # whoever listened heard that it ended, when the watch stopped or was started again
        self._make_room(wearer + 1)
        for own, part in zip((self.memory, self.reference.memory, self.bets.memory), new, strict=True):
            own[wearer] = part[0]

    def _make_room(self, wearers: int) -> None:
        more = wearers - len(self.memory)
        if more > 0:
            more = max(more, len(self.memory))  # doubling: cheap in the long run
            self.memory = np.concatenate([self.memory, _nobody(more)])
            self.reference.memory = np.concatenate([self.reference.memory, unknown(more)])
            self.bets.memory = np.concatenate([self.bets.memory, np.zeros(more, BETS)])

    def _add(self, wearer: Integers, score: Floats, movement_g: Floats, disturbed: Booleans) -> None:
        memory = self.memory
        known = np.isfinite(score) & np.isfinite(movement_g)
        np.add.at(memory["windows"], wearer[known], 1)
        np.add.at(memory["score"], wearer[known], score[known])
        np.add.at(memory["movement"], wearer[known], movement_g[known])
        np.logical_or.at(memory["disturbed"], wearer, disturbed)

    def _close(self, wearer: Integers, unit: int) -> list[Turn]:
        """The unit before is over for those of whom a window of another one has come."""
        memory = self.memory
        wearer = wearer[memory["unit"][wearer] != unit]
        over, done = memory[wearer], memory["unit"][wearer] != NONE
        memory["unit"][wearer] = unit
        for name in ("windows", "score", "movement", "disturbed"):
            memory[name][wearer] = 0
        whole = (over["windows"] >= self._fewest) & ~over["disturbed"]
        memory["left_out"][wearer] += done & ~whole
        keep = done & whole
        if not keep.any():
            return []
        wearer, over = wearer[keep], over[keep]
        value, moved = over["score"] / over["windows"], over["movement"] / over["windows"]
        return self.take(wearer, (over["unit"] + 1) * UNIT_S, value, kind_of(moved))

    def take(self, wearer: Integers, at_s: Floats, value: Floats, kind: Integers) -> list[Turn]:
        """Take note of one whole, undisturbed unit each of n different wearers, all (n,): its end, value and kind."""
        self._make_room(int(wearer.max(initial=-1)) + 1)
        z, tolerance = self.reference.rank(wearer, value, kind)
        variance = self.reference.variance(wearer)
        self.memory["uncompared"][wearer] += np.isnan(z)
        calm = self.memory["open"][wearer] == 0
        follow = ~calm & np.isfinite(z)
        turns = self._follow(wearer[follow], at_s[follow], z[follow])
        bet = calm & np.isfinite(z) & np.isfinite(variance)
        raised = np.zeros(len(wearer), np.bool_)
        raised[bet] = self.bets.place(wearer[bet], at_s[bet], z[bet], tolerance[bet], variance[bet])
        learn = calm & ~raised
        self.reference.learn(wearer[learn], value[learn], kind[learn], z[learn])
        return turns + self._open(wearer[raised], at_s[raised])

    def _open(self, wearer: Integers, at_s: Floats) -> list[Turn]:
        if len(wearer) == 0:
            return []
        memory = self.memory
        since_s, mean, units = self.bets.found(wearer)
        facts = {
            "open": np.where(mean < 0, -1, 1),
            "since_s": since_s - UNIT_S,
            "mean": mean,
            "weight": np.minimum(units, LATELY),
            "lasted": units,
            "statistic": self.bets.statistic(wearer),
            "told": mean,
            "revision": NONE,
        }
        for name, values in facts.items():
            memory[name][wearer] = values
        self.bets.restart(wearer)
        return [self._turn(int(one), "start", float(when)) for one, when in zip(wearer, at_s, strict=True)]

    def _follow(self, wearer: Integers, at_s: Floats, z: Floats) -> list[Turn]:
        """Wearers whose drift is open."""
        memory = self.memory
        memory["weight"][wearer] = np.minimum(memory["weight"][wearer] + 1, LATELY)
        memory["mean"][wearer] += (z - memory["mean"][wearer]) / memory["weight"][wearer]
        memory["lasted"][wearer] += 1
        mean, told, tolerance = memory["mean"][wearer], memory["told"][wearer], self.reference.tolerance(wearer)
        back = memory["open"][wearer] * mean <= tolerance
        another_day = memory["lasted"][wearer] % DAY_UNITS == 0
        news = another_day | np.isnan(told) | (np.abs(mean - told) >= FURTHER)
        turns = []
        for place in np.flatnonzero(back | news):
            turns.append(self._turn(int(wearer[place]), "end" if back[place] else "update", float(at_s[place])))
            memory["told"][wearer[place]] = mean[place]
        memory["open"][wearer[back]] = 0
        return turns

    def _turn(self, wearer: int, phase: Phase, at_s: float) -> Turn:
        self.memory["revision"][wearer] += 1
        one, slots = self.memory[wearer], np.array([wearer])
        # an exponential mean over w units is as sure as a plain one over 2 w
        spread = self.reference.variance(slots)[0] / (2 * one["weight"])
        own = (self.reference.tolerance(slots)[0] / 3) ** 2
        error = 1.96 * float(np.sqrt(spread + own))
        size, lasted = float(one["mean"]), int(one["lasted"])
        return Turn(
            wearer=wearer,
            phase=phase,
            revision=int(one["revision"]),
            at_s=at_s,
            since_s=float(one["since_s"]),
            size=size,
            low=size - error,
            high=size + error,
            units=lasted,
            statistic=float(one["statistic"]),
            habit=lasted >= DAY_UNITS,
        )


def _nobody(wearers: int) -> np.ndarray:
    memory = np.zeros(wearers, MEMORY)
    memory["unit"] = NONE
    return memory


def _check(memory: np.ndarray, reference: np.ndarray, bets: np.ndarray) -> None:
    """Figures that were altered on disk must not become a promise."""
    sound = (
        (reference["stride"] >= 1).all()
        and ((reference["kept"] >= 0) & (reference["kept"] <= CAPACITY)).all()
        and ((reference["seen"] >= 0) & (reference["seen"] <= DAY_UNITS)).all()
        and all(np.isfinite(bets[name]).all() for name in bets.dtype.names or ())
        and ((bets["wealth"] >= 0) & (bets["wealth"] <= MOST)).all()
        and np.isin(memory["open"], (-1, 0, 1)).all()
        and np.isfinite(reference["values"]).all()
        and np.isfinite(reference["squares"]).all()
    )
    if not sound:
        raise ValueError("the watch for drift holds figures that cannot be")
