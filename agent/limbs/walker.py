"""What is remembered of a wearer's legs from day to day: usual postures, loads, and a test for each measure; bounded.

Several measures are watched, each by a test of its own. Their mean is an e-detector as well, and is at least the
largest divided by their number: so each must reach the threshold times their number, and false events of all of them
together stay about as rare as those of one (simulated: `python -m training limbs --section legs`).
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.limbs import pair
from agent.limbs.change import LEAST_DAYS, THRESHOLD, Found, Interval, Shift, Standing, in_ratio
from agent.limbs.ledger import Day
from agent.limbs.legs import HEALTHY, MEASURES, LegDay, by_hour, leg_day
from agent.records import Floats, Singles

KEPT_DAYS = 28
"""Days of load that are remembered: the chronic load."""
ACUTE_DAYS = 7
LEAST_SHARE = 0.5
"""Share of the days of a span that must have been worn for its load to be told."""
LEAST_WORN_H = 1.0
"""Wear below which a day's load is not known."""
USUAL_DAYS = 7
KNOWN_SYNC_S = 0.1
"""Doubt about the clocks up to which feet that land at once are on one leg."""


@dataclass(frozen=True, slots=True)
class LegsJudged:
    """A closed day with what it brought."""

    leg: LegDay
    sync_s: float
    found: dict[str, tuple[Found, list[int]]]
    """By measure: a change from the wearer's own days, and the hours in which it lies, strongest first."""
    outside: Interval | None
    """Ratio of the swing times whose interval has left the healthy range for the first time."""
    acute_chronic: float | None
    """Load an hour of wear, mean of 7 days over mean of 28; context, never an alarm."""


def _shifts() -> dict[str, Shift]:
    return {measure: Shift(threshold=THRESHOLD * len(MEASURES)) for measure in MEASURES}


@dataclass(slots=True)
class Walker:
    """One wearer's legs."""

    watched: int
    """0 = left, 1 = right."""
    shifts: dict[str, Shift] = field(default_factory=_shifts)
    standing: Standing = field(default_factory=lambda: Standing(healthy=HEALTHY))
    """Of the swing times, against healthy people."""
    usual: Floats = field(default_factory=lambda: np.zeros((2, 3)))
    """Usual direction of gravity of each leg's sensor."""
    usual_days: float = 0.0
    loads: Floats = field(default_factory=lambda: np.full((KEPT_DAYS, 2), np.nan))
    """(days, 2): number, PlayerLoad an hour of wear; oldest first."""
    hourly: Singles = field(default_factory=lambda: np.full((KEPT_DAYS, 1 + 24 * len(MEASURES)), np.nan, np.float32))
    """(days, 73): number, ln(ratio) of each measure in each hour; oldest first."""

    def judge(self, day: Day, sync_s: float) -> LegsJudged:
        """Judge a closed day and learn from it; what is withheld moves no test."""
        leg = leg_day(day, self.watched, sync_s, self._odd(day, sync_s))
        today = pair.directions(day, pair.LEGS)
        if today is not None and leg.withheld not in ("one_leg", "sides_swapped"):
            self.usual_days = min(self.usual_days + 1, USUAL_DAYS)
            self.usual = self.usual + (today - self.usual) / self.usual_days
        if leg.ratios:
            row = np.array([[day.number, *by_hour(day, self.watched).ravel()]], np.float32)
            self.hourly = np.vstack([self.hourly[1:], row])
        found = {}
        for measure, ratio in leg.ratios.items():
            told = self.shifts[measure].add(day.number, math.log(ratio.value))
            if told:
                found[measure] = told, self._hours(measure, told)
        self._carry(leg)
        swing = leg.ratios.get("swing_time")
        outside = self.standing.add(math.log(swing.value)) if swing else None
        return LegsJudged(leg, sync_s, found, outside, self._acute_chronic(day.number))

    def own(self) -> dict[str, tuple[Interval, int]]:
        """By measure: own mean ratio since the last change with its interval, and its days; none while learning."""
        known = {measure: shift.before for measure, shift in self.shifts.items() if shift.before.count >= LEAST_DAYS}
        return {measure: (in_ratio(days.once()), int(days.count)) for measure, days in known.items()}

    def _hours(self, measure: str, found: Found) -> list[int]:
        """Hours whose ratio moved most the way that the day's did."""
        at = 1 + 24 * MEASURES.index(measure)
        number, hours = self.hourly[:, 0], self.hourly[:, at : at + 24]
        before, after = (_mean(hours[rows]) for rows in (number < found.since, number >= found.since))
        moved = np.nan_to_num((after - before) * np.sign(found.size), nan=-1.0)
        return [int(hour) for hour in np.argsort(-moved)[:3] if moved[hour] > 0]

    def _odd(self, day: Day, sync_s: float) -> str:
        """Whether the sensors are where they should be."""
        if sync_s <= KNOWN_SYNC_S and pair.one_leg(day):
            return "one_leg"
        today = pair.directions(day, pair.LEGS)
        if today is not None and self.usual_days >= 2 and pair.exchanged(today, self.usual):
            return "sides_swapped"
        return ""

    def _carry(self, leg: LegDay) -> None:
        load, worn_h = leg.load.get("trunk"), leg.trunk_worn_h
        if load is None and leg.load:
            load, worn_h = leg.load["watched"] + leg.load["other"], leg.worn_h
        if load is not None and worn_h >= LEAST_WORN_H:
            self.loads = np.vstack([self.loads[1:], [leg.number, load / worn_h]])

    def _acute_chronic(self, today: int) -> float | None:
        number, load = self.loads.T
        spans = [load[number > today - days] for days in (ACUTE_DAYS, KEPT_DAYS)]
        enough = all(len(span) >= LEAST_SHARE * days for span, days in zip(spans, (ACUTE_DAYS, KEPT_DAYS), strict=True))
        return float(spans[0].mean() / spans[1].mean()) if enough and spans[1].mean() > 0 else None

    def state(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays."""
        return {
            "legs_shifts": np.stack([self.shifts[measure].state() for measure in MEASURES]),
            "legs_standing": self.standing.state(),
            "legs_usual": np.append(self.usual.ravel(), self.usual_days),
            "legs_loads": self.loads,
            "legs_hourly": self.hourly,
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take up what `state` gave.

        Raises:
            KeyError, ValueError: it is not that; nothing was taken.
        """
        mine = self.state()
        given = {name: np.asarray(state[name], float) for name in mine}
        if any(given[name].shape != mine[name].shape for name in mine):
            raise ValueError("arrays of other shapes")
        for measure, one in zip(MEASURES, given["legs_shifts"], strict=True):
            self.shifts[measure].restore(one)
        self.standing.restore(given["legs_standing"])
        usual = given["legs_usual"]
        self.usual, self.usual_days, self.loads = usual[:6].reshape(2, 3), float(usual[6]), given["legs_loads"].copy()
        self.hourly = given["legs_hourly"].astype(np.float32)


def _mean(rows: Singles) -> Floats:
    """(n, 24) -> (24,) mean of what is known; NaN where nothing is."""
    known = np.isfinite(rows)
    mean: Floats = np.where(known, rows, 0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    return mean
