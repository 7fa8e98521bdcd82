"""A day's or an hour's sums -> the figures of legs and trunk, each with its interval or the reason why it is withheld.

Ratios are the watched leg's over the other's; times 100 they are limb symmetry indices. Temporal symmetry in healthy
adults: 0.9 to 1.1 (Patterson et al. 2008, Arch. Phys. Med. Rehabil. 89:304); for a return to sport 90 % or more is
asked of many tests (Grindem et al. 2016, Br. J. Sports Med. 50:804).
"""

from dataclasses import dataclass

import numpy as np

from agent.limbs.columns import AT, SIDES
from agent.limbs.figures import AWAKE_H
from agent.limbs.interval import Figure, Of, Sums, Worn, quotient
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
DETECTOR_LOG_SD = {
    "step_time": 0.05,
    "swing_time": 0.04,
    "impact": 0.0,
    "steps": 0.02,
    "cadence": 0.02,
    "stride_s": 0.02,
    "stride_variation": 0.2,
    "trunk_steps": 0.04,
    "trunk_cadence": 0.04,
    "load": 0.02,
}
"""How far ln(figure) is from that of annotated footsteps: root mean square over the seven wearers of `healthy_gait` who
were looked at; on the others by `python -m training limbs --section gait`. Of impacts and evenness there is no truth:
their interval is that of the hours alone, as if each were a draw of its own. PlayerLoad: between devices, in the field
(Boyd, Ball, Aughey 2011, Int. J. Sports Physiol. Perform. 6:311)."""
HEALTHY = (0.9, 1.1)


@dataclass(frozen=True, slots=True)
class LegDay:
    """What is told of a day. None = not heard or withheld."""

    number: int
    worn_h: float
    missing_h: float
    """One leg's sensor worn, the other's not."""
    walking_h: float
    steps: Figure | None
    """Steps while worn; the upper end holds what they would be had the waking hours without wear been like those worn.
    """
    cadence: float | None
    """Steps a minute of walking."""
    stride_s: float | None
    stride_variation: float | None
    """Standard deviation of a stride over its mean, mean of both legs."""
    ratios: dict[str, Figure]
    """By name in `MEASURES`."""
    impact_g: tuple[float, float] | None
    """Mean peak at the contact of the watched leg and the other, g."""
    load: dict[str, float]
    """PlayerLoad of `watched`, `other` and `trunk`."""
    trunk_worn_h: float
    evenness: float | None
    """Step regularity over stride regularity of the trunk; 1 = left and right steps alike."""
    intervals: dict[str, tuple[float, float]]
    """95 % intervals of `cadence`, `stride_s`, `stride_variation`, `evenness`, and of `impact_g.watched`, `load.trunk`
    and their like."""
    withheld: str
    """Why ratios are missing: `too_little_wear`, `too_little_walking`, `one_leg`, `sides_swapped`; `clocks_apart`:
    only the step times are; empty = they are not."""


def leg_day(
    day: Day, watched: int, sync_s: float = 0.0, odd: str = "", least: int = LEAST_STRIDES, awake_h: float = AWAKE_H
) -> LegDay:
    """Figures of a day, or of an hour.

    Args:
        day: its sums.
        watched: 0 = left, 1 = right.
        sync_s: doubt about the two sensors' clocks.
        odd: `one_leg` or `sides_swapped` where the sensors are not where they should be.
        least: strides of each leg below which the legs are not compared.
        awake_h: hours of wear after which nothing more is missing.
    """
    names = ("left", "right") if watched == 0 else ("right", "left")
    withheld = odd or _too_little(day, min(day.total(f"strides_{name}") for name in names), least)
    apart = withheld or ("clocks_apart" if sync_s > MOST_SYNC_S else "")
    shown = [] if withheld else [one for one in MEASURES if not (apart and one == "step_time")]
    legs_h, trunk_h = day.total("legs_worn_s") / 3600, day.total("trunk_worn_s") / 3600
    legs, trunk = Worn(day.hours, awake_h, legs_h), Worn(day.hours, awake_h, trunk_h)
    ratios = {measure: ratio for measure in shown if (ratio := _ratio(legs, measure, names))}
    loads = {"watched": f"load_{names[0]}", "other": f"load_{names[1]}", "trunk": "trunk_load"}
    figures = _of_legs(legs, names) if legs_h else _of_trunk(trunk)
    figures["evenness"] = trunk.estimated(quotient("evenness_s", "trunk_paced_s"), "trunk_paced_s", 0.0, draws=True)
    for who, load in loads.items():
        worn, over = (trunk, "trunk_worn_s") if who == "trunk" else (legs, "legs_worn_s")
        figures[f"load.{who}"] = worn.counted((load,), over, log_sd=DETECTOR_LOG_SD["load"])
    told = {name: one for name, one in figures.items() if one}
    steps, value = told.pop("steps", None), {name: one.value for name, one in told.items()}
    impact_g = tuple(value[f"impact_g.{who}"] for who in ("watched", "other") if f"impact_g.{who}" in value)
    return LegDay(
        number=day.number,
        worn_h=legs_h,
        missing_h=(day.total("legs_aside_left_s") + day.total("legs_aside_right_s")) / 3600,
        walking_h=day.total("paced_s" if legs_h else "trunk_paced_s") / 3600,
        steps=steps,
        cadence=value.get("cadence"),
        stride_s=value.get("stride_s"),
        stride_variation=value.get("stride_variation"),
        ratios=ratios,
        impact_g=(impact_g[0], impact_g[1]) if len(impact_g) == len(names) else None,
        load={who: value[f"load.{who}"] for who in loads if f"load.{who}" in value},
        trunk_worn_h=trunk_h,
        evenness=value.get("evenness"),
        intervals={name: (one.low, one.high) for name, one in told.items()},
        withheld=apart if legs_h or day.total("legs_aside_left_s") + day.total("legs_aside_right_s") else "",
    )


def _of_legs(worn: Worn, names: tuple[str, str]) -> dict[str, Figure | None]:
    told: dict[str, Figure | None] = {
        "steps": worn.counted(("steps_left", "steps_right"), "legs_worn_s", log_sd=DETECTOR_LOG_SD["steps"])
    }
    for name, of in OF_STRIDES.items():
        told[name] = worn.estimated(of, "paced_s", DETECTOR_LOG_SD[name])
    for who, name in zip(("watched", "other"), names, strict=True):
        peak = quotient(f"impact_g_{name}", f"strides_{name}")
        told[f"impact_g.{who}"] = worn.estimated(peak, f"strides_{name}", DETECTOR_LOG_SD["impact"], draws=True)
    return told


def _of_trunk(worn: Worn) -> dict[str, Figure | None]:
    cadence = worn.estimated(cadence_of_trunk, "trunk_paced_s", DETECTOR_LOG_SD["trunk_cadence"])
    steps = worn.counted(("trunk_steps",), "trunk_worn_s", log_sd=DETECTOR_LOG_SD["trunk_steps"])
    return {"steps": steps, "cadence": cadence}


def cadence(sums: Sums) -> Floats:
    """Steps a minute of walking."""
    return 60 * (sums["steps_left"] + sums["steps_right"]) / sums["paced_s"]


def cadence_of_trunk(sums: Sums) -> Floats:
    """The same by the trunk alone."""
    return 60 * sums["trunk_steps"] / sums["trunk_paced_s"]


def stride_s(sums: Sums) -> Floats:
    """Mean stride of both legs, seconds."""
    return (sums["stride_s_left"] + sums["stride_s_right"]) / (sums["strides_left"] + sums["strides_right"])


def stride_variation(sums: Sums) -> Floats:
    """Standard deviation of a stride over its mean, mean of both legs."""
    means = [sums[f"stride_s_{side}"] / sums[f"strides_{side}"] for side in SIDES]
    squares = [sums[f"stride_s2_{side}"] / sums[f"strides_{side}"] for side in SIDES]
    parts = [np.sqrt(np.maximum(two / one**2 - 1, 0.0)) for one, two in zip(means, squares, strict=True)]
    return (parts[0] + parts[1]) / 2


OF_STRIDES: dict[str, Of] = {"cadence": cadence, "stride_s": stride_s, "stride_variation": stride_variation}


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


def _ratio(worn: Worn, measure: str, names: tuple[str, str]) -> Figure | None:
    """Mean over mean."""
    what, over = SUMMED[measure]
    mine, others = (quotient(f"{what}_{name}", f"{over}_{name}") for name in names)
    draws, log_sd = measure == "impact", DETECTOR_LOG_SD[measure]
    return worn.estimated(lambda sums: mine(sums) / others(sums), f"{over}_{names[0]}", log_sd, draws=draws)
