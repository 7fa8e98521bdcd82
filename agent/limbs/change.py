"""Is it a change? Two steps, each with a stated guarantee: against healthy people, then against the wearer's own days.

A day gives one number x, a log ratio. Assumption of both guarantees: the days of a wearer who does not change are
independent draws of one normal distribution, whose mean and spread nobody knows. Working week and Sunday, or a trend,
break it; how often that cries wolf on real days is told in the README.

Step 1, `Standing`: an interval for the wearer's mean that holds on ALL days at once with 95 % (a confidence sequence:
Wang & Ramdas 2024, "Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance"). It is
told once, when the whole interval lies outside what healthy people show.

Step 2, `Shift`: each day's distance from the mean of the days before, in their spread, is a Student t whatever mean and
spread are, and independent of the distances before it. So its likelihood under a shift over that under none has mean
1, and the sum over all days on which the change may have begun (Shiryaev & Roberts) is an e-detector (Shin, Ramdas &
Rinaldo 2024, "E-detectors"): the mean time to a false event is at least `threshold` days, and in fact more than twice
that. As the distances follow the same law for every wearer, how much more can be simulated once for all: `THRESHOLD`
is the one whose false events are rarer than promised by simulation, not by that inequality, which promises half as
much. So the promise holds no further than what was simulated: independent normal days. Where a day is like the one
before (correlation 0.2 from day to day) it holds at a spread of 6 % (one event in 108 days), not at 10 % (one in 46).
State: a few numbers.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from agent.records import Floats

HEALTHY_MEAN, HEALTHY_SD = 0.95, 0.06
"""Use ratio, non-dominant over dominant arm, of 74 healthy adults (Bailey & Lang 2013)."""
HEALTHY = (HEALTHY_MEAN - 1.96 * HEALTHY_SD, HEALTHY_MEAN + 1.96 * HEALTHY_SD)
FALSE_EVENT_DAYS = 60.0
"""At most one false event in so many judged days, on average."""
THRESHOLD = 30.0
"""Of the e-detector. Simulated: one false event in 88 to 511 judged days, the more often the more days differ, as small
changes are not told; `python -m training limbs --section change`, and a test at the 1 % level."""
SHIFTS = (-4.0, -2.0, -1.0, 1.0, 2.0, 4.0)
"""Sizes of change looked for, in spreads between days."""
LEAST_DAYS = 5
"""Days that must be known before the next can be called different."""
LEAST_SIZE = 0.10
"""A change of less than this is not told, however sure: ten per cent, as in the limb symmetry index of 90 %."""
NULL_PRECISION = 1.0
"""Prior precision of the effect in the confidence sequence."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and where it lies."""

    mean: float
    low: float
    high: float


@dataclass(slots=True)
class Days:
    """Number, mean and sum of squares about the mean of some days (Welford 1962)."""

    count: float = 0.0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        """One more day."""
        self.count += 1
        step = value - self.mean
        self.mean += step / self.count
        self.squares += step * (value - self.mean)

    def always(self, level: float = 0.05) -> Interval:
        """Interval that holds on all days at once with 1 - level; endless while nothing can be said."""
        n = self.count
        share = NULL_PRECISION / (n + NULL_PRECISION)
        bound = (1 / (level**2 * share)) ** (1 / n) if n >= 2 else math.inf
        if bound * share >= 1:
            return Interval(self.mean, -math.inf, math.inf)
        half = math.sqrt(self.squares / n * (bound - 1) / (1 - bound * share))
        return Interval(self.mean, self.mean - half, self.mean + half)

    def once(self) -> Interval:
        """Ordinary 95 % t interval of the mean."""
        if self.count < 2:
            return Interval(self.mean, -math.inf, math.inf)
        half = t_quantile(self.count - 1) * math.sqrt(self.squares / (self.count - 1) / self.count)
        return Interval(self.mean, self.mean - half, self.mean + half)


def in_ratio(interval: Interval) -> Interval:
    """Of logarithms -> of ratios."""
    return Interval(*(math.exp(min(end, 50.0)) for end in (interval.mean, interval.low, interval.high)))


def t_quantile(freedom: float) -> float:
    """.975 quantile of Student's t: Hill 1970 (Commun. ACM 13:619) expansion, within 0.1 % from 3 on, 2 % at 2."""
    z, f = 1.959964, freedom
    if f < 2:
        return 12.7062
    g = ((z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384)
    h = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + g[0] / f + g[1] / f**2 + g[2] / f**3 + h / f**4


@dataclass(frozen=True, slots=True)
class Found:
    """A change from a wearer's own days before."""

    size: float
    """Relative: -0.2 = a fifth less than before."""
    low: float
    high: float
    """95 % interval of `size`."""
    since: int
    """Number of the day on which it most likely began."""
    days: int
    """Judged days since then."""
    before: float
    """Mean log ratio of the days before."""
    evidence: float
    """e-value of the detector; the threshold is `THRESHOLD`."""


@dataclass(slots=True)
class Shift:
    """Watches one number a day of one wearer for a lasting shift; learns anew after each event."""

    threshold: float = THRESHOLD
    before: Days = field(default_factory=Days)
    evidence: Floats = field(default_factory=lambda: np.zeros(len(SHIFTS)))
    """(shifts,) the e-detector of each size of change."""
    start: Floats = field(default_factory=lambda: np.zeros((len(SHIFTS), 4)))
    """(shifts, 4): day on which the likeliest change began, and count, mean, squares of the days before it."""
    weight: Floats = field(default_factory=lambda: np.zeros(len(SHIFTS)))
    """(shifts,) likelihood ratio of that beginning."""
    after: list[Days] = field(default_factory=lambda: [Days() for _ in SHIFTS])
    """Days since that beginning."""

    def add(self, day: int, value: float) -> Found | None:
        """Judge one day, then learn from it; a change is told once."""
        if self.before.count < LEAST_DAYS or self.before.squares <= 0:
            self.before.add(value)
            return None
        known = self.before
        spread = math.sqrt(known.squares / (known.count - 1) * (1 + 1 / known.count))
        odds = _odds((value - known.mean) / spread, known.count - 1)
        self._begin(day)
        self.evidence, self.weight = (self.evidence + 1) * odds, self.weight * odds
        for days in self.after:
            days.add(value)
        known.add(value)
        return self._told()

    def _begin(self, day: int) -> None:
        """Where the past speaks against a change that began earlier, the likeliest one begins today."""
        fresh = self.weight <= 1
        self.weight = np.where(fresh, 1.0, self.weight)
        for place in np.flatnonzero(fresh):
            self.start[place] = (day, self.before.count, self.before.mean, self.before.squares)
            self.after[place] = Days()

    def _told(self) -> Found | None:
        strength = float(self.evidence.mean())
        if strength < self.threshold:
            return None
        place = int(self.evidence.argmax())
        since, *known = self.start[place]
        found = _found(int(since), Days(*map(float, known)), self.after[place], strength)
        if abs(found.size) < LEAST_SIZE:
            return None
        self._learn_anew(self.after[place])
        return found

    def _learn_anew(self, since: Days) -> None:
        """What was found is the new normal."""
        self.before = since
        self.evidence, self.weight = np.zeros(len(SHIFTS)), np.zeros(len(SHIFTS))

    def state(self) -> Floats:
        """All that is remembered, (9 x shifts + 3,)."""
        after = np.array([[days.count, days.mean, days.squares] for days in self.after])
        known = [self.before.count, self.before.mean, self.before.squares]
        return np.concatenate([known, self.evidence, self.weight, self.start.ravel(), after.ravel()])

    def restore(self, state: Floats) -> None:
        """Take up what `state` gave."""
        count = len(SHIFTS)
        known, evidence, weight, start, after = np.split(state, np.cumsum([3, count, count, 4 * count]))
        self.before, self.evidence, self.weight = Days(*map(float, known)), evidence.copy(), weight.copy()
        self.start = start.reshape(count, 4).copy()
        self.after = [Days(*map(float, row)) for row in after.reshape(count, 3)]


def _odds(distance: float, freedom: float) -> Floats:
    """(shifts,) density of Student's t about each shift over that about none."""
    aside = distance - np.array(SHIFTS)
    odds: Floats = ((1 + distance**2 / freedom) / (1 + aside**2 / freedom)) ** ((freedom + 1) / 2)
    return odds


def _found(since: int, known: Days, days: Days, evidence: float) -> Found:
    """Size with the interval of a difference of two means that share one spread."""
    freedom = max(known.count + days.count - 2, 1.0)
    spread = math.sqrt((known.squares + days.squares) / freedom * (1 / known.count + 1 / days.count))
    apart, half = days.mean - known.mean, t_quantile(freedom) * spread
    size, low, high = (math.expm1(value) for value in (apart, apart - half, apart + half))
    return Found(size, low, high, since, int(days.count), known.mean, evidence)


@dataclass(slots=True)
class Standing:
    """How the wearer stands against healthy people; told once a side."""

    days: Days = field(default_factory=Days)
    told: float = 0.0
    """-1 = told to be below, 1 = above, 0 = not told."""
    healthy: tuple[float, float] = HEALTHY
    """Range of the ratio in healthy people."""

    def add(self, value: float) -> Interval | None:
        """One more day's log ratio; the interval of the ratio on the day on which it leaves the healthy range."""
        self.days.add(value)
        ratio = in_ratio(self.days.always())
        side = -1.0 if ratio.high < self.healthy[0] else float(ratio.low > self.healthy[1])
        if side in (0.0, self.told):
            return None
        self.told = side
        return ratio

    def state(self) -> Floats:
        """All that is remembered, (4,)."""
        return np.array([self.days.count, self.days.mean, self.days.squares, self.told])

    def restore(self, state: Floats) -> None:
        """Take up what `state` gave."""
        *known, self.told = map(float, state)
        self.days = Days(*known)
