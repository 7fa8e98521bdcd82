"""Rings -> windows: all windows due, for all wearers, in one record of arrays.

Windows start at multiples of the hop on the grid, so a restarted agent cuts the same ones. A wearer's window
is due when every stream has reached its end; a stream that lags the wearer's newest by more than `LATENESS_S` and
the length of its own packets is not waited for. What is cut depends on the samples, not on the gateway's clock; nor on
packet sizes, as long as the positions of a wearer send in turn.
"""

import numpy as np

from agent.ingest import NO_CELL, RING_CELLS, Streams
from agent.records import Integers, Windows

LATENESS_S = 2.0


class Cutter:
    """Remembers the next window of each wearer."""

    def __init__(self, streams: Streams) -> None:
        self.streams = streams
        self._next: Integers = np.empty(0, np.int64)
        """(wearers,) index of the next window, in hops; `NO_CELL` = no sample yet."""

    def cut(self, *, to_the_last: bool = False) -> Windows:
        """All windows that are due; with `to_the_last`, also those that some stream did not reach."""
        self._open_wearers()
        layout = self.streams.layout
        horizon = self._horizon(to_the_last)
        oldest = -(-(horizon - RING_CELLS) // layout.hop_samples)  # what the ring no longer holds cannot be cut
        self._next = np.where(self._next != NO_CELL, np.maximum(self._next, oldest), NO_CELL)
        due = (horizon - layout.window_samples) // layout.hop_samples - self._next + 1
        due = np.where(self._next != NO_CELL, np.maximum(due, 0), 0)
        wearer, nth = _count_up(due)
        index = self._next[wearer] + nth
        self._next = self._next + due
        windows = self._gather(wearer, index)
        self.streams.cut()
        return windows

    def _open_wearers(self) -> None:
        """Give each newly heard wearer the first window that lies wholly in the recording."""
        grown = len(self.streams.wearers) - len(self._next)
        self._next = np.concatenate([self._next, np.full(grown, NO_CELL, np.int64)])
        heard = self.streams.heard()
        first = np.full(len(self._next), np.iinfo(np.int64).max)
        np.minimum.at(first, self.streams.wearer_of[heard], self.streams.first[heard])
        new = (self._next == NO_CELL) & (first < np.iinfo(np.int64).max)
        self._next[new] = -(-first[new] // self.streams.layout.hop_samples)

    def _horizon(self, to_the_last: bool) -> Integers:
        """(wearers,) cell up to which windows may be cut."""
        streams, wearers = self.streams, len(self._next)
        heard = streams.heard()
        owner, written = streams.wearer_of[heard], streams.written[heard]
        newest = np.full(wearers, NO_CELL, np.int64)
        np.maximum.at(newest, owner, written)
        if to_the_last:
            return newest
        patience_s = LATENESS_S + streams.longest[heard]
        waited_for = newest[owner] - written <= patience_s * streams.layout.rate_hz
        horizon = newest.copy()
        np.minimum.at(horizon, owner[waited_for], written[waited_for])
        return horizon

    def _gather(self, wearer: Integers, index: Integers) -> Windows:
        """Fetch the rows of every window; windows that nobody was heard in are left out."""
        streams, layout = self.streams, self.streams.layout
        order = np.lexsort((wearer, index))
        wearer, start = wearer[order], index[order] * layout.hop_samples
        owner, stream = self._streams_of(wearer)
        worn = (streams.first[stream] != NO_CELL) & (start[owner] >= streams.first[stream])
        owner, stream = owner[worn], stream[worn]
        cells = start[owner, None] + np.arange(layout.window_samples)
        samples = streams.ring[stream[:, None], :, cells % RING_CELLS].transpose(0, 2, 1)
        samples = np.where((cells < streams.written[stream, None])[:, None], samples, np.nan)
        some = np.isfinite(samples[:, 0]).any(axis=1)
        owner, stream, samples = owner[some], stream[some], samples[some].astype(np.float32)
        kept, owner = np.unique(owner, return_inverse=True)
        end_s = (start[kept] + layout.window_samples) / layout.rate_hz
        return Windows(wearer[kept], end_s, owner, stream, streams.family_of[stream], samples)

    def _streams_of(self, wearer: Integers) -> tuple[Integers, Integers]:
        """Every (window, stream) pair: owner (rows,) and stream (rows,), owners ascending."""
        by_wearer = np.argsort(self.streams.wearer_of, kind="stable")
        counts = np.bincount(self.streams.wearer_of, minlength=len(self._next))
        starts = np.cumsum(counts) - counts
        owner, nth = _count_up(counts[wearer])
        return owner, by_wearer[starts[wearer[owner]] + nth]


def _count_up(counts: Integers) -> tuple[Integers, Integers]:
    """For counts (2, 0, 3): group (0, 0, 2, 2, 2) and place within the group (0, 1, 0, 1, 2)."""
    group = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    return group, np.arange(len(group)) - starts[group]
