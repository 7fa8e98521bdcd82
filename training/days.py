"""Days of normal wear, drawn from the minutes that were recorded of each wearer, lived through with one budget.

Recordings last minutes; a budget is a matter of days. So each wearer's recordings are played again and again, whole
and in ever new orders; half-minutes form across them as on the gateway, each regime with its clock. A handful of
half-minutes that return for ever have no tail of their own, only ties, so each gets a little noise: a smoothed
bootstrap (Silverman, Young 1987, Biometrika 74:469), with the rule-of-thumb bandwidth .9 min(s, IQR / 1.34) m^(-1/5)
of the wearer's m half-minutes (Silverman 1986, "Density Estimation", 3.31). So the bulk is the wearer's own, and what
is rarer than one in m is made: this tests the calibration, not the tails of people.

Lived by the half-minute, with `agent.own` and `agent.adapt` themselves: an alarm is p at most the level for the
strangest window. After the first day what is learnt counts from the next `STRIDE` half-minutes on, to be quicker.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent.adapt import AdaptiveLevel
from agent.calibrate import BLOCK_S, BLOCKS_PER_DAY, Calibration
from agent.own import Own, cell_of
from agent.prudence import MEASURED_RIGHT
from agent.records import Booleans, Floats, Integers, Surprise
from agent.regime import REGIMES
from training.unseen import Worn

LEAST_HALF_MINUTES = 10
"""Wearers with fewer of their own are left out: five minutes are no basis for days."""
STRIDE = 16
DAY = int(BLOCKS_PER_DAY)


@dataclass(frozen=True, slots=True)
class Days:
    """t half-minutes of each of w wearers."""

    regime: Integers
    """(w, t)"""
    score: Floats
    """(w, t) of the strangest window."""
    family: Integers
    """(w, t) of the position that leads in it."""
    weight: Floats
    """(w, t) of that position among those worn, see `Calibration.rank`."""


@dataclass(frozen=True, slots=True)
class Lived:
    """What came of a budget."""

    alarm: Booleans
    """(w, t)"""
    bound: Floats
    """(w, len(BOUND_AFTER)) the honest bound, false alarms a day, after so many half-minutes."""


BOUND_AFTER = (20, 120, DAY)
"""Ten minutes, an hour, a day."""


def enough(worn: Worn, hop_s: float) -> bool:
    """Whether days can be drawn from it."""
    return len(_usable(worn)) >= LEAST_HALF_MINUTES * round(BLOCK_S / hop_s)


def drawn(wearers: Sequence[Worn], calibration: Calibration, hop_s: float, days: int, seed: int) -> Days:
    """Days of each wearer, see the top."""
    rng, count = np.random.default_rng(seed), days * DAY
    parts = [_of_one(worn, calibration, round(BLOCK_S / hop_s), count, rng) for worn in wearers]
    return Days(*(np.stack(values) for values in zip(*parts, strict=True)))


def lived(days: Days, calibration: Calibration, level: float) -> Lived:
    """Judge half-minute after half-minute and learn from each, as the agent does."""
    wearers, length = days.score.shape
    own, adaptive = Own(calibration.concentration, 1, level), AdaptiveLevel(level, calibration.concentration)
    alarm, who, bound = np.zeros((wearers, length), np.bool_), np.arange(wearers), []
    now = 0
    while now < length:
        span = slice(now, min(now + (STRIDE if now >= DAY else 1), length))
        cell = cell_of(who[:, None], days.regime[:, span])
        seen = _population(days, span, calibration)
        p = own.rank(seen, cell.ravel(), np.ones(cell.size)).p_value.reshape(cell.shape)
        alarm[:, span] = p <= adaptive.of(who)[:, None]
        for step in range(cell.shape[1]):
            at = now + step
            own.learn(cell[:, step], days.score[:, at], p[:, step], alarm[:, at])
            adaptive.learn(who, alarm[:, at])
            if at + 1 in BOUND_AFTER:
                bound.append(adaptive.at_most_per_day(who))
        now = span.stop
    return Lived(alarm, np.stack(bound, axis=1))


def _usable(worn: Worn) -> Integers:
    """Windows through which the clocks run."""
    return np.flatnonzero(np.isfinite(worn.population.p_value) & (worn.trust.right >= MEASURED_RIGHT))


def _of_one(
    worn: Worn, calibration: Calibration, size: int, count: int, rng: np.random.Generator
) -> tuple[Integers, Floats, Integers, Floats]:
    """Regime, score, family and weight of `count` half-minutes of `size` windows."""
    usable = _usable(worn)
    bouts = [usable[worn.bout[usable] == number] for number in np.unique(worn.bout[usable])]
    rounds = -(-count * size // len(usable)) + len(REGIMES)
    windows = np.concatenate([bouts[bout] for _ in range(rounds) for bout in rng.permutation(len(bouts))])
    closed, peak = _half_minutes(worn.population.score[windows], worn.regime[windows], size)
    order = np.argsort(closed, kind="stable")[:count]
    rows = windows[peak[order]]
    families = np.array([1.0 + len(family.scores) for family in calibration.families])
    weight = 1 / (families[worn.family[rows]] * worn.population.smallest_p[rows])
    own = worn.population.score[rows]
    score = own + _bandwidth(own, len(usable) / size) * rng.normal(size=count)
    return worn.regime[rows], score, worn.family[rows], np.minimum(weight, 1.0)


def _half_minutes(score: Floats, regime: Integers, size: int) -> tuple[Integers, Integers]:
    """Of each half-minute its last window and its strangest."""
    closed, peak = [], []
    for one in range(len(REGIMES)):
        mine = np.flatnonzero(regime == one)
        blocks = mine[: len(mine) // size * size].reshape(-1, size)
        closed.append(blocks[:, -1])
        peak.append(np.take_along_axis(blocks, score[blocks].argmax(axis=1)[:, None], axis=1)[:, 0])
    return np.concatenate(closed), np.concatenate(peak)


def _bandwidth(score: Floats, independent: float) -> float:
    quartiles = np.percentile(score, [25, 75])
    spread = min(float(score.std()), float(np.ptp(quartiles)) / 1.34 or np.inf)
    return float(0.9 * spread * independent**-0.2)


def _population(days: Days, span: slice, calibration: Calibration) -> Surprise:
    """The half-minutes as the population's calibration sees them."""
    score, family = days.score[:, span].ravel(), days.family[:, span].ravel()
    weight = days.weight[:, span].ravel()
    p, low, high = np.minimum(1.0, np.stack(calibration.p_values(score, family)) / weight)
    sizes = np.array([1.0 + len(known.scores) for known in calibration.families])
    whole = np.zeros(len(score), np.int64)
    return Surprise(score, whole, p, low, high, np.minimum(1.0, 1 / (sizes[family] * weight)), p, whole)
