"""A day's sums -> the figures of legs and trunk, each with its interval or the reason why it is withheld.

Ratios are the watched leg's over the other's; times 100 they are limb symmetry indices. Temporal symmetry in healthy
adults: 0.9 to 1.1 (Patterson et al. 2008, Arch. Phys. Med. Rehabil. 89:304); for a return to sport 90 % or more is
asked of many tests (Grindem et al. 2016, Br. J. Sports Med. 50:804).
"""

from dataclasses import dataclass

import numpy as np

from agent.binomial import Z_95_BOTH
from agent.limbs.columns import AT
from agent.limbs.figures import AWAKE_H, Ratio
from agent.limbs.ledger import Day
from agent.records import Floats

MEASURES = ("step_time", "swing_time", "impact")
"""What is compared between the legs: time from the other foot's contact to one's own, time in the air, peak of the
acceleration at the contact."""
SUMMED = {"step_time": ("step_s", "paired"), "swing_time": ("swing_s", "strides"), "impact": ("impact_g", "strides")}
"""Columns of the books: what is summed, over how many."""
LEAST_STRIDES = 100
"""Strides of each leg below which a day is not judged."""
MOST_SYNC_S = 0.02
"""Doubt about the pair's clocks beyond which step times are withheld: an offset between the clocks makes one step
longer and the other shorter by as much. Swing times and impacts need one clock only."""
DETECTOR_LOG_SD = {"step_time": 0.035, "swing_time": 0.04, "impact": 0.0}
"""How far ln(ratio) is from that of annotated footsteps; see `python -m training limbs`. Of impacts there is no truth:
their interval is that of the hours alone, as if each were a draw of its own."""
STEPS_ERROR = 0.02
"""Share of the steps miscounted, against the same."""
HEALTHY = (0.9, 1.1)


@dataclass(frozen=True, slots=True)
class LegDay:
    """What is told of a day. None = not heard or withheld."""

    number: int
    worn_h: float
    missing_h: float
    """One leg's sensor worn, the other's not."""
    walking_h: float
    steps: Ratio | None
    """Steps while worn; its upper end is what it would be had the waking hours without wear been like those worn."""
    cadence: float | None
    """Steps a minute of walking."""
    stride_s: float | None
    stride_variation: float | None
    """Standard deviation of a stride over its mean, mean of both legs."""
    ratios: dict[str, Ratio]
    """By name in `MEASURES`."""
    impact_g: tuple[float, float] | None
    """Mean peak at the contact of the watched leg and the other, g."""
    load: dict[str, float]
    """PlayerLoad of `watched`, `other` and `trunk`."""
    trunk_worn_h: float
    evenness: float | None
    """Step regularity over stride regularity of the trunk; 1 = left and right steps alike."""
    withheld: str
    """Why ratios are missing: `too_little_wear`, `too_little_walking`, `one_leg`, `sides_swapped`; `clocks_apart`:
    only the step times are; empty = they are not."""


def leg_day(day: Day, watched: int, sync_s: float = 0.0, odd: str = "", least: int = LEAST_STRIDES) -> LegDay:
    """Figures of a day.

    Args:
        day: its sums.
        watched: 0 = left, 1 = right.
        sync_s: doubt about the two sensors' clocks.
        odd: `one_leg` or `sides_swapped` where the sensors are not where they should be.
        least: strides of each leg below which the legs are not compared.
    """
    names = ("left", "right") if watched == 0 else ("right", "left")
    strides = [day.total(f"strides_{name}") for name in names]
    withheld = odd or _too_little(day, min(strides), least)
    apart = withheld or ("clocks_apart" if sync_s > MOST_SYNC_S else "")
    shown = [] if withheld else [one for one in MEASURES if not (apart and one == "step_time")]
    ratios = {measure: ratio for measure in shown if (ratio := _ratio(day, measure, names))}
    legs_h, trunk_h = day.total("legs_worn_s") / 3600, day.total("trunk_worn_s") / 3600
    walked_s, steps = day.total("paced_s"), day.total("steps_left") + day.total("steps_right")
    worn_h = legs_h
    if legs_h == 0:
        walked_s, steps, worn_h = day.total("trunk_paced_s"), day.total("trunk_steps"), trunk_h
    walked = min(strides) > 0
    loads = {"watched": f"load_{names[0]}", "other": f"load_{names[1]}", "trunk": "trunk_load"}
    return LegDay(
        number=day.number,
        worn_h=legs_h,
        missing_h=(day.total("legs_aside_left_s") + day.total("legs_aside_right_s")) / 3600,
        walking_h=walked_s / 3600,
        steps=_steps(steps, worn_h) if worn_h else None,
        cadence=60 * steps / walked_s if walked_s else None,
        stride_s=sum(day.total(f"stride_s_{name}") for name in names) / sum(strides) if walked else None,
        stride_variation=_variation(day, names) if walked else None,
        ratios=ratios,
        impact_g=_pair(day, "impact_g", names, strides) if walked else None,
        load={who: day.total(name) for who, name in loads.items() if (trunk_h if who == "trunk" else legs_h)},
        trunk_worn_h=trunk_h,
        evenness=day.total("evenness_s") / paced_s if (paced_s := day.total("trunk_paced_s")) else None,
        withheld=apart if legs_h or day.total("legs_aside_left_s") + day.total("legs_aside_right_s") else "",
    )


def by_hour(day: Day, watched: int, least: float = 10.0) -> Floats:
    """(measures, 24) ln(ratio) of each hour; NaN where a leg made fewer than `least` strides."""
    rows = []
    for what, over in SUMMED.values():
        (left, left_n), (right, right_n) = (
            [day.hours[:, AT[f"{one}_{side}"]] for one in (what, over)] for side in ("left", "right")
        )
        known = (np.minimum(left_n, right_n) >= least) & (np.minimum(left, right) > 0)
        safe = [np.where(known, part, 1.0) for part in (left, left_n, right, right_n)]
        apart = np.log(safe[0] / safe[1]) - np.log(safe[2] / safe[3])
        rows.append(np.where(known, apart * (1 if watched == 0 else -1), np.nan))
    return np.array(rows)


def _too_little(day: Day, strides: float, least: int) -> str:
    if day.total("legs_worn_s") == 0:
        return "too_little_wear"
    return "too_little_walking" if strides < least else ""


def _steps(steps: float, worn_h: float) -> Ratio:
    unseen = max(1.0, AWAKE_H / worn_h)
    return Ratio(steps, steps * (1 - STEPS_ERROR), steps * (1 + STEPS_ERROR) * unseen)


def _pair(day: Day, what: str, names: tuple[str, str], strides: list[float]) -> tuple[float, float]:
    one, other = (day.total(f"{what}_{name}") / count for name, count in zip(names, strides, strict=True))
    return one, other


def _variation(day: Day, names: tuple[str, str]) -> float:
    parts = []
    for name in names:
        count = day.total(f"strides_{name}")
        mean = day.total(f"stride_s_{name}") / count
        parts.append(np.sqrt(max(day.total(f"stride_s2_{name}") / count - mean**2, 0.0)) / mean)
    return float(np.mean(parts))


def _ratio(day: Day, measure: str, names: tuple[str, str]) -> Ratio | None:
    """Mean over mean, with the spread between hours for the part of the day not worn, and the detector's own error."""
    what, over = SUMMED[measure]
    sums = [[day.hours[:, AT[f"{one}_{name}"]] for one in (what, over)] for name in names]
    if min(float(part.sum()) for side in sums for part in side) <= 0:
        return None
    (mine, my_count), (others, other_count) = sums
    pulls: Floats = mine / mine.sum() - my_count / my_count.sum() - others / others.sum()
    pulls = pulls + other_count / other_count.sum()
    hours = int((my_count > 0).sum())
    unseen = 1.0 if measure == "impact" else max(0.0, 1 - day.total("legs_worn_s") / 3600 / AWAKE_H)
    between = float((pulls**2).sum()) * hours / max(hours - 1, 1) * unseen
    spread = Z_95_BOTH * float(np.sqrt(between + DETECTOR_LOG_SD[measure] ** 2))
    value = float(mine.sum() / my_count.sum() / (others.sum() / other_count.sum()))
    return Ratio(value, value * float(np.exp(-spread)), value * float(np.exp(spread)))
