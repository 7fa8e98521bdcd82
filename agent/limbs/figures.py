"""A day's sums -> the figures of arm use, each with its interval or the reason why it is withheld.

Definitions: use ratio, magnitude ratio and bilateral magnitude after Bailey & Lang 2013 (J. Rehabil. Res. Dev.
50:1213) and Bailey, Klaesner & Lang 2015 (Neurorehabil. Neural Repair 29:969); variation ratio after Lang et al. 2017
(J. Vis. Exp. 118). A ratio is always the watched arm's over the other's.
"""

from dataclasses import dataclass

import numpy as np

from agent.binomial import Z_95_BOTH
from agent.limbs.columns import AT, BINS
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
DETECTOR_LOG_SD = {"counts": 0.22, "gross": 0.44, "both": 0.25, "learned": 0.19}
"""How far ln(use ratio) by each rule is from that of two therapists with video; see `python -m training limbs`."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio and its 95 % interval."""

    value: float
    low: float
    high: float


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
    use_ratio: dict[str, Ratio]
    """By rule; `free` = by counts, while not walking."""
    magnitude_ratio: float | None
    """Median over seconds in which an arm moved; 0 = equal, below = the watched arm less."""
    bilateral_magnitude: float | None
    """Mean counts a second of both arms together, over the same seconds."""
    variation_ratio: float | None
    """Standard deviation of the watched arm's counts over the other's."""
    profile: tuple[float, ...]
    """(24,) minutes of use of the watched arm in each hour, by counts; NaN where it was not worn."""
    profile_other: tuple[float, ...]
    withheld: str
    """Why ratios are withheld: `too_little_wear`, `too_little_use`, `clocks_apart`, `one_arm`, `sides_swapped`; empty =
    they are not."""


def arm_day(day: Day, watched: int, sync_s: float = 0.0, odd: str = "") -> ArmDay:
    """Figures of a day.

    Args:
        day: its sums.
        watched: 0 = left, 1 = right: the arm in the numerator.
        sync_s: doubt about the two sensors' clocks.
        odd: `one_arm` or `sides_swapped` where the sensors are not where they should be.
    """
    names = ("left", "right") if watched == 0 else ("right", "left")
    worn_h = day.total("worn_s") / 3600
    use = {rule: tuple(day.total(f"{rule}_{name}_s") / 3600 for name in names) for rule in ("counts", "gross", "both")}
    if day.total("learned_left_s") + day.total("learned_right_s") > 0:
        use["learned"] = tuple(day.total(f"learned_{name}_s") / 3600 for name in names)
    use["free"] = tuple(day.total(f"free_{name}_s") / 3600 for name in names)
    withheld = odd or _too_little(worn_h, use["counts"][1])
    apart = withheld or ("clocks_apart" if sync_s > MOST_SYNC_S else "")
    ratios = {} if withheld else {rule: _ratio(day, rule, names) for rule in use if min(use[rule]) > 0}
    moved = day.total("either_s")
    second_wise = not apart and moved > 0
    counts = [day.total(name) for name in names]
    return ArmDay(
        number=day.number,
        worn_h=worn_h,
        missing_h=(day.total("aside_left_s") + day.total("aside_right_s")) / 3600,
        walking_h=day.total("walking_s") / 3600,
        use_h={rule: (pair[0], pair[1]) for rule, pair in use.items()},
        use_ratio=ratios,
        magnitude_ratio=_median(day) * (1 if watched == 0 else -1) if second_wise else None,
        bilateral_magnitude=sum(counts) / moved if second_wise else None,
        variation_ratio=None if withheld else _variation(day, names),
        profile=_profile(day, names[0]),
        profile_other=_profile(day, names[1]),
        withheld=apart,
    )


def _too_little(worn_h: float, other_h: float) -> str:
    if worn_h < LEAST_WORN_H:
        return "too_little_wear"
    return "too_little_use" if other_h < LEAST_USED_H else ""


def _ratio(day: Day, rule: str, names: tuple[str, str]) -> Ratio:
    """Sum over sum, with the spread between hours for the part of the day not worn, and the detector's own error.

    Assumes that hours not worn are like those worn, and that the detector errs as it did against video.
    """
    watched, other = (day.hours[:, AT[f"{rule}_{name}_s"]] for name in names)
    heard = day.hours[:, AT["worn_s"]] > 0
    hours = int(heard.sum())
    pulls = watched[heard] / watched.sum() - other[heard] / other.sum()
    unseen = max(0.0, 1 - day.total("worn_s") / 3600 / AWAKE_H)
    between = (pulls**2).sum() * hours / max(hours - 1, 1) * unseen
    spread = Z_95_BOTH * float(np.sqrt(between + DETECTOR_LOG_SD["counts" if rule == "free" else rule] ** 2))
    value = float(watched.sum() / other.sum())
    return Ratio(value, value * float(np.exp(-spread)), value * float(np.exp(spread)))


def _median(day: Day) -> float:
    """Median of the magnitude ratio left to right, linear within its bin."""
    reached = np.cumsum(day.ratios)
    place = int(np.searchsorted(reached, reached[-1] / 2))
    below = reached[place - 1] if place else 0
    share = (reached[-1] / 2 - below) / max(day.ratios[place], 1)
    return float(BINS[place] + share * (BINS[place + 1] - BINS[place]))


def _variation(day: Day, names: tuple[str, str]) -> float | None:
    worn = day.total("worn_s")
    spread = [day.total(f"{name}2") / worn - (day.total(name) / worn) ** 2 for name in names]
    return float(np.sqrt(spread[0] / spread[1])) if min(spread) > 0 else None


def _profile(day: Day, name: str) -> tuple[float, ...]:
    worn = day.hours[:, AT["worn_s"]]
    minutes: Floats = np.where(worn > 0, day.hours[:, AT[f"counts_{name}_s"]] / 60, np.nan)
    return tuple(float(value) for value in minutes)
