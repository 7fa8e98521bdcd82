"""What would resolve a doubt: tried on the window in question, the way it was judged (`retrial`), before it is told.

Each cause has its own way out, tried first: a better signal, more normal wear of the wearer's own, or the answer to
whether it was measured right. Where that leaves two labels, what is told is the budget at which there would be one;
it always exists, for the p-value itself is such a level.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from agent.calibrate import BLOCK_S, BLOCKS_PER_DAY
from agent.own import RING, Cells, cell_of
from agent.records import CAUSES, NOISE, Booleans, Integers, Quality, Trust
from agent.retrial import Answer, Retrial

Needs = Literal["signal", "wear", "readings", "budget"]
STEPS = 24
"""Amounts of wear that are tried, from one half-minute to a day."""
LOOSER = 1.02
"""A budget a little above the p-value itself: rounded, it still resolves."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What would leave one label, and which."""

    needs: Needs
    labels: Booleans
    """(3,) the verdict that would follow: of `readings`, if it was measured right."""
    otherwise: Booleans | None = None
    """(3,) of `readings`: if it was measured wrong."""
    row: int = -1
    """Position, among the window's rows, that must deliver better; -1 = none."""
    fault: str = ""
    """What is wrong with its signal: one of `Quality.FAULTS`."""
    minutes: float = 0.0
    """Of normal wear of this kind, none of it as strange."""
    per_day: float = 0.0
    """False alarms a day that would have to be allowed."""


def resolve(retrial: Retrial) -> Resolution:
    """Of one window whose verdict abstains."""
    cause = CAUSES[int(retrial.judged.verdicts.cause[retrial.window])]
    for way in WAYS[cause]:
        found = way(retrial)
        if found is not None and found.labels.sum() == 1:
            return found
    return _budget(retrial)


def _signal(retrial: Retrial) -> Resolution | None:
    """The same samples, and those that came of what is too sparse to score, from a sensor above suspicion."""
    row, fault = worst(retrial)
    labels = _measured(retrial, right=True).verdicts.labels[0]
    return Resolution("signal", labels, row=row, fault=fault)


def _readings(retrial: Retrial) -> Resolution | None:
    right, wrong = (_measured(retrial, right=right).verdicts.labels[0] for right in (True, False))
    row, fault = worst(retrial)
    return Resolution("readings", right, otherwise=wrong, row=row, fault=fault) if wrong[NOISE] else None


def _wear(retrial: Retrial) -> Resolution | None:
    """The fewest half-minutes more, none as strange, that let the wearer's own calibration decide."""
    judged, window, own = retrial.judged, retrial.window, retrial.judge.prudence.own
    steps = np.unique(np.geomspace(1, RING, STEPS).astype(np.int64))
    regime = judged.standing.regime[window : window + 1]
    cell = cell_of(judged.windows.wearer[window : window + 1], regime)
    own.make_room(cell)
    later = copy.copy(own)
    later.cells = _learnt(own.cells, int(cell[0]), steps, cell_of(np.arange(len(steps)), regime))
    found = retrial.answer(np.repeat(retrial.score[None], len(steps), axis=0), own=later).verdicts.labels
    works = np.flatnonzero(found.sum(axis=1) == 1)
    if len(works) == 0:
        return None
    return Resolution("wear", found[works[0]], minutes=float(steps[works[0]]) * BLOCK_S / 60)


def _learnt(cells: Cells, one: int, more: Integers, place: Integers) -> Cells:
    """One cell, as often as `more` says, in which that many half-minutes were learnt, none of any strangeness.

    Each is put at its `place`.
    """
    out, learnt = Cells.empty(int(place.max()) + 1), int(cells.learnt[one])
    for name in Cells.__dataclass_fields__:
        getattr(out, name)[place] = getattr(cells, name)[one]
    for row, count in zip(place, more, strict=True):
        if learnt + count > RING:  # the rest of the ring is empty as it is
            out.ring[row, (learnt + np.arange(count)) % RING] = -np.inf
    out.learnt[place] += more
    return out


def _budget(retrial: Retrial) -> Resolution:
    p = float(retrial.judged.surprise.p_value[retrial.window])
    p = 1.0 if np.isnan(p) else p
    level = np.array([min(1.0, p * LOOSER)])
    score = retrial.anatomy.score[None]
    labels = retrial.answer(score, trust=_trust(right=True), alpha=level).verdicts.labels[0]
    return Resolution("budget", labels, per_day=float(level[0] * BLOCKS_PER_DAY))


def _measured(retrial: Retrial, *, right: bool) -> Answer:
    return retrial.answer(retrial.anatomy.score[None], trust=_trust(right=right))


def _trust(*, right: bool) -> Trust:
    return Trust(np.array([float(right)]), np.array([float(not right)]), np.zeros(1, np.bool_), np.zeros(1, np.bool_))


def worst(retrial: Retrial) -> tuple[int, str]:
    """The row with the most evidence of a fault, and which."""
    faults = retrial.judged.quality.faults()[retrial.rows]
    row, fault = np.unravel_index(int(faults.argmax()), faults.shape)
    return int(row), Quality.FAULTS[int(fault)]


WAYS: dict[str, tuple[Callable[[Retrial], Resolution | None], ...]] = {
    "poor_signal": (_signal, _wear, _readings),
    "too_little_calibration": (_wear,),
    "ambiguous": (_readings, _signal),
    "unlike_anything_seen": (_readings, _signal),
}
"""Cause -> ways out, the likeliest first."""
