"""What each stream showed in its last windows: bounded, and the same however the windows are batched."""

import numpy as np

from agent.records import Floats, Integers


class Lasting:
    """The last `windows` rows of `width` numbers of every stream; grows with the streams. Unheard = 0."""

    def __init__(self, width: int, windows: int) -> None:
        self._last: Floats = np.zeros((0, windows - 1, width))

    def of(self, stream: Integers, values: Floats) -> Floats:
        """(m,) slots and (m, width) numbers, of one stream in order of time -> (m, windows, width), oldest first."""
        self._grow(int(stream.max(initial=-1)) + 1)
        found = np.empty((len(stream), self._last.shape[1] + 1, self._last.shape[2]))
        for rows in in_rounds(stream):
            slots = stream[rows]
            found[rows, :-1], found[rows, -1] = self._last[slots], values[rows]
            self._last[slots] = found[rows, 1:]
        return found

    def _grow(self, streams: int) -> None:
        more = streams - len(self._last)
        if more > 0:  # doubling: cheap in the long run
            empty = np.zeros((max(more, len(self._last)), *self._last.shape[1:]))
            self._last = np.concatenate([self._last, empty])


def in_rounds(stream: Integers) -> list[Integers]:
    """Rows in groups that hold each stream once, in order of time: the n-th row of every stream is group n."""
    order = np.argsort(stream, kind="stable")
    ordered = stream[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    nth = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return [order[nth == turn] for turn in range(int(nth.max(initial=-1)) + 1)]
