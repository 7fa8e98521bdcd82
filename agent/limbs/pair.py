"""Are a wearer's two sensors in one time, and each on its own side?

Time: the doubt about a pair is the difference of what their offsets lack by the delays heard, and twice its standard
error. Assumption: the quickest packets of both sensors take equally long (the same kind of radio); two that do not are
off by that difference, which nothing on the gateway can see.

Place: two sensors on one arm move together second by second, as two arms never do for hours. Left and right exchanged
show in the postures: the forearms are mirror images, and a sensor's usual directions of gravity go to the other stream.
"""

import numpy as np

from agent.clocks import DeviceClock
from agent.limbs.columns import AT
from agent.limbs.ledger import Day
from agent.records import Floats

ONE_ARM = 0.95
"""Correlation of log(1 + counts), over the seconds in which an arm moves, from which both sensors sit on one arm."""
LEAST_MOVED_S = 1800.0
"""Seconds of movement without which nothing is said of the places."""
APART_DEG = 20.0
"""Usual directions of gravity of left and right nearer than this cannot tell an exchange."""
EXCHANGED_DEG = 15.0
"""So much better must exchanged sides fit the usual directions than the sides as told."""
ARMS, LEGS = ("left", "right"), ("left_leg", "right_leg")
"""Names of a pair's sensors in the columns of the books."""
IN_STEP = 0.5
"""Mean cosine of one foot's phase in the strides of the other: -1 where feet take turns, 1 on one leg."""
LEAST_STRIDES = 50


def doubt_s(left: DeviceClock, right: DeviceClock) -> float:
    """How far apart the clocks of a pair may be; inf until both have been heard for a while."""
    (left_s, left_error), (right_s, right_error) = left.behind_s(), right.behind_s()
    return abs(left_s - right_s) + 2 * float(np.hypot(left_error, right_error))


def together(day: Day) -> float:
    """Correlation of the two arms' log(1 + counts) over the seconds in which an arm moved; NaN with too few."""
    count = day.total("either_s")
    if count < LEAST_MOVED_S:
        return float("nan")
    left, right = day.total("log_left") / count, day.total("log_right") / count
    spread = [day.total(f"log_{side}2") / count - mean**2 for side, mean in (("left", left), ("right", right))]
    if min(spread) <= 1e-9:
        return float("nan")
    return (day.total("log_both") / count - left * right) / float(np.sqrt(spread[0] * spread[1]))


def one_leg(day: Day) -> bool:
    """Both sensors land at once: they sit on one leg. Assumes clocks less than a quarter stride apart."""
    strides = day.total("strides_left")
    return bool(strides >= LEAST_STRIDES and day.total("in_step") / strides > IN_STEP)


def directions(day: Day, names: tuple[str, str] = ARMS) -> Floats | None:
    """(2, 3) mean direction of gravity of each side while it moved, not normalised; None with too little movement."""
    moved = [day.total(f"turned_{side}_s") for side in names]
    if min(moved) < LEAST_MOVED_S:
        return None
    sums = day.hours[:, AT[f"up_{names[0]}_x"] : AT[f"up_{names[1]}_z"] + 1].sum(axis=0).reshape(2, 3)
    mean: Floats = sums / np.array(moved)[:, None]
    return mean


def exchanged(today: Floats, usual: Floats) -> bool:
    """The sides fit the usual directions better the other way round. Args: (2, 3) each."""
    if _angle(usual[0], usual[1]) < APART_DEG:
        return False
    as_told = _angle(today[0], usual[0]) + _angle(today[1], usual[1])
    the_other_way = _angle(today[0], usual[1]) + _angle(today[1], usual[0])
    return bool(as_told - the_other_way > 2 * EXCHANGED_DEG)


def _angle(a: Floats, b: Floats) -> float:
    cosine = a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
