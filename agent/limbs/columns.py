"""What is summed of each hour, and which sensors must be worn for it."""

from dataclasses import dataclass

import numpy as np

from agent.records import Integers

SIDES = ("left", "right")
RULES = ("counts", "gross", "both")
"""How use of an arm is told: thresholded counts, gross movement (GM), gross movement and counts (GMAC)."""
ARMS = (
    *("worn_s", "aside_left_s", "aside_right_s", "walking_s", "together_s"),
    *(f"{rule}_{side}_s" for rule in RULES for side in SIDES),
    *("free_left_s", "free_right_s", "learned_left_s", "learned_right_s"),
    *("left", "right", "left2", "right2"),
    *("log_left", "log_right", "log_left2", "log_right2", "log_both", "either_s"),
    *(f"up_{side}_{axis}" for side in SIDES for axis in "xyz"),
    *("turned_left_s", "turned_right_s"),
)
"""`aside_left_s` = only the left sensor was worn; `together_s` = both arms used (by counts); `free_*` = used by counts
while not walking; `learned_*` = use by a learned detector, where there is one; `left`, `left2` = counts and their
squares; `log_*` = of log(1 + counts), over the `either_s` seconds in which an arm moved; `up_*` = direction of gravity
over the `turned_*` seconds of movement."""
LEGS = (
    *("legs_worn_s", "legs_aside_left_s", "legs_aside_right_s", "paced_s", "in_step"),
    *(
        f"{what}_{side}"
        for what in ("steps", "strides", "stride_s", "stride_s2", "swing_s", "impact_g")
        for side in SIDES
    ),
    *(f"{what}_{side}" for what in ("paired", "step_s", "load") for side in SIDES),
    *(f"up_{side}_leg_{axis}" for side in SIDES for axis in "xyz"),
    *("turned_left_leg_s", "turned_right_leg_s"),
)
"""`paced_s` = time within strides, mean of both legs; `steps_*` = contacts of feet that walk; `strides_*` = contacts
with one of the same foot before, over which `stride_s` (length), its square, `swing_s` (foot in the air) and `impact_g`
(peak) are summed; `paired_*` = strides with one contact of the other foot within, over which `step_s` is summed: from
the other foot's contact to one's own; `in_step` = sum of cos(phase of the right foot in the strides of the left):
-strides where feet take turns, +strides where both sensors sit on one leg; `load_*` = PlayerLoad of each leg."""
TRUNK = ("trunk_worn_s", "trunk_aside_s", "trunk_paced_s", "trunk_steps", "trunk_load", "evenness_s")
"""`evenness_s` = sum over seconds of walking of step regularity over stride regularity."""
COLUMNS = (*ARMS, *LEGS, *TRUNK)
AT = {name: place for place, name in enumerate(COLUMNS)}
BINS = np.linspace(-7.0, 7.0, 57)
"""Edges of the magnitude ratio: ln of one arm's counts over the other's, cut at +-7 (Bailey & Lang 2013)."""


@dataclass(frozen=True, slots=True)
class Group:
    """Sensors that must all be worn, and what is summed while they are."""

    sensors: tuple[int, ...]
    """Columns of `Tally.heard`."""
    worn: int
    """Place of the worn time in `COLUMNS`; the time in which only one sensor is worn lies in the next ones."""
    columns: Integers
    """All places that belong to it."""


def _group(names: tuple[str, ...], sensors: tuple[int, ...]) -> Group:
    return Group(sensors, AT[names[0]], np.array([AT[name] for name in names]))


GROUPS = (_group(ARMS, (0, 1)), _group(LEGS, (2, 3)), _group(TRUNK, (4,)))
SENSORS = 5
"""Left and right arm, left and right leg, trunk."""
