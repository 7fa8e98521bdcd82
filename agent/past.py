"""What each stream showed in the windows just before: bounded, and the same however the windows are batched."""

import numpy as np

from agent.records import Booleans, Floats, Integers, Singles

LAGS = 3
"""Windows whose embeddings are remembered: with the one at hand they cover 4.06 s, a fall with what led to it and the
lying after it."""


class Past:
    """The last windows of every stream; grows with the streams, `lags` times `width` numbers for each."""

    def __init__(self, width: int, hop_s: float, lags: int = LAGS) -> None:
        """`width`: numbers to remember of a window; `hop_s`: from one to the next; `lags`: how many."""
        self._hop_s, self._lags = hop_s, lags
        self._end_s: Floats = np.full((0, lags), -np.inf)
        self._values: Singles = np.zeros((0, lags, width), np.float32)

    def recall(self, stream: Integers, end_s: Floats, values: Singles) -> tuple[Singles, Booleans]:
        """Remember these windows, and tell what came before each of them.

        Args:
            stream: (m,) slot of each row's stream.
            end_s: (m,) end of its window.
            values: (m, width) what to remember of it.

        Returns:
            (m, lags, width) the same numbers one, two, ... hops earlier (0 where unknown), and (m, lags) whether they
            are known: the stream was heard, exactly that much earlier.
        """
        lags = self._lags
        self._make_room(int(stream.max(initial=-1)) + 1)
        slots = np.unique(stream)
        streams = np.concatenate([np.repeat(slots, lags), stream])
        ends = np.concatenate([self._end_s[slots].ravel(), end_s])
        numbers = np.concatenate([self._values[slots].reshape(-1, values.shape[1]), values])
        order = np.lexsort((ends, streams))
        before = np.zeros((len(streams), lags, values.shape[1]), np.float32)
        known = np.zeros((len(streams), lags), np.bool_)
        for back in range(1, lags + 1):  # the one before, the one before that, ...
            here, there = order[back:], order[:-back]
            with np.errstate(invalid="ignore"):
                hops = (ends[here] - ends[there]) / self._hop_s
                whole = np.rint(hops)
                same = (streams[here] == streams[there]) & (np.abs(hops - whole) < 1 / 4)
            same &= (whole >= 1) & (whole <= lags)  # not `back` where a window between them is missing
            lag = whole[same].astype(np.int64) - 1
            known[here[same], lag] = True
            before[here[same], lag] = numbers[there[same]]
        self._keep(slots, streams[order], ends[order], numbers[order])
        return before[len(slots) * lags :], known[len(slots) * lags :]

    def _keep(self, slots: Integers, streams: Integers, ends: Floats, numbers: Singles) -> None:
        """The last of each stream, in order of time."""
        last = np.searchsorted(streams, slots, side="right")[:, None] + np.arange(-self._lags, 0)
        self._end_s[slots], self._values[slots] = ends[last], numbers[last]

    def _make_room(self, streams: int) -> None:
        more = streams - len(self._end_s)
        if more > 0:
            more = max(more, len(self._end_s))  # doubling: cheap in the long run
            self._end_s = np.concatenate([self._end_s, np.full((more, self._lags), -np.inf)])
            self._values = np.concatenate([self._values, np.zeros((more, *self._values.shape[1:]), np.float32)])
