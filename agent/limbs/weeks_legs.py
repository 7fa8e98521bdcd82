"""Weeks of two legs with known truth, ten minutes by ten minutes; see `weeks` for what is simulated and what is not."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from agent.limbs.columns import AT, BINS, COLUMNS, SENSORS, SIDES
from agent.limbs.ledger import DAY_S
from agent.limbs.tally import Tally
from agent.limbs.weeks import BUSY, SLEEPS, SPAN_S, SPANS, WAKES
from agent.records import Floats

WALKED = 0.25
"""Share of a busy ten minutes that is walked, on average."""
STRIDE_S, SWING_S, IMPACT_G = 1.1, 0.42, 2.5
HOURLY = 0.03
"""Standard deviation of ln(ratio) between spans of ten minutes."""


@dataclass(frozen=True, slots=True)
class LegCourse:
    """What becomes of the watched leg, day by day; ratios over the other leg."""

    swing: Floats
    """(days,) time in the air, and half as far from 1, step time."""
    impact: Floats
    """(days,) peak at the contact."""
    spread: float = 0.03
    """Standard deviation between days of ln(ratio) of the times, and half of that of the impacts."""
    activity: float = 0.3
    """Standard deviation between days of ln(how much is walked)."""
    off: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Day -> from and to which hour the LEFT sensor is not worn."""
    silent: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Day -> from and to which hour nothing comes from the RIGHT sensor (a flat battery)."""
    shifted_h: dict[int, float] = field(default_factory=dict)
    """Day -> by how much the wearer's own day is shifted from then on (a flight)."""


def simulate_legs(
    rng: np.random.Generator, course: LegCourse, *, watched: int = 0, wearer: int = 0, start_day: int = 0
) -> Iterator[Tally]:
    """One day after the other, as spans of ten minutes; arguments as in `weeks.simulate_weeks`."""
    shift = 0.0
    for day, (swing, impact) in enumerate(zip(course.swing, course.impact, strict=True)):
        shift = course.shifted_h.get(day, shift)
        hour = np.arange(SPANS) / 6
        own_hour = (hour - shift) % 24
        awake = (own_hour >= WAKES) & (own_hour < SLEEPS)
        heard, still = np.zeros((SPANS, SENSORS), np.bool_), np.zeros((SPANS, SENSORS), np.bool_)
        heard[:, 2:4], still[:, 2:4] = True, (~awake & (rng.random(SPANS) < 0.9))[:, None]
        busy = BUSY[own_hour.astype(int)] * rng.gamma(2.0, 0.5, SPANS) * np.exp(rng.normal(0, course.activity))
        walked_s = np.where(awake, SPAN_S * np.clip(WALKED * busy, 0, 0.9), 0.0)
        times = np.log(swing) + rng.normal(0, course.spread) + rng.normal(0, HOURLY, SPANS)
        peaks = np.log(impact) + rng.normal(0, 2 * course.spread) + rng.normal(0, HOURLY, SPANS)
        sums = _sums(walked_s, np.exp(times), np.exp(peaks), watched)
        for sensor, gaps, there in ((2, course.off, True), (3, course.silent, False)):
            if day in gaps:
                gone = (hour >= gaps[day][0]) & (hour < gaps[day][1])
                heard[gone, sensor], still[gone, sensor] = there, there
        end_s = (start_day + day) * DAY_S + float(SPAN_S) * (1 + np.arange(SPANS))
        ratios = np.zeros((SPANS, len(BINS) - 1), np.int64)
        yield Tally(np.full(SPANS, wearer), end_s.astype(np.float64), float(SPAN_S), heard, still, sums, ratios)


def _sums(walked_s: Floats, swing: Floats, impact: Floats, watched: int) -> Floats:
    """Sums of (144,) seconds walked with these ratios of the watched leg over the other."""
    sums, strides = np.zeros((SPANS, len(COLUMNS))), walked_s / STRIDE_S
    sums[:, AT["legs_worn_s"]], sums[:, AT["paced_s"]], sums[:, AT["in_step"]] = SPAN_S, walked_s, -0.98 * strides
    step = np.sqrt(swing)
    for side, name in enumerate(SIDES):
        mine = side == watched
        steps_s = STRIDE_S * (step if mine else 1.0) / (1 + step)
        parts = {"steps": strides, "strides": strides, "stride_s": walked_s, "paired": strides}
        parts |= {"stride_s2": 1.001 * STRIDE_S * walked_s, "step_s": strides * steps_s}
        parts |= {"swing_s": strides * SWING_S * (swing if mine else 1.0)}
        parts |= {"impact_g": strides * IMPACT_G * (impact if mine else 1.0)}
        parts |= {"load": 0.01 * SPAN_S / 60 + 0.15 * strides}
        for what, values in parts.items():
            sums[:, AT[f"{what}_{name}"]] = values
        for axis, up in zip("xyz", (0.9, (0.4, -0.4)[side], 0.1), strict=True):
            sums[:, AT[f"up_{name}_leg_{axis}"]] = up * walked_s
        sums[:, AT[f"turned_{name}_leg_s"]] = walked_s
    return sums
