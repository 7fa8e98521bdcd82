"""What each wearer's normal wear has looked like: a few places of every stream with their times, for contrast.

One window of each half-minute that was judged normal, and measured right, is offered. Where there is no room, of the
two that are most alike the older goes: what stays is as various as the wear was, and as recent as that allows. Places
only, no samples. Memory: `KEPT` times (2 d + 8) bytes a stream, 4 kB.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.calibrate import BLOCK_S
from agent.judge import Judged
from agent.quality import CERTAIN
from agent.records import NOISE, NORMAL, NOVELTY, Booleans, Floats, Integers, Singles

KEPT = 32
APART_S = 5.0
"""What ended less than this before a window shares samples with it, or nearly."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A normal window of the wearer's own."""

    place: Singles
    """(d,)"""
    end_s: float
    distance: float
    """From the window it was compared with: root mean square over the d numbers, each with spread 1 in normal wear."""


class Familiar:
    """Grows with the streams."""

    def __init__(self, width: int) -> None:
        """`width`: d, numbers of a place."""
        self._places: NDArray[np.float16] = np.zeros((0, KEPT, width), np.float16)
        self._end_s: Floats = np.full((0, KEPT), -np.inf)
        self._latest_s: Floats = np.empty(0)

    def learn(self, judged: Judged, before_s: float = np.inf) -> None:
        """Take what was normal in windows that ended before `before_s`; the same tick may be offered again."""
        rows = np.flatnonzero(_normal(judged))
        stream, end_s = judged.windows.stream[rows], judged.windows.end_s[judged.windows.owner[rows]]
        self._make_room(int(judged.windows.stream.max(initial=-1)) + 1)
        open_ = end_s < before_s
        while True:
            due = np.flatnonzero(open_ & (end_s >= self._latest_s[stream] + BLOCK_S))
            if len(due) == 0:
                return
            slots, first = np.unique(stream[due], return_index=True)
            chosen = due[first]  # rows stand in order of time
            self._put(slots, judged.scores.embedding[rows[chosen]], end_s[chosen])

    def closest(self, stream: int, place: Singles, end_s: float) -> Seen | None:
        """The own normal window that is most like (d,) `place`, of those well before `end_s`; None = none is known."""
        if stream >= len(self._end_s):
            return None
        known = np.flatnonzero((self._end_s[stream] > -np.inf) & (self._end_s[stream] < end_s - APART_S))
        if len(known) == 0:
            return None
        places = self._places[stream, known].astype(np.float32)
        square = ((places - place) ** 2).mean(axis=1)
        best = int(square.argmin())
        return Seen(places[best].copy(), float(self._end_s[stream, known[best]]), float(np.sqrt(square[best])))

    def _put(self, slots: Integers, places: Singles, end_s: Floats) -> None:
        self._latest_s[slots] = end_s
        free = self._end_s[slots] == -np.inf
        put = np.where(free.any(axis=1), free.argmax(axis=1), self._spare(slots, places))
        fits = put < KEPT  # else the newcomer itself is one too many
        self._places[slots[fits], put[fits]] = places[fits]
        self._end_s[slots[fits], put[fits]] = end_s[fits]

    def _spare(self, slots: Integers, places: Singles) -> Integers:
        """(n,) which to give up: the older of the two most alike, the newcomer (`KEPT`) being the newest."""
        all_ = np.concatenate([self._places[slots].astype(np.float32), places[:, None]], axis=1)
        square = (all_**2).sum(axis=2)
        apart = square[:, :, None] + square[:, None] - 2 * all_ @ all_.transpose(0, 2, 1)
        apart[:, np.arange(KEPT + 1), np.arange(KEPT + 1)] = np.inf
        pair = np.unravel_index(apart.reshape(len(slots), -1).argmin(axis=1), apart.shape[1:])
        ends = np.concatenate([self._end_s[slots], np.full((len(slots), 1), np.inf)], axis=1)
        each = np.arange(len(slots))
        return np.asarray(np.where(ends[each, pair[0]] <= ends[each, pair[1]], *pair), dtype=np.int64)

    def _make_room(self, streams: int) -> None:
        more = streams - len(self._end_s)
        if more > 0:
            more = max(more, len(self._end_s))
            self._places = np.concatenate([self._places, np.zeros((more, *self._places.shape[1:]), np.float16)])
            self._end_s = np.concatenate([self._end_s, np.full((more, KEPT), -np.inf)])
            self._latest_s = np.concatenate([self._latest_s, np.full(more, -np.inf)])


def _normal(judged: Judged) -> Booleans:
    """(m,) rows of windows that are normal and nothing else, themselves scored and measured right."""
    labels = judged.verdicts.labels
    only = labels[:, NORMAL] & ~labels[:, NOISE] & ~labels[:, NOVELTY]
    return np.asarray(only[judged.windows.owner] & np.isfinite(judged.scores.score) & (judged.fault < CERTAIN))
