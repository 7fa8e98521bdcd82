"""Contacts of feet -> strides and steps: foot after foot, wearer by wearer; of each foot the last contact is kept."""

from dataclasses import dataclass

import numpy as np

from agent.limbs.columns import LEGS, SIDES
from agent.limbs.measure import in_turn
from agent.records import Floats, Integers

STRIDE_S = (0.4, 3.5)
"""A foot that lands within this after its last landing has made a stride; sooner it is the same landing, later the
wearer has stood between. The slowest walkers after a stroke take some three seconds."""
PLACE = {name: place for place, name in enumerate(LEGS)}


@dataclass(frozen=True, slots=True)
class Feet:
    """Contacts, in any order."""

    line: Integers
    """(k,) the second they are booked in."""
    side: Integers
    """(k,) 0 = left, 1 = right."""
    at_s: Floats
    """(k,) gateway's clock."""
    swing_s: Floats
    peak_g: Floats

    def of(self, rows: Integers) -> "Feet":
        """Some of them."""
        return Feet(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


class Steps:
    """The last contact of each foot of all wearers."""

    def __init__(self) -> None:
        self._last_s: Floats = np.empty((0, 2))
        self._between: Integers = np.empty((0, 2), np.int64)
        """(wearers, 2) contacts of the other foot since."""
        self._walks: np.ndarray = np.empty((0, 2), np.bool_)
        """(wearers, 2) the last contact has been counted."""

    def follow(self, feet: Feet, wearer: Integers, sums: Floats) -> None:
        """Add what contacts tell to (n, >= `LEGS`) `sums`; `wearer` (n,) says whose each line is."""
        self._grow(int(wearer.max(initial=-1)) + 1)
        feet = feet.of(np.lexsort((feet.side, feet.at_s, feet.line)))
        for turn in in_turn(wearer[feet.line]):
            one = feet.of(turn)
            who = wearer[one.line]
            gap_s = one.at_s - self._last_s[who, one.side]
            new = ~(np.abs(gap_s) < STRIDE_S[0])  # a clock set back makes a gap, too
            self._land(one.of(np.flatnonzero(new)), who[new], gap_s[new], sums)

    def _land(self, one: Feet, who: Integers, gap_s: Floats, sums: Floats) -> None:
        side, strides = one.side, (gap_s > 0) & (gap_s <= STRIDE_S[1])
        since_s = one.at_s - self._last_s[who, 1 - side]
        met = strides & (self._between[who, side] > 0)
        paired = strides & (self._between[who, side] == 1)
        for foot, name in enumerate(SIDES):
            mine = side == foot
            first = mine & strides & ~self._walks[who, side]
            _add(sums, one.line, f"steps_{name}", strides * 1.0 + first, mine & strides)
            _add(sums, one.line, f"strides_{name}", 1.0, mine & strides)
            _add(sums, one.line, f"stride_s_{name}", gap_s, mine & strides)
            _add(sums, one.line, f"stride_s2_{name}", gap_s**2, mine & strides)
            _add(sums, one.line, f"swing_s_{name}", np.minimum(one.swing_s, gap_s), mine & strides)
            _add(sums, one.line, f"impact_g_{name}", one.peak_g, mine & strides)
            _add(sums, one.line, f"paired_{name}", 1.0, mine & paired)
            _add(sums, one.line, f"step_s_{name}", since_s, mine & paired)
        _add(sums, one.line, "paced_s", gap_s / 2, strides)
        _add(sums, one.line, "in_step", np.cos(2 * np.pi * since_s / gap_s), met & (side == 0))
        self._walks[who, side], self._last_s[who, side] = strides, one.at_s
        self._between[who, side] = 0
        self._between[who, 1 - side] += 1

    def _grow(self, wearers: int) -> None:
        new = max(wearers - len(self._last_s), 0)
        self._last_s = np.concatenate([self._last_s, np.full((new, 2), np.nan)])
        self._between = np.concatenate([self._between, np.zeros((new, 2), np.int64)])
        self._walks = np.concatenate([self._walks, np.zeros((new, 2), np.bool_)])


def _add(sums: Floats, line: Integers, name: str, value: Floats | float, where: np.ndarray) -> None:
    """Add where it is so; each line occurs once, as each wearer does."""
    sums[line[where], PLACE[name]] += np.broadcast_to(value, where.shape)[where]
