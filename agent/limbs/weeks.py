"""Weeks of two wrists with known truth: a wearer simulated ten minutes by ten minutes, for tests and the demo.

What is simulated is what ten minutes of wear show (seconds of use, counts), not the acceleration: nothing is trained
on it, and no figure of detection is measured on it. The day has a shape, days differ, hours differ; use comes in
bouts, so that a day of the same truth never gives the same ratio twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from agent.limbs.columns import AT, BINS, COLUMNS, RULES, SENSORS
from agent.limbs.ledger import DAY_S
from agent.limbs.tally import Tally
from agent.records import Floats, Integers

SPAN_S = 600
SPANS = 144
"""A day."""
WAKES, SLEEPS = 7, 22
"""Hours between which the wearer is awake."""
BUSY = np.array(
    [0.1] * WAKES + [0.5, 0.7, 0.6, 0.5, 0.6, 0.7, 0.5, 0.3, 0.45, 0.55, 0.5, 0.6, 0.5, 0.4, 0.3] + [0.1] * 2
)
"""Share of each hour in which the other arm is in use."""
WALKS = 0.08
"""Share of spans spent walking, awake."""


@dataclass(frozen=True, slots=True)
class Course:
    """What becomes of the watched arm: its use over that of the other, day by day."""

    ratio: Floats
    """(days,) true use ratio while not walking."""
    spread: float = 0.05
    """Standard deviation between days of ln(ratio), on top of what the bouts bring."""
    activity: float = 0.15
    """Standard deviation between days of ln(how much both arms are used)."""
    off: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Day -> from and to which hour the LEFT sensor is not worn."""
    silent: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Day -> from and to which hour nothing comes from the RIGHT sensor (a flat battery)."""
    shifted_h: dict[int, float] = field(default_factory=dict)
    """Day -> by how much the wearer's own day is shifted from then on (a flight)."""


def recovery(days: int, start: float = 0.35, end: float = 0.75) -> Floats:
    """(days,) most is won at first, then a plateau."""
    return end - (end - start) * np.exp(-np.arange(days) / (days / 4))


def relapse(days: int, day: int, ratio: float = 0.6, size: float = 0.2) -> Floats:
    """(days,) steady, and from `day` on less by `size`."""
    return np.where(np.arange(days) < day, ratio, ratio * (1 - size))


def simulate_weeks(
    rng: np.random.Generator, course: Course, *, watched: int = 0, wearer: int = 0, start_day: int = 0
) -> Iterator[Tally]:
    """One day after the other, as spans of ten minutes.

    Args:
        rng: source of all randomness.
        course: what is to be simulated.
        watched: 0 = left, 1 = right: the arm whose use follows the course.
        wearer: slot.
        start_day: days since the epoch of the first.
    """
    shift = 0.0
    for day, true in enumerate(course.ratio):
        shift = course.shifted_h.get(day, shift)
        ratio = float(true * np.exp(rng.normal(0, course.spread)))
        use, walks, awake = _day(rng, ratio, float(np.exp(rng.normal(0, course.activity))), shift)
        hour = np.arange(SPANS) / 6
        rests = ~awake & (rng.random(SPANS) < 0.9)
        heard, still = np.zeros((SPANS, SENSORS), np.bool_), np.zeros((SPANS, SENSORS), np.bool_)
        heard[:, :2], still[:, :2] = True, rests[:, None]
        left, right = watched, 1 - watched  # columns of `use`
        if day in course.off:
            gone = (hour >= course.off[day][0]) & (hour < course.off[day][1])
            use[gone, left], still[gone, 0] = 0, True
        if day in course.silent:
            gone = (hour >= course.silent[day][0]) & (hour < course.silent[day][1])
            use[gone, right], heard[gone, 1] = 0, False
        use = use if watched == 0 else use[:, ::-1]
        sums, ratios = _sums(rng, use, walks)
        end_s = (start_day + day) * DAY_S + float(SPAN_S) * (1 + np.arange(SPANS))
        yield Tally(np.full(SPANS, wearer), end_s.astype(np.float64), float(SPAN_S), heard, still, sums, ratios)


def _day(
    rng: np.random.Generator, ratio: float, activity: float, shift_h: float
) -> tuple[Floats, np.ndarray, np.ndarray]:
    """(144, 2) seconds of use of watched and other arm in each span; whether it is walked; whether awake."""
    hour = (np.arange(SPANS) / 6 - shift_h) % 24
    awake = (hour >= WAKES) & (hour < SLEEPS)
    walks = awake & (rng.random(SPANS) < WALKS)
    bouts = rng.gamma(2.0, 0.5, SPANS)  # ten minutes of much or little
    level = np.where(awake, BUSY[hour.astype(int)] * bouts * activity, 0.0)
    other = rng.binomial(SPAN_S, np.clip(level, 0, 0.95))
    watched = rng.binomial(SPAN_S, np.clip(ratio * np.clip(level, 0, 0.95), 0, 1))
    use = np.stack([watched, other], axis=1).astype(float)
    use[walks] = rng.integers(500, SPAN_S, (int(walks.sum()), 1))  # in walking both arms swing
    return use, walks, awake


def _sums(rng: np.random.Generator, use: Floats, walks: np.ndarray) -> tuple[Floats, Integers]:
    """Sums of (144, 2) seconds of use, left and right; 30 counts in a second of use, give or take."""
    sums = np.zeros((SPANS, len(COLUMNS)))
    level = 30 * rng.gamma(9.0, 1 / 9, use.shape)
    sums[:, AT["worn_s"]], sums[:, AT["walking_s"]] = SPAN_S, SPAN_S * walks
    both = use.min(axis=1) * 0.8
    either = use.sum(axis=1) - both
    sums[:, AT["together_s"]], sums[:, AT["either_s"]] = both, either
    for side, name in enumerate(("left", "right")):
        for rule, share in zip(RULES, (1.0, 0.4, 0.7), strict=True):
            sums[:, AT[f"{rule}_{name}_s"]] = share * use[:, side]
        sums[:, AT[f"free_{name}_s"]] = use[:, side] * ~walks
        sums[:, AT[name]] = level[:, side] * use[:, side]
        sums[:, AT[f"{name}2"]] = 1.3 * level[:, side] ** 2 * use[:, side]
        log = np.log1p(level[:, side])
        sums[:, AT[f"log_{name}"]], sums[:, AT[f"log_{name}2"]] = log * use[:, side], log**2 * use[:, side]
        sums[:, AT[f"up_{name}_x"]] = 0.2 * use[:, side]
        sums[:, AT[f"up_{name}_y"]] = (0.5, -0.5)[side] * use[:, side]
        sums[:, AT[f"up_{name}_z"]] = -0.6 * use[:, side]
        sums[:, AT[f"turned_{name}_s"]] = use[:, side]
    sums[:, AT["log_both"]] = np.log1p(level).prod(axis=1) * both
    apart = np.log((use[:, 0] * level[:, 0] + 1) / (use[:, 1] * level[:, 1] + 1))
    place = np.clip(np.searchsorted(BINS, apart, side="right") - 1, 0, len(BINS) - 2)
    ratios = np.zeros((SPANS, len(BINS) - 1), np.int64)
    ratios[np.arange(SPANS), place] = np.round(either).astype(np.int64)
    return sums, ratios
