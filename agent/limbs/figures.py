"""A day's or an hour's sums -> the figures of arm use, each with its interval or the reason why it is withheld.

Definitions: use ratio, magnitude ratio and bilateral magnitude after Bailey & Lang 2013 (J. Rehabil. Res. Dev.
50:1213) and Bailey, Klaesner & Lang 2015 (Neurorehabil. Neural Repair 29:969); variation ratio after Lang et al. 2017
(J. Vis. Exp. 118). A ratio is always the watched arm's over the other's.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from agent.binomial import Z_95_BOTH
from agent.limbs.columns import AT, BINS
from agent.limbs.interval import Figure, Sums, Worn, quotient
from agent.limbs.ledger import Day
from agent.records import Floats

AWAKE_H = 14.0
"""Hours of wear by day after which nothing more of the day is missing."""
LEAST_WORN_H = 4.0
"""Hours with both sensors worn and moving below which a day is not judged."""
LEAST_USED_H = 0.25
"""Hours of use of the other arm below which a ratio means little."""
MOST_SYNC_S = 0.5
"""Doubt about the pair's clocks beyond which figures that compare the same second of both arms are withheld."""
DETECTOR_LOG_SD = {"counts": 0.22, "free": 0.22, "gross": 0.44, "both": 0.25, "learned": 0.19}
"""How far ln(use ratio) by each rule is from that of two therapists with video; see `python -m training limbs`."""
DURATION_SD = {"counts": 0.14, "free": 0.14, "gross": 0.35, "both": 0.18, "learned": 0.12}
"""The same of the duration of use, as a share of the time worn. By gross movement a third of all use is missed."""
COUNTS_LOG_SD = 0.02
"""How far counts of one sensor are from those of a sensor without error: twice the gain that auto-calibration leaves
(1 %, `tests/agent/limbs/test_upright.py`), as counts below a threshold are blanked."""


@dataclass(frozen=True, slots=True)
class ArmDay:
    """What is told of a day. None = withheld, see `withheld`."""

    number: int
    worn_h: float
    """Both sensors worn and moving at times."""
    missing_h: float
    """One sensor worn, the other not."""
    walking_h: float
    use_h: dict[str, tuple[float, float]]
    """By rule: hours of use of the watched arm and of the other, while both were worn."""
    use_ratio: dict[str, Figure]
    """By rule; `free` = by counts, while not walking."""
    magnitude_ratio: float | None
    """Median over seconds in which an arm moved; 0 = equal, below = the watched arm less."""
    bilateral_magnitude: float | None
    """Mean counts a second of both arms together, over the same seconds."""
    variation_ratio: float | None
    """Standard deviation of the watched arm's counts over the other's."""
    intervals: dict[str, tuple[float, float]]
    """95 % intervals of the three above by their names, and of `use_h` by `RULE.watched` and `RULE.other`."""
    profile: tuple[float, ...]
    """(24,) minutes of use of the watched arm in each hour, by counts; NaN where it was not worn."""
    profile_other: tuple[float, ...]
    withheld: str
    """Why ratios are withheld: `too_little_wear`, `too_little_use`, `clocks_apart`, `one_arm`, `sides_swapped`; empty =
    they are not."""


def arm_day(day: Day, watched: int, sync_s: float = 0.0, odd: str = "", awake_h: float = AWAKE_H) -> ArmDay:
    """Figures of a day, or of an hour.

    Args:
        day: its sums.
        watched: 0 = left, 1 = right: the arm in the numerator.
        sync_s: doubt about the two sensors' clocks.
        odd: `one_arm` or `sides_swapped` where the sensors are not where they should be.
        awake_h: hours of wear after which nothing more is missing.
    """
    names = ("left", "right") if watched == 0 else ("right", "left")
    worn_h = day.total("worn_s") / 3600
    use = {rule: tuple(day.total(f"{rule}_{name}_s") / 3600 for name in names) for rule in ("counts", "gross", "both")}
    if day.total("learned_left_s") + day.total("learned_right_s") > 0:
        use["learned"] = tuple(day.total(f"learned_{name}_s") / 3600 for name in names)
    use["free"] = tuple(day.total(f"free_{name}_s") / 3600 for name in names)
    withheld = odd or _too_little(worn_h, use["counts"][1])
    apart = withheld or ("clocks_apart" if sync_s > MOST_SYNC_S else "")
    worn = Worn(day.hours, awake_h, worn_h)
    ratios = {} if withheld else _ratios(worn, [rule for rule in use if min(use[rule]) > 0], names)
    figures = {} if apart else _compared(worn, day, watched, names)
    if apart == "clocks_apart" and (variation := _variation(worn, names)):
        figures["variation_ratio"] = variation
    told = {name: one.value for name, one in figures.items()}
    return ArmDay(
        number=day.number,
        worn_h=worn_h,
        missing_h=(day.total("aside_left_s") + day.total("aside_right_s")) / 3600,
        walking_h=day.total("walking_s") / 3600,
        use_h={rule: (pair[0], pair[1]) for rule, pair in use.items()},
        use_ratio=ratios,
        magnitude_ratio=told.get("magnitude_ratio"),
        bilateral_magnitude=told.get("bilateral_magnitude"),
        variation_ratio=told.get("variation_ratio"),
        intervals={name: (one.low, one.high) for name, one in (figures | _durations(worn, use, names)).items()},
        profile=_profile(day, names[0]),
        profile_other=_profile(day, names[1]),
        withheld=apart,
    )


def _too_little(worn_h: float, other_h: float) -> str:
    if worn_h < LEAST_WORN_H:
        return "too_little_wear"
    return "too_little_use" if other_h < LEAST_USED_H else ""


def _ratios(worn: Worn, rules: list[str], names: tuple[str, str]) -> dict[str, Figure]:
    """Hours of use over hours of use, by rule."""
    mine, others = names
    told = {
        rule: worn.estimated(quotient(f"{rule}_{mine}_s", f"{rule}_{others}_s"), "worn_s", DETECTOR_LOG_SD[rule])
        for rule in rules
    }
    return {rule: one for rule, one in told.items() if one}


def _durations(worn: Worn, rules: Iterable[str], names: tuple[str, str]) -> dict[str, Figure]:
    """Hours of use of each arm, by rule."""
    told = {
        f"{rule}.{who}": worn.counted((f"{rule}_{name}_s",), "worn_s", 1 / 3600, share_sd=DURATION_SD[rule])
        for rule in rules
        for who, name in zip(("watched", "other"), names, strict=True)
    }
    return {name: one for name, one in told.items() if one}


def _compared(worn: Worn, day: Day, watched: int, names: tuple[str, str]) -> dict[str, Figure]:
    """What compares the arms second by second."""
    if day.total("either_s") <= 0:
        return {}
    told = {
        "magnitude_ratio": _magnitude(worn, day, 1 if watched == 0 else -1),
        "bilateral_magnitude": worn.estimated(
            lambda sums: (sums["left"] + sums["right"]) / sums["either_s"], "either_s", COUNTS_LOG_SD
        ),
        "variation_ratio": _variation(worn, names),
    }
    return {name: one for name, one in told.items() if one}


def _magnitude(worn: Worn, day: Day, sign: int) -> Figure:
    """Median of the magnitude ratio; its interval are the quantiles as far from a half as that share is uncertain.

    Woodruff 1952 (J. Am. Stat. Assoc. 47:635). How much seconds of one hour are alike, which sets that uncertainty, is
    told by the difference of the arms' log(1 + counts): assumes that which arm does more clusters in hours as it does.
    """
    total = Sums(day.hours.sum(axis=0))
    mean = _apart(total)
    square = (total["log_left2"] + total["log_right2"] - 2 * total["log_both"]) / total["either_s"] - mean**2
    pull = worn.pull(_apart, "either_s") * np.sqrt(worn.unseen)
    share = min(0.5 * pull / float(np.sqrt(np.maximum(square, 1e-9))), 0.5)
    off = Z_95_BOTH * float(np.sqrt(2)) * COUNTS_LOG_SD
    low, value, high = sorted(sign * _quantile(day, 0.5 + way * share) for way in (-1, 0, 1))
    return Figure(value, low - off, high + off)


def _apart(sums: Sums) -> Floats:
    return (sums["log_left"] - sums["log_right"]) / sums["either_s"]


def _quantile(day: Day, share: float) -> float:
    """Quantile of the magnitude ratio left to right, linear within its bin."""
    reached = np.cumsum(day.ratios)
    place = min(int(np.searchsorted(reached, reached[-1] * share)), len(reached) - 1)
    below = reached[place - 1] if place else 0
    within = (reached[-1] * share - below) / max(day.ratios[place], 1)
    return float(BINS[place] + within * (BINS[place + 1] - BINS[place]))


def _variation(worn: Worn, names: tuple[str, str]) -> Figure | None:
    def squared(sums: Sums, name: str) -> Floats:
        return sums[f"{name}2"] / sums["worn_s"] - (sums[name] / sums["worn_s"]) ** 2

    def variation(sums: Sums) -> Floats:
        return np.sqrt(squared(sums, names[0]) / squared(sums, names[1]))

    # few hours tell a spread worse than a mean, and leaving one out shows too little of it: all of it counts
    return worn.estimated(variation, "worn_s", float(np.sqrt(2)) * COUNTS_LOG_SD, draws=True)


def _profile(day: Day, name: str) -> tuple[float, ...]:
    worn = day.hours[:, AT["worn_s"]]
    minutes: Floats = np.where(worn > 0, day.hours[:, AT[f"counts_{name}_s"]] / 60, np.nan)
    return tuple(float(value) for value in minutes)
