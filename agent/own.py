"""The wearer's own calibration: grows from the population's with the wearer's own normal wear, by regime.

Each wearer and regime (`regime`) is a *cell*. A cell's clock runs while the wearer is in that regime and something
could be scored; each half-minute of it leaves one number, the strangest score in it. With p0 the population's
p-value, n such half-minutes of the wearer's own and k of them at least as strange,

    p = (w * p0 + k) / (w + n),    but never below 1 / (1 + N + n)

with N half-minutes in the population and w the weight of its word: C at first, fading in a straight line to 1 where
the memory is full. It starts as the population's p-value and ends as the wearer's own share; ten minutes, n = 20,
already count for two fifths at C = 30.

Guarantee: if the wearer's half-minutes in a regime are drawn from a distribution that is itself drawn from a
Dirichlet process around the population's with concentration C, then p at w = C is the predictive probability of a
half-minute at least as strange (Blackwell, MacQueen 1973, Ann. Statist. 1:353), so P(p <= a) <= a; the share of
variance between wearers is then 1 / (C + 1), and C is estimated so at export (`export.calibration`). Whatever the
wearer is like: as n grows, p becomes the rank among the wearer's own half-minutes, which is conformal if these are
exchangeable. Hence the fading: with w = C throughout, someone calmer than the population would for ever be given a
part of its alarms, C * p0 half-minutes that were never his, and get a third fewer than the budget allows, at one a day
none. The floor is what no distribution-free method can undercut. The interval of p takes 95 % intervals of p0 and of
the wearer's share, each with its weight, so it covers with at least 90 %.

Predict, then learn. What was strange enough for an alarm is held apart and not learnt as normal, but for as many
half-minutes, the least strange first, as are plausibly false: two standard deviations above what the budget allows
for the time that is remembered, where wearers differ as assumed above (beta-binomial). To leave all of them out would
cut off the tail of what is normal, and the false alarms would grow with every day; to learn all of them would make the
second fall look like the first. At the default budget none is in the first seven minutes, and no more than 118 of a
day. What may be a wrong measurement stops the clock. While drift is suspected, the wearer's own half-minutes count for
less.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.binomial import interval
from agent.records import Booleans, Floats, Integers, Surprise
from agent.regime import REGIMES

RING = 2880
"""Half-minutes remembered of each cell: a day of wear. Older ones are forgotten, so that slow change is followed."""
HELD = 288
"""Suspicious half-minutes held apart in each cell, more than are ever plausible; beyond that the strangest is
forgotten."""
MOST_SUSPECT = 0.03
"""Where the level is above this, only half-minutes with a p at most this are suspicious: then `HELD` is enough."""
PLAUSIBLE = 2.0
"""Standard deviations (beta-binomial) above the expected number of false alarms that are still plausible."""


@dataclass(slots=True)
class Cells:
    """What is remembered, one row a cell; cell = wearer * regimes + regime."""

    ring: NDArray[np.float32]
    """(cells, RING) strangest scores of half-minutes; -inf = not yet."""
    learnt: Integers
    """(cells,) half-minutes ever put into the ring."""
    held: NDArray[np.float32]
    """(cells, HELD) suspicious ones, ascending; +inf = free."""
    born: Integers
    """(cells, HELD) `learnt` when each was put there."""
    peak: Floats
    """(cells,) strangest score of the half-minute that is under way; -inf = none."""
    peak_p: Floats
    """(cells,) smallest p in it."""
    filled: Integers
    """(cells,) windows in it."""
    alarm: Booleans
    """(cells,) whether there was an alarm in it."""

    @classmethod
    def empty(cls, cells: int) -> "Cells":
        """That many cells that know nothing."""
        return cls(
            ring=np.full((cells, RING), -np.inf, np.float32),
            learnt=np.zeros(cells, np.int64),
            held=np.full((cells, HELD), np.inf, np.float32),
            born=np.zeros((cells, HELD), np.int64),
            peak=np.full(cells, -np.inf),
            peak_p=np.ones(cells),
            filled=np.zeros(cells, np.int64),
            alarm=np.zeros(cells, np.bool_),
        )

    def of(self, cells: Integers) -> "Cells":
        """A copy of some."""
        return Cells(*(getattr(self, field.name)[cells] for field in fields(self)))

    def grown(self, more: int) -> "Cells":
        """The same with `more` empty ones behind."""
        new = Cells.empty(more)
        return Cells(*(np.concatenate([getattr(part, one.name) for part in (self, new)]) for one in fields(self)))


class Own:
    """Every wearer's own calibration; 45 kB a wearer."""

    def __init__(self, concentration: float, block_windows: int, level: float) -> None:
        """`concentration`: C above; `block_windows`: windows in a half-minute; `level`: at which it alarms, in (0,
        1].
        """
        self.concentration, self._block = concentration, block_windows
        self._suspect = min(level, MOST_SUSPECT)
        self.cells = Cells.empty(0)

    def rank(self, population: Surprise, cell: Integers, strength: Floats) -> Surprise:
        """The population's p-values made the wearers' own.

        Args:
            population: n windows as the population's calibration sees them.
            cell: (n,) cell of each.
            strength: (n,) in [0, 1], by how much own half-minutes count; less than 1 while drift is suspected.
        """
        self.make_room(cell)
        n, k = (strength * count for count in self._counts(cell, population.score))
        weight = self._weight(n)
        total = weight + n
        own_low, own_high = interval(k, n)
        floor = 1 / (1 / population.smallest_p + n)
        p = np.clip((weight * population.p_value + k) / total, floor, 1.0)
        low = (weight * population.p_low + n * own_low) / total
        high = (weight * population.p_high + n * own_high) / total
        smallest = np.maximum(weight * population.smallest_p / total, floor)
        return Surprise(
            score=population.score,
            leading_row=population.leading_row,
            p_value=p,
            p_low=np.minimum(low, p),
            p_high=np.clip(high, p, 1.0),
            smallest_p=smallest,
            p_population=population.p_value,
            own=np.rint(n).astype(np.int64),
        )

    def needed(self, population: Surprise, own: Integers, level: float) -> Floats:
        """(n,) half-minutes still to be learnt until p can fall to `level`; 0 = it can, inf = the ring is too small."""
        at_first, weight = population.smallest_p, self.concentration
        fading = (weight - 1) / RING
        by_weight = weight * (at_first - level) / (level * (1 - fading) + at_first * fading)
        total = np.maximum(1 / level - 1 / at_first, by_weight)
        return np.where(total <= RING, np.maximum(np.ceil(total) - own, 0.0), np.inf)

    def turns(self, wearer: Integers, cell: Integers, counts: Booleans) -> Integers:
        """(n,) which windows may be judged together: a wearer's turn ends where one of his half-minutes is full.

        Args:
            wearer: (n,) slots; windows of one wearer in order of time.
            cell: (n,) their cells.
            counts: (n,) which of them the clocks run through.
        """
        self.make_room(cell)
        full = np.zeros(len(cell), np.bool_)
        place = np.flatnonzero(counts)
        nth = _nth(cell[place])
        full[place] = (self.cells.filled[cell[place]] + nth + 1) % self._block == 0
        order = np.argsort(wearer, kind="stable")
        before: Integers = np.cumsum(full[order]) - full[order]
        first = np.searchsorted(wearer[order], wearer[order])
        turn = np.empty(len(cell), np.int64)
        turn[order] = before - before[first]
        return turn

    def learn(self, cell: Integers, score: Floats, p_value: Floats, alarm: Booleans) -> tuple[Integers, Booleans]:
        """Take note of windows that count, all of one turn.

        Returns:
            The cells whose half-minute has closed, and whether there was an alarm in it.
        """
        cells = self.cells
        np.maximum.at(cells.peak, cell, score)
        np.minimum.at(cells.peak_p, cell, p_value)
        np.add.at(cells.filled, cell, 1)
        np.logical_or.at(cells.alarm, cell, alarm)
        closed = np.unique(cell)
        closed = closed[cells.filled[closed] >= self._block]
        suspicious = cells.peak_p[closed] <= self._suspect
        self._put(closed[~suspicious])
        for one in closed[suspicious]:
            self._hold(int(one))
        alarmed = cells.alarm[closed]
        cells.peak[closed], cells.peak_p[closed], cells.filled[closed], cells.alarm[closed] = -np.inf, 1.0, 0, False
        return closed, alarmed

    def make_room(self, cell: Integers) -> None:
        """So that every one of these cells is there."""
        needed = -(-(int(cell.max(initial=-1)) + 1) // len(REGIMES)) * len(REGIMES)
        have = len(self.cells.learnt)
        if needed > have:
            self.cells = self.cells.grown(max(needed, have + have // 8) - have)  # doubled it would waste megabytes

    def half_minutes(self, wearer: int) -> Integers:
        """(regimes,) of a wearer's own that are remembered."""
        cell = wearer * len(REGIMES) + np.arange(len(REGIMES))
        return np.asarray(np.minimum(self.cells.learnt[cell], RING)) if cell[-1] < len(self.cells.learnt) else 0 * cell

    def state(self, wearer: int) -> dict[str, NDArray[Any]]:
        """All that is known of a wearer; of the ring only what is filled."""
        self.make_room(np.array([wearer * len(REGIMES)]))
        own = self.cells.of(wearer * len(REGIMES) + np.arange(len(REGIMES)))
        arrays = {field.name: getattr(own, field.name) for field in fields(own)}
        filled = int(np.minimum(own.learnt, RING).max())
        return arrays | {"ring": own.ring[:, :filled]}

    def restore(self, wearer: int, state: dict[str, NDArray[Any]]) -> None:
        """Take it back.

        Raises:
            KeyError, ValueError: it is not what `state` gave; nothing was taken.
        """
        cell = wearer * len(REGIMES) + np.arange(len(REGIMES))
        self.make_room(cell)
        new = Cells.empty(len(REGIMES))
        for field in fields(new):
            there, given = getattr(new, field.name), state[field.name]
            room = there[:, : given.shape[1]] if field.name == "ring" else there
            if given.shape != room.shape or given.dtype != there.dtype:
                raise ValueError(f"{field.name}: {given.dtype}{given.shape} instead of {there.dtype}{room.shape}")
            room[...] = given
        if (new.learnt < 0).any() or (new.filled < 0).any() or (new.filled >= self._block).any():
            raise ValueError("counts out of range")
        for field in fields(new):
            getattr(self.cells, field.name)[cell] = getattr(new, field.name)

    def _weight(self, own: Floats) -> Floats:
        """(n,) of the population's word beside so many half-minutes of the wearer's own."""
        return np.asarray(self.concentration - (self.concentration - 1) * np.minimum(own / RING, 1.0))

    def _counts(self, cell: Integers, score: Floats) -> tuple[Floats, Floats]:
        """(n,) own half-minutes that count, and those of them at least as strange."""
        score = np.where(np.isnan(score), np.inf, score)[:, None]
        remembered = np.minimum(self.cells.learnt[cell], RING)
        held = self.cells.held[cell]
        fresh = np.isfinite(held) & (self.cells.learnt[cell, None] - self.cells.born[cell] <= RING)
        expected, weight = self._suspect * remembered, self.concentration
        spread = np.sqrt(expected * (1 - self._suspect) * (weight + remembered) / (weight + 1))
        plausible = np.floor(expected + PLAUSIBLE * spread)
        counted = fresh & (np.cumsum(fresh, axis=1) <= plausible[:, None])
        # row by row: comparing a ring in place takes 3 us, gathering it as long again
        in_ring = [
            np.count_nonzero(self.cells.ring[one] >= limit) for one, limit in zip(cell, score[:, 0], strict=True)
        ]
        above = np.array(in_ring, dtype=np.int64) + (counted & (held >= score)).sum(axis=1)
        return (remembered + counted.sum(axis=1)).astype(float), above.astype(float)

    def _put(self, cell: Integers) -> None:
        cells = self.cells
        cells.ring[cell, cells.learnt[cell] % RING] = cells.peak[cell]
        cells.learnt[cell] += 1

    def _hold(self, cell: int) -> None:
        """Among the held ones, in place of the oldest forgotten or of the strangest where there is no room."""
        cells = self.cells
        held = np.append(cells.held[cell], np.float32(cells.peak[cell]))
        born = np.append(cells.born[cell], cells.learnt[cell])
        held[cells.learnt[cell] - born > RING] = np.inf
        order = np.argsort(held, kind="stable")[:HELD]
        cells.held[cell], cells.born[cell] = held[order], born[order]


def cell_of(wearer: Integers, regime: Integers) -> Integers:
    """(n,) cell of each wearer and regime."""
    return wearer * len(REGIMES) + regime


def _nth(values: Integers) -> Integers:
    """(n,) how many equal values come before each."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    nth = np.empty(len(values), np.int64)
    nth[order] = np.arange(len(values)) - np.searchsorted(ordered, ordered)
    return nth
