"""Seconds -> hours and days: what limbs did while BOTH sides' sensors were surely worn, per wearer; memory is bounded.

Non-wear is never read as non-use. A sensor that lies still may be off, or on an arm at rest; which, is known only when
it moves again. So time with a still side waits: it counts once that side has moved again within half an hour, and is
put aside, for both arms, once it has not (van Hees et al. 2011, PLoS ONE 6:e22922: half an hour). Assumption: a worn
wrist moves by more than 13 mg at least once in half an hour while its wearer is awake. A second that is lost on the way
from one side is left out for both, so that a weak radio is no weak arm; what waits goes on waiting.
"""

from dataclasses import dataclass

import numpy as np

from agent.limbs.columns import AT, BINS, COLUMNS, GROUPS, SENSORS, Group
from agent.limbs.measure import in_turn
from agent.limbs.tally import Tally
from agent.records import Booleans, Floats, Integers

OFF_S = 1800.0
HOUR_S, DAY_S = 3600.0, 86_400.0


@dataclass(frozen=True, slots=True)
class Day:
    """A wearer's closed day (or the part of it so far)."""

    wearer: int
    number: int
    """Days since the epoch, on the gateway's day."""
    hours: Floats
    """(24, columns) sums of each hour."""
    ratios: Integers
    """(bins,)"""

    def total(self, name: str) -> float:
        """Sum of one column over the day."""
        return float(self.hours[:, AT[name]].sum())


@dataclass(frozen=True, slots=True)
class Closed:
    """An hour of a wearer that is over, and the day where it was the day's last."""

    wearer: int
    hour: int
    """Hours since the epoch, on the gateway's day."""
    sums: Floats
    """(columns,)"""
    day: Day | None


class Ledger:
    """Books of all wearers; rows are wearers' slots."""

    def __init__(self, day_begins_s: float = 0.0) -> None:
        """`day_begins_s`: seconds after midnight UTC at which a day begins."""
        self._begins_s = day_begins_s
        self.hours: Floats = np.zeros((0, 24, len(COLUMNS)))
        """(wearers, 24, columns) of the day that is open."""
        self.ratios: Integers = np.zeros((0, len(BINS) - 1), np.int64)
        self.waiting: Floats = np.zeros((0, len(COLUMNS)))
        """(wearers, columns) time in which a side has been still, not yet known to be worn."""
        self.waiting_ratios: Integers = np.zeros((0, len(BINS) - 1), np.int64)
        self.still_s: Floats = np.zeros((0, SENSORS))
        """(wearers, sensors) how long each sensor has been still."""
        self.hour: Integers = np.zeros(0, np.int64)
        """(wearers,) hours since the epoch of the open hour; -1 = none."""

    FIELDS = ("hours", "ratios", "waiting", "waiting_ratios", "still_s", "hour")

    def add(self, spans: Tally) -> list[Closed]:
        """Book spans; returns the hours that they closed, in order."""
        self.grow(int(spans.wearer.max(initial=-1)) + 1)
        closed: list[Closed] = []
        for turn in in_turn(spans.wearer):
            closed += self.close(spans.wearer[turn], spans.end_s[turn] - spans.length_s / 2)
            self._book(spans, turn)
        return closed

    def close(self, wearer: Integers, now_s: Floats) -> list[Closed]:
        """Close the hours of these wearers (each once) that have ended by `now_s`; their open hour becomes now's.

        What comes late for an hour that is closed counts in the open one.
        """
        hour = np.floor((now_s - self._begins_s) / HOUR_S).astype(np.int64)
        before = self.hour[wearer]
        ended, over = (before >= 0) & (hour > before), (before >= 0) & (hour // 24 > before // 24)
        closed = [self._closed(int(wearer[n]), bool(over[n])) for n in np.flatnonzero(ended)]
        self.hours[wearer[over]], self.ratios[wearer[over]] = 0.0, 0
        self.hour[wearer] = np.maximum(before, hour)
        return closed

    def _closed(self, slot: int, over: bool) -> Closed:
        hour = int(self.hour[slot])
        return Closed(slot, hour, self.hours[slot, hour % 24].copy(), self.day(slot) if over else None)

    def day(self, slot: int) -> Day:
        """The wearer's open day so far."""
        return Day(int(slot), int(self.hour[slot] // 24), self.hours[slot].copy(), self.ratios[slot].copy())

    def _book(self, spans: Tally, turn: Integers) -> None:
        who, length_s = spans.wearer[turn], spans.length_s
        heard, still = spans.heard[turn], spans.still[turn] & spans.heard[turn]
        quiet = still | (~heard & (self.still_s[who] > 0))  # packets lost from a sensor at rest do not move it
        self.still_s[who] = np.where(quiet, self.still_s[who] + length_s, 0.0)
        off: Booleans = np.asarray(self.still_s[who] >= OFF_S)
        for group in GROUPS:
            if not heard[:, group.sensors].any() and not self.waiting[who, group.worn].any():
                continue  # nobody here wears these
            self._book_group(group, spans, turn, off[:, group.sensors], still[:, group.sensors])

    def _book_group(self, group: Group, spans: Tally, turn: Integers, off: Booleans, still: Booleans) -> None:
        who, lain = spans.wearer[turn], off.any(axis=1)
        self._give_up(group, who[lain], off[lain])
        off = off | ~spans.heard[turn][:, group.sensors]
        worn = ~off.any(axis=1)
        moving = worn & ~still.any(axis=1)
        self.waiting[who[worn, None], group.columns] += spans.sums[turn[worn, None], group.columns]
        if group is GROUPS[0]:
            self.waiting_ratios[who[worn]] += spans.ratios[turn[worn]]
        self._commit(group, who[moving])
        self._set_aside(group, who[~worn], (~off[~worn]).astype(float) * spans.length_s)

    def _commit(self, group: Group, who: Integers) -> None:
        """All of its sensors move: what waited was worn."""
        here = who[:, None], group.columns
        self.hours[who[:, None], self.hour[who, None] % 24, group.columns] += self.waiting[here]
        if group is GROUPS[0]:
            self.ratios[who] += self.waiting_ratios[who]
        self._forget(group, who)

    def _give_up(self, group: Group, who: Integers, off: Booleans) -> None:
        """A side is off: what waited is put aside, for the side that is on."""
        self._set_aside(group, who, (~off).astype(float) * self.waiting[who, group.worn, None])
        self._forget(group, who)

    def _forget(self, group: Group, who: Integers) -> None:
        self.waiting[who[:, None], group.columns] = 0.0
        if group is GROUPS[0]:
            self.waiting_ratios[who] = 0

    def _set_aside(self, group: Group, who: Integers, seconds: Floats) -> None:
        hour = self.hour[who] % 24
        for side in range(len(group.sensors)):
            self.hours[who, hour, group.worn + 1 + side] += seconds[:, side]

    def grow(self, wearers: int) -> None:
        """Have room for this many wearers."""
        new = max(wearers - len(self.hour), 0)
        for name in self.FIELDS:
            old = getattr(self, name)
            blank = np.full((new, *old.shape[1:]), -1 if name == "hour" else 0, old.dtype)
            setattr(self, name, np.concatenate([old, blank]))
