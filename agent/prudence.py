"""From the population's p-values to verdicts, wearer by wearer: regime, own calibration, level, verdict; then learn.

Judging and learning take turns: a half-minute that has closed counts from the wearer's next window on, so a whole
recording at once and a live stream get the same answers.
"""

from dataclasses import fields
from typing import TypeVar

import numpy as np

from agent.adapt import AdaptiveLevel
from agent.calibrate import BLOCK_S, Calibration
from agent.decide import decide
from agent.heads import Head
from agent.own import Own, cell_of
from agent.records import (
    NOISE,
    NORMAL,
    NOVELTY,
    Booleans,
    Floats,
    Integers,
    Standing,
    Surprise,
    Trust,
    Verdicts,
    Windows,
)
from agent.regime import REGIMES, Regimes

MEASURED_RIGHT = 0.5
"""Least mass on a right measurement for a window to be learnt from."""

Record = TypeVar("Record", Surprise, Verdicts, Standing)


class Prudence:
    """What is known of each wearer."""

    def __init__(self, calibration: Calibration, alpha: float, hop_s: float, head: Head) -> None:
        """`alpha`: level that follows from the budget; `head`: rule that picks the labels."""
        self._head = head
        self._regimes = Regimes(hop_s)
        self.own = Own(calibration.concentration, round(BLOCK_S / hop_s), alpha)
        self.level = AdaptiveLevel(alpha, calibration.concentration)

    def answer(self, windows: Windows, population: Surprise, trust: Trust) -> tuple[Surprise, Verdicts, Standing]:
        """Judge n windows, then learn from them.

        Args:
            windows: in order of time.
            population: their p-values by the population.
            trust: (n,) was it measured right, by the position that speaks for the window.
        """
        regime = self._regimes.of(windows)
        cell = cell_of(windows.wearer, regime)
        counts = np.isfinite(population.p_value) & (trust.right >= MEASURED_RIGHT)
        turn = self.own.turns(windows.wearer, cell, counts)
        places, parts = [], []
        for number in range(int(turn.max(initial=0)) + 1):
            rows = np.flatnonzero(turn == number)
            places.append(rows)
            parts.append(
                self._turn(windows.wearer[rows], cell[rows], population.of(rows), trust.of(rows), counts[rows])
            )
        surprises, verdicts, standings = zip(*parts, strict=True)
        return _together(places, surprises), _together(places, verdicts), _together(places, standings)

    def again(
        self,
        windows: Windows,
        regime: Integers,
        population: Surprise,
        trust: Trust,
        alpha: Floats,
        own: Own | None = None,
    ) -> tuple[Surprise, Verdicts]:
        """The same judgement of n windows with something changed; nothing is learnt.

        Args:
            windows: whose.
            regime: (n,) as it was judged.
            population: what is asked.
            trust: (n,).
            alpha: (n,) level.
            own: another calibration of wearers, for example one that has learnt more.
        """
        surprise = (own or self.own).rank(population, cell_of(windows.wearer, regime), np.ones(len(regime)))
        return surprise, decide(surprise, trust, alpha, self._head)

    def _turn(
        self, wearer: Integers, cell: Integers, population: Surprise, trust: Trust, counts: Booleans
    ) -> tuple[Surprise, Verdicts, Standing]:
        surprise = self.own.rank(population, cell, np.ones(len(cell)))
        verdicts = decide(surprise, trust, self.level.of(wearer), self._head)
        needed = self.own.needed(population, surprise.own, self.level.base)
        standing = Standing(cell % len(REGIMES), self.level.at_most_per_day(wearer), needed)
        self._learn(cell[counts], surprise.of(np.flatnonzero(counts)), _alarms(verdicts)[counts])
        return surprise, verdicts, standing

    def _learn(self, cell: Integers, surprise: Surprise, alarm: Booleans) -> None:
        closed, alarmed = self.own.learn(cell, surprise.score, surprise.p_value, alarm)
        self.level.learn(closed // len(REGIMES), alarmed)


def _alarms(verdicts: Verdicts) -> Booleans:
    labels = verdicts.labels
    return np.asarray(labels[:, NOVELTY] & ~labels[:, NORMAL] & ~labels[:, NOISE])


def _together(places: list[Integers], parts: tuple[Record, ...]) -> Record:
    """Parts of a record, each back in its place."""
    order = np.argsort(np.concatenate(places))
    names = [field.name for field in fields(parts[0])]
    return type(parts[0])(*(np.concatenate([getattr(part, name) for part in parts])[order] for name in names))
