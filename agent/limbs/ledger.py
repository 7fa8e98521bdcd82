"""Seconds -> hours and days: what each arm did while BOTH sensors were surely worn, per wearer, in O(1) memory.

Non-wear is never read as non-use. A sensor that lies still may be off, or on an arm at rest; which, is known only when
it moves again. So time with a still side waits: it counts once that side has moved again within half an hour, and is
put aside, for both arms, once it has not (van Hees et al. 2011, PLoS ONE 6:e22922: half an hour). Assumption: a worn
wrist moves by more than 13 mg at least once in half an hour while its wearer is awake.
"""

from dataclasses import dataclass

import numpy as np

from agent.limbs.measure import Seconds, in_turn
from agent.records import Booleans, Floats, Integers

RULES = ("counts", "gross", "both")
"""How use is told: thresholded counts, gross movement (GM), gross movement and counts (GMAC)."""
COLUMNS = (
    *("worn_s", "aside_left_s", "aside_right_s", "walking_s", "together_s"),
    *(f"{rule}_{side}_s" for rule in RULES for side in ("left", "right")),
    *("free_left_s", "free_right_s"),
    *("left", "right", "left2", "right2"),
    *("log_left", "log_right", "log_left2", "log_right2", "log_both", "either_s"),
    *(f"up_{side}_{axis}" for side in ("left", "right") for axis in "xyz"),
    *("turned_left_s", "turned_right_s"),
)
"""What is summed: `aside_left_s` = only the left sensor was worn; `together_s` = both arms used (by counts); `free_*` =
used by counts while not walking; `left`, `left2` = counts and their squares; `log_*` = of log(1 + counts), over the
`either_s` seconds in which an arm moved; `up_*` = direction of gravity over the `turned_*` seconds of movement."""
AT = {name: place for place, name in enumerate(COLUMNS)}
BINS = np.linspace(-7.0, 7.0, 57)
"""Edges of the magnitude ratio: ln of one arm's counts over the other's, cut at +-7 (Bailey & Lang 2013)."""
OFF_S = 1800.0
HOUR_S, DAY_S = 3600.0, 86_400.0


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over short spans of time, each of one wearer; in order of time."""

    wearer: Integers
    end_s: Floats
    length_s: float
    heard: Booleans
    """(n, 2)"""
    still: Booleans
    """(n, 2)"""
    sums: Floats
    """(n, columns) as in `COLUMNS`; `worn_s` = the span's length, nothing aside."""
    ratios: Integers
    """(n, bins) how many seconds had which magnitude ratio."""


def tally(seconds: Seconds) -> Tally:
    """Seconds as spans of one second each; what is not heard sums to nothing."""
    sums = np.zeros((len(seconds), len(COLUMNS)))
    counts = np.nan_to_num(seconds.counts)
    moved: Booleans = np.asarray(counts > 0)
    either: Booleans = np.asarray(moved.any(axis=1))
    logs = np.log1p(counts) * either[:, None]
    sums[:, AT["worn_s"]], sums[:, AT["walking_s"]], sums[:, AT["either_s"]] = 1.0, seconds.walking, either
    sums[:, AT["together_s"]] = seconds.by_counts.all(axis=1)
    used = {"counts": seconds.by_counts, "gross": seconds.by_gross, "both": seconds.by_both}
    for side, name in enumerate(("left", "right")):
        for rule in RULES:
            sums[:, AT[f"{rule}_{name}_s"]] = used[rule][:, side]
        sums[:, AT[f"free_{name}_s"]] = seconds.by_counts[:, side] & ~seconds.walking
        sums[:, AT[name]], sums[:, AT[f"{name}2"]] = counts[:, side], counts[:, side] ** 2
        sums[:, AT[f"log_{name}"]], sums[:, AT[f"log_{name}2"]] = logs[:, side], logs[:, side] ** 2
        up = np.nan_to_num(seconds.gravity[:, side]) * moved[:, side, None]
        sums[:, AT[f"up_{name}_x"] : AT[f"up_{name}_z"] + 1] = up
        sums[:, AT[f"turned_{name}_s"]] = moved[:, side]
    sums[:, AT["log_both"]] = logs[:, 0] * logs[:, 1]
    return Tally(seconds.wearer, seconds.end_s, 1.0, seconds.heard, seconds.still, sums, _binned(counts, either))


def _binned(counts: Floats, either: Booleans) -> Integers:
    """(n, bins) one-hot: the magnitude ratio left to right of each second in which an arm moved."""
    apart = np.log(np.maximum(counts[:, 0], 1e-9)) - np.log(np.maximum(counts[:, 1], 1e-9))
    place = np.clip(np.searchsorted(BINS, apart, side="right") - 1, 0, len(BINS) - 2)
    ratios = np.zeros((len(counts), len(BINS) - 1), np.int64)
    ratios[np.arange(len(counts))[either], place[either]] = 1
    return ratios


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
        self.still_s: Floats = np.zeros((0, 2))
        """(wearers, 2) how long each side has been still."""
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
        self.still_s[who] = np.where(still, self.still_s[who] + length_s, 0.0)
        off = ~heard | (self.still_s[who] >= OFF_S)
        self._give_up(who[off.any(axis=1)], off[off.any(axis=1)])
        worn = ~off.any(axis=1)
        moving = worn & ~still.any(axis=1)
        self.waiting[who[worn]] += spans.sums[turn[worn]]
        self.waiting_ratios[who[worn]] += spans.ratios[turn[worn]]
        self._commit(who[moving])
        self._set_aside(who[~worn], (~off[~worn]).astype(float) * length_s)

    def _commit(self, who: Integers) -> None:
        """Both sides move: what waited was worn."""
        self.hours[who, self.hour[who] % 24] += self.waiting[who]
        self.ratios[who] += self.waiting_ratios[who]
        self.waiting[who], self.waiting_ratios[who] = 0.0, 0

    def _give_up(self, who: Integers, off: Booleans) -> None:
        """A side is off: what waited is put aside, for the side that is on."""
        self._set_aside(who, (~off).astype(float) * self.waiting[who, AT["worn_s"], None])
        self.waiting[who], self.waiting_ratios[who] = 0.0, 0

    def _set_aside(self, who: Integers, seconds: Floats) -> None:
        hour = self.hour[who] % 24
        for side, name in enumerate(("aside_left_s", "aside_right_s")):
            self.hours[who, hour, AT[name]] += seconds[:, side]

    def grow(self, wearers: int) -> None:
        """Have room for this many wearers."""
        new = max(wearers - len(self.hour), 0)
        for name in self.FIELDS:
            old = getattr(self, name)
            blank = np.full((new, *old.shape[1:]), -1 if name == "hour" else 0, old.dtype)
            setattr(self, name, np.concatenate([old, blank]))
