"""What is remembered of one wearer from day to day: usual postures, days so far, the two tests; all of it bounded."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.limbs import pair
from agent.limbs.change import LEAST_DAYS, Found, Interval, Shift, Standing, in_ratio
from agent.limbs.figures import ArmDay, arm_day
from agent.limbs.ledger import Day
from agent.records import Floats, Singles

KEPT_DAYS = 28
"""Days whose hours are remembered, to tell in which hours a change lies."""
USUAL_DAYS = 7
"""Days over which the usual postures are averaged."""
RULE = "free"
"""Own days are compared by counts while not walking: walking moves both arms alike and hides a spared one."""
HEALTHY_RULE = "counts"
"""What the healthy reference was measured with."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A closed day with what it brought."""

    arm: ArmDay
    sync_s: float
    outside: Interval | None
    """Use ratio whose interval has left the healthy range for the first time."""
    found: Found | None
    """Change from the wearer's own days."""
    hours: list[int]
    """Hours of the day in which that change lies, strongest first."""


@dataclass(slots=True)
class Person:
    """One wearer."""

    watched: int
    """0 = left, 1 = right."""
    shift: Shift = field(default_factory=Shift)
    standing: Standing = field(default_factory=Standing)
    usual: Floats = field(default_factory=lambda: np.zeros((2, 3)))
    """Usual direction of gravity of each side."""
    usual_days: float = 0.0
    days: Singles = field(default_factory=lambda: np.full((KEPT_DAYS, 1 + 48), np.nan, np.float32))
    """(days, 49): number, minutes of use in each hour of the watched arm, then of the other; oldest first."""

    def judge(self, day: Day, sync_s: float) -> Judged:
        """Judge a closed day and learn from it; what is withheld moves neither test."""
        arm = arm_day(day, self.watched, sync_s, self._odd(day))
        self._learn_postures(day, arm)
        if RULE not in arm.use_ratio or HEALTHY_RULE not in arm.use_ratio:
            return Judged(arm, sync_s, None, None, [])
        today = np.array([[day.number, *arm.profile, *arm.profile_other]], np.float32)
        self.days = np.vstack([self.days[1:], today])
        outside = self.standing.add(math.log(arm.use_ratio[HEALTHY_RULE].value))
        found = self.shift.add(day.number, math.log(arm.use_ratio[RULE].value))
        return Judged(arm, sync_s, outside, found, self._hours(found.since, found.size) if found else [])

    def own(self) -> tuple[Interval, int] | None:
        """Own mean ratio since the last change with its interval, and its days; None while it is being learnt."""
        known = self.shift.before
        if known.count < LEAST_DAYS:
            return None
        return in_ratio(known.once()), int(known.count)

    def _odd(self, day: Day) -> str:
        """Whether the sensors are where they should be."""
        if pair.together(day) >= pair.ONE_ARM:
            return "one_arm"
        today = pair.directions(day)
        if today is not None and self.usual_days >= 2 and pair.exchanged(today, self.usual):
            return "sides_swapped"
        return ""

    def _learn_postures(self, day: Day, arm: ArmDay) -> None:
        today = pair.directions(day)
        if today is not None and arm.withheld not in ("one_arm", "sides_swapped"):
            self.usual_days = min(self.usual_days + 1, USUAL_DAYS)
            self.usual = self.usual + (today - self.usual) / self.usual_days

    def _hours(self, since: int, size: float) -> list[int]:
        """Hours in which the watched arm's minutes changed most beyond what the other arm's did."""
        number = self.days[:, 0]
        before, after = (self.days[rows, 1:] for rows in (number < since, number >= since))
        if not len(after) or not np.isfinite(before).any():
            return []
        (mine, others), (mine_now, others_now) = (_mean_day(part) for part in (before, after))
        expected = mine.sum() / max(others.sum(), 1e-9) * others_now
        moved = (mine_now - expected) * np.sign(size)
        strongest = np.argsort(-moved)[:3]
        return [int(hour) for hour in strongest if moved[hour] > 0]

    def state(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays."""
        return {
            "shift": self.shift.state(),
            "standing": self.standing.state(),
            "usual": np.append(self.usual.ravel(), self.usual_days),
            "days": self.days,
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take up what `state` gave.

        Raises:
            KeyError, ValueError: it is not that; nothing was taken.
        """
        shift, standing, usual, days = (
            np.asarray(state[name], float) for name in ("shift", "standing", "usual", "days")
        )
        if [part.shape for part in (shift, standing, usual, days)] != [p.shape for p in self.state().values()]:
            raise ValueError("arrays of other shapes")
        self.shift.restore(shift)
        self.standing.restore(standing)
        self.usual, self.usual_days, self.days = usual[:6].reshape(2, 3), float(usual[6]), days.astype(np.float32)


def _mean_day(rows: Singles) -> tuple[Floats, Floats]:
    """(24,) mean minutes of use of each arm in each hour; an hour never worn counts as none."""
    worn = np.isfinite(rows)
    mean = np.where(worn, rows, 0).sum(axis=0) / np.maximum(worn.sum(axis=0), 1)
    return mean[:24], mean[24:]
