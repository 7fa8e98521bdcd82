"""From the population's p-values to verdicts, wearer by wearer: regime, own calibration, level, verdict; then learn.

Judging and learning take turns: a half-minute that has closed counts from the wearer's next window on, so a whole
recording at once and a live stream get the same answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

from agent.adapt import AdaptiveLevel
from agent.calibrate import BLOCK_S, Calibration
from agent.decide import decide
from agent.discovery import Discovery
from agent.heads import Head
from agent.memory import Remembers
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

MOST_SHOWN = 64
"""Wearers in one health message."""

Record = TypeVar("Record", Surprise, Verdicts, Standing)


class Prudence:
    """What is known of each wearer."""

    def __init__(
        self, calibration: Calibration, alpha: float, hop_s: float, head: Head, discovery: Discovery | None = None
    ) -> None:
        """`alpha`: level that follows from the budget; `head`: picks the labels; `discovery`: bounds what is false."""
        self.adrift: Callable[[Integers], Floats] = lambda wearer: np.zeros(len(wearer))
        """(n,) slots -> standard deviations by which each wearer has drifted away; see `drift`."""
        self._head = head
        self._wearers, self._now_s = 0, -np.inf
        self.discovery = discovery or Discovery()
        self._regimes = Regimes(hop_s)
        self.own = Own(calibration.concentration, round(BLOCK_S / hop_s), alpha)
        self.level = AdaptiveLevel(alpha, calibration.concentration)

    def remembered(self) -> dict[str, Remembers]:
        """The parts that know wearers, for `memory`."""
        return {"own": self.own, "level": self.level}

    def health(self, wearers: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What the calibration of each wearer has come to; of many, those whose bound is widest."""
        slots = np.arange(len(wearers))
        bound = self.level.at_most_per_day(slots)
        share = self.level.of(slots) / self.level.base
        return {
            wearers[slot]: {
                "own_half_minutes": dict(zip(REGIMES, self.own.half_minutes(slot).tolist(), strict=True)),
                "level_share": round(float(share[slot]), 3),
                "judged_half_minutes": int(self.level.judged[slot]),
                "alarms": int(self.level.alarms[slot]),
                "at_most_per_day": round(float(bound[slot]), 2),
            }
            for slot in np.argsort(-bound, kind="stable")[:MOST_SHOWN].tolist()
        }

    def answer(self, windows: Windows, population: Surprise, trust: Trust) -> tuple[Surprise, Verdicts, Standing]:
        """Judge n windows, then learn from them.

        Args:
            windows: in order of time.
            population: their p-values by the population.
            trust: (n,) was it measured right, by the position that speaks for the window.
        """
        regime = self._regimes.of(windows)
        cell = cell_of(windows.wearer, regime)
        turn = self.own.turns(windows.wearer, cell, _counts(population, trust))
        places, parts = [], []
        for number in range(int(turn.max(initial=0)) + 1):
            rows = np.flatnonzero(turn == number)
            places.append(rows)
            self._now_s = float(windows.end_s[rows].max(initial=self._now_s))
            own = (population.of(rows), trust.of(rows))
            parts.append(self._turn(self._now_s, windows.wearer[rows], cell[rows], *own))
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
        strength = np.ones(len(regime)) if own else self._strength(windows.wearer)
        surprise = (own or self.own).rank(population, cell_of(windows.wearer, regime), strength)
        return surprise, decide(surprise, trust, alpha, self._head)

    def _turn(
        self, now_s: float, wearer: Integers, cell: Integers, population: Surprise, trust: Trust
    ) -> tuple[Surprise, Verdicts, Standing]:
        surprise = self.own.rank(population, cell, self._strength(wearer))
        self._wearers = max(self._wearers, int(wearer.max(initial=-1)) + 1)
        bound = self.discovery.level(now_s, self.level.base, self._wearers)
        verdicts = decide(surprise, trust, np.minimum(self.level.of(wearer), bound), self._head)
        needed = self.own.needed(population, surprise.own, self.level.base)
        standing = Standing(cell % len(REGIMES), self.level.at_most_per_day(wearer), needed)
        self._learn(now_s, bound, cell, surprise, verdicts, _counts(population, trust))
        return surprise, verdicts, standing

    def _strength(self, wearer: Integers) -> Floats:
        """(n,) by how much own half-minutes count: adrift by one standard deviation, half."""
        return np.asarray(1 / (1 + self.adrift(wearer) ** 2))

    def _learn(
        self, now_s: float, bound: float, cell: Integers, surprise: Surprise, verdicts: Verdicts, counts: Booleans
    ) -> None:
        score, p_value, alarm = surprise.score[counts], surprise.p_value[counts], _alarms(verdicts)[counts]
        closed, alarmed = self.own.learn(cell[counts], score, p_value, alarm)
        wearer = closed // len(REGIMES)
        self.discovery.tested(now_s, float(np.minimum(self.level.of(wearer), bound).sum()))
        self.discovery.told(now_s, int(alarmed.sum()))
        self.level.learn(wearer, alarmed)


def _counts(population: Surprise, trust: Trust) -> Booleans:
    """(n,) windows that the clocks run through: scored, and measured right for all that is known."""
    return np.asarray(np.isfinite(population.p_value) & (trust.right >= MEASURED_RIGHT))


def _alarms(verdicts: Verdicts) -> Booleans:
    labels = verdicts.labels
    return np.asarray(labels[:, NOVELTY] & ~labels[:, NORMAL] & ~labels[:, NOISE])


def _together(places: list[Integers], parts: tuple[Record, ...]) -> Record:
    """Parts of a record, each back in its place."""
    order = np.argsort(np.concatenate(places))
    names = [field.name for field in fields(parts[0])]
    return type(parts[0])(*(np.concatenate([getattr(part, name) for part in parts])[order] for name in names))
