"""Why a window got its verdict: exact shares, the closest normal wear, what would have changed it; numbers, no words.

`Explainer` is asked only for the few windows that are told. The words are made from these numbers by `words`, so what
is said and what is counted cannot differ.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from agent.account import Account, account
from agent.attribute import Decomposition, decompose
from agent.expect import learn_expectation
from agent.familiar import Familiar, Seen
from agent.intervene import BEFORE, Intervention, intervene
from agent.judge import Judge, Judged
from agent.past import LAGS
from agent.records import NORMAL, Singles
from agent.resolve import Resolution, resolve
from agent.retrial import Retrial

Recent = Callable[[int, float, int], Singles]
"""Slot of a stream, time, count -> (3, count) samples in g up to that time, NaN = unknown."""


@dataclass(frozen=True, slots=True)
class Why:
    """All that explains one window; what needs a score is None where there is none."""

    positions: tuple[str, ...]
    segment_s: float
    samples_g: Singles
    """(positions, 3, samples) of the window, NaN = missing."""
    decomposition: Decomposition | None = None
    account: Account | None = None
    closest: Seen | None = None
    """The wearer's own; None = none is known yet."""
    away: float = 0.0
    """From the closest pattern of the population: root mean square over the numbers of the embedding."""
    level_g: Singles | None = None
    """(positions, segments, 4 axes) of the closest normal pattern, the wearer's own where there is one."""
    spread_g: Singles | None = None
    """Its standard deviation."""
    intervention: Intervention | None = None
    resolution: Resolution | None = None
    before_s: float = 0.0
    """Length of the place before the window, see `intervene`."""
    faulty: tuple[str, ...] = ()
    """Of a fault: the positions that are told, whole windows of them; nothing else is told then."""

    def of_a_fault(self, faulty: Sequence[str]) -> "Why":
        """What is left where a sensor is wrong: the person's score at another position is no reason for that."""
        return replace(
            self, decomposition=None, account=None, closest=None, intervention=None, resolution=None,
            faulty=tuple(faulty),
        )  # fmt: skip

    def when(self, segment: int) -> tuple[float, float]:
        """From and to, in seconds before the window's end (negative); of `BEFORE` with its own length."""
        window_s = self.segment_s * self.segments
        if segment == BEFORE:
            return round(-window_s - self.before_s, 3), round(-window_s, 3)
        return round(segment * self.segment_s - window_s, 3), round((segment + 1) * self.segment_s - window_s, 3)

    @property
    def segments(self) -> int:
        """Parts of the window."""
        return 0 if self.level_g is None else int(self.level_g.shape[1])


class Explainer:
    """Explains windows of one gateway; remembers what normal wear of each wearer looked like."""

    def __init__(self, judge: Judge, recent: Recent) -> None:
        """`judge`: that judged the windows; `recent`: fetches what a stream sent before a window."""
        layout = judge.model.layout
        self._judge, self._recent = judge, recent
        self._before = LAGS * layout.hop_samples
        self.expectation = learn_expectation(judge.scorer, layout)
        self.familiar = Familiar(judge.model.prototypes.places.shape[1])

    def explain(self, judged: Judged, window: int, positions: Sequence[str]) -> Why:
        """One window; `positions` are those of its rows."""
        end_s = float(judged.windows.end_s[window])
        self.familiar.learn(judged, end_s)
        retrial = self.retrial(judged, window)
        labels, layout = judged.verdicts.labels[window], self._judge.model.layout
        resolution = resolve(retrial) if labels.sum() > 1 else None
        samples, leading = judged.windows.samples_g[retrial.rows], retrial.leading
        if leading < 0:
            return Why(tuple(positions), layout.window_s / layout.segments, samples, resolution=resolution)
        found = decompose(retrial.anatomy, retrial.family, leading, self._judge.model.prototypes)
        reading = retrial.anatomy.reading
        told = found.told
        closest = self._closest(judged, retrial, told, end_s)
        patterns = reading.embedding.reshape(reading.from_prototype.shape) - reading.from_prototype
        if closest is not None:
            patterns[told] = closest.place.reshape(patterns.shape[1:])
        level, spread = self.expectation.level_and_spread(patterns)
        segment_s = layout.window_s / layout.segments
        return Why(
            positions=tuple(positions),
            segment_s=segment_s,
            samples_g=samples,
            decomposition=found,
            account=account(found, retrial, self.expectation, positions),
            closest=closest,
            away=float(np.sqrt((reading.from_prototype[told] ** 2).mean())),
            level_g=level,
            spread_g=spread,
            intervention=None if labels[NORMAL] else intervene(retrial, self.expectation, found),
            resolution=resolution,
            before_s=self._before / layout.rate_hz,
        )

    def retrial(self, judged: Judged, window: int) -> Retrial:
        """To judge a window again with something changed."""
        windows = judged.windows
        rows = np.flatnonzero(windows.owner == window)
        start_s = float(windows.end_s[window]) - self._judge.model.layout.window_s
        before = [self._recent(int(slot), start_s, self._before) for slot in windows.stream[rows]]
        stretches = np.concatenate([np.stack(before), windows.samples_g[rows]], axis=2)
        return Retrial(self._judge, judged, window, stretches)

    def _closest(self, judged: Judged, retrial: Retrial, row: int, end_s: float) -> Seen | None:
        stream = int(judged.windows.stream[retrial.rows[row]])
        return self.familiar.closest(stream, retrial.anatomy.reading.embedding[row], end_s)


def strongest(places: Singles, count: int = 3) -> list[tuple[int, int, int, float]]:
    """The places that raised the score most: (position, axis, segment, share of all that raised it).

    `places`: (positions, 4 axes, segments); what lowered the score is left out.
    """
    total = float(np.maximum(places, 0).sum())
    order = np.argsort(places, axis=None)[::-1][:count]
    each = zip(*(index.tolist() for index in np.unravel_index(order, places.shape)), strict=True)
    told = [(position, axis, segment, float(places[position, axis, segment])) for position, axis, segment in each]
    return [(position, axis, segment, value / total) for position, axis, segment, value in told if value > 0]
