"""One window judged again with something changed: the way that judged it, on copies of what it remembered.

Nothing is learnt and nothing remembered, so asking "what if" never changes an answer. What was changed are samples (the
network reads them again, as it reads all), the trust in the measurement, the level, or what the wearer's own
calibration has learnt. What the wearer's calibration holds is taken as it is now: of windows judged at once, those
behind this one may have closed a half-minute. `reproduced` says whether the unchanged window still gets its verdict.
"""

from dataclasses import dataclass, replace

import numpy as np

from agent.anatomy import Reading
from agent.judge import Judge, Judged
from agent.own import Own
from agent.past import LAGS
from agent.records import Floats, Integers, Singles, Surprise, Trust, Verdicts, Windows
from agent.score import Worn, strangeness, unheard


@dataclass(frozen=True, slots=True)
class Answer:
    """Verdicts of v variants of one window."""

    surprise: Surprise
    verdicts: Verdicts

    def of(self, variant: int, positions: int) -> "Answer":
        """One of them, its leading row among the window's own."""
        one = np.array([variant])
        surprise = self.surprise.of(one)
        leading = np.where(surprise.leading_row >= 0, surprise.leading_row % positions, -1)
        return Answer(replace(surprise, leading_row=leading), self.verdicts.of(one))


class Retrial:
    """One window of a tick."""

    def __init__(self, judge: Judge, judged: Judged, window: int, stretches_g: Singles) -> None:
        """`stretches_g`: (positions, 3, LAGS hops + window) samples of each row to the window's end, NaN = missing."""
        self.judge, self.judged, self.window, self.stretches_g = judge, judged, window, stretches_g
        self.rows: Integers = np.flatnonzero(judged.windows.owner == window)
        self.anatomy = judged.anatomy.of(self.rows)
        self.family: Integers = judged.windows.family[self.rows]
        self.score: Floats = judged.scores.score[self.rows]
        self.trust = judged.spoken.of(np.array([window]))
        self.hop = (stretches_g.shape[2] - judged.windows.samples_g.shape[2]) // LAGS
        self._patterns: dict[int, Singles] = {}

    @property
    def leading(self) -> int:
        """Row, among the window's, that set the score; -1 = none could be scored."""
        row = int(self.judged.surprise.leading_row[self.window])
        return -1 if row < 0 else int(np.flatnonzero(self.rows == row)[0])

    def pattern(self, position: int) -> Singles:
        """(segments, 4 axes, 4 descriptors) the closest normal pattern, by the segments that do not decide."""
        if position not in self._patterns:
            self._patterns[position] = self._pattern(position)
        return self._patterns[position]

    def away(self, position: int) -> Singles:
        """(segments, 4 axes, 4 descriptors) from that pattern; 0 where samples are missing, as in the score."""
        pattern = self.pattern(position)
        away = self.anatomy.reading.embedding[position].reshape(pattern.shape) - pattern
        away[unheard(self.judged.windows.samples_g[self.rows[position]][None], len(pattern))[0]] = 0
        return np.asarray(away, dtype=np.float32)

    def _pattern(self, position: int) -> Singles:
        reading = self.anatomy.reading
        shape = reading.from_prototype.shape[1:]
        counts = np.arange(shape[0]) != self.strangeness(position, reading.from_prototype[position]).argmax()
        one = slice(position, position + 1)
        each = np.repeat(counts, shape[1] * shape[2])
        return self.judge.scorer.nearest(reading.embedding[one], self.family[one], each).reshape(shape)

    def strangeness(self, position: int, away: Singles) -> Singles:
        """(segments,) strangeness of a position that is (segments, 4, 4) `away` from a pattern."""
        from_context = self.anatomy.reading.from_context[position]
        weight = self.judge.model.prototypes.context_weight
        return np.asarray(strangeness(away, from_context, weight).sum(axis=(1, 2)))

    def reproduced(self) -> bool:
        """Whether the unchanged window gets the verdict that it got."""
        again = self.answer(self.score[None]).verdicts.labels[0]
        return bool((again == self.judged.verdicts.labels[self.window]).all())

    def answer(
        self, score: Floats, trust: Trust | None = None, alpha: Floats | None = None, own: Own | None = None
    ) -> Answer:
        """Verdicts of v variants.

        Args:
            score: (v, positions), NaN = not scored.
            trust: (v,); default: as it was.
            alpha: (v,); default: as it was.
            own: calibration of v wearers who have learnt something else, variant by variant.
        """
        judged, v = self.judged, len(score)
        windows = self._windows(v)
        trusted = np.tile(~judged.faulty[self.rows], v)
        population = self.judge.model.calibration.rank(windows, score.ravel(), trusted)
        one = np.full(v, self.window)
        regime = judged.standing.regime[one]
        if own is not None:
            windows = replace(windows, wearer=np.arange(v))
        trust = trust or Trust(*(np.repeat(getattr(self.trust, name), v) for name in Trust.__dataclass_fields__))
        alpha = judged.verdicts.alpha[one] if alpha is None else alpha
        return Answer(*self.judge.prudence.again(windows, regime, population, trust, alpha, own))

    def rescored(self, stretches_g: Singles) -> Floats:
        """(v, positions) scores of (v, positions, 3, LAGS hops + window) samples; only changes are read again."""
        v, positions = stretches_g.shape[:2]
        row, place, lag, read = self._read(stretches_g)
        every = np.tile(np.arange(positions), v)
        reading, before = self.anatomy.reading.of(every), self.anatomy.before.of(every)
        now, past = lag == 0, lag > 0
        for name in Reading.__dataclass_fields__:
            getattr(reading, name)[(row * positions + place)[now]] = getattr(read, name)[now]
        at = (row * positions + place)[past], lag[past] - 1
        before.places[at] = read.embedding[past]
        before.strange[at] = read.strange[past]
        before.trembling[at] = read.trembling[past].sum(axis=(1, 2))
        worn = Worn(np.tile(self.family, v), np.repeat(np.arange(v), positions), np.tile(self.anatomy.heard, v))
        score = self.judge.scorer.conclude(reading, before, np.tile(self.anatomy.habit, v), worn).score
        return np.where(np.isnan(self.score), np.nan, score.reshape(v, positions))

    def _read(self, stretches_g: Singles) -> tuple[Integers, Integers, Integers, Reading]:
        """Variant, position and lag of every window that was changed, and what the network says of it."""
        samples = stretches_g.shape[3] - LAGS * self.hop
        starts = self.hop * (LAGS - np.arange(LAGS + 1))
        views = np.lib.stride_tricks.sliding_window_view(stretches_g, samples, axis=3)[:, :, :, starts]
        same = (stretches_g == self.stretches_g) | (np.isnan(stretches_g) & np.isnan(self.stretches_g))
        apart = np.lib.stride_tricks.sliding_window_view(~same.all(axis=2), samples, axis=2)[:, :, starts]
        known = np.concatenate([np.ones((len(self.rows), 1), np.bool_), self.anatomy.before.known], axis=1)
        changed = np.asarray(apart.any(axis=3)) & known
        row, place, lag = np.nonzero(changed)
        return row, place, lag, self.judge.scorer.read(views[row, place, :, lag], self.family[place])

    def _windows(self, v: int) -> Windows:
        windows, positions = self.judged.windows, len(self.rows)
        one = np.full(v, self.window)
        return Windows(
            wearer=windows.wearer[one],
            end_s=windows.end_s[one],
            owner=np.repeat(np.arange(v), positions),
            stream=np.tile(windows.stream[self.rows], v),
            family=np.tile(self.family, v),
            samples_g=np.empty((0, 3, 0), np.float32),
        )
