"""From a device's own sample times to the bundle's fixed grid, in O(1) memory, whatever the packet sizes.

Cell `i` of the grid covers [(i - 1/2) / rate, (i + 1/2) / rate). Its value is the mean over the cell of the
straight lines between samples: an average (and so a low-pass) where the device is faster than the grid, a
linear interpolation where it is slower. Each cell is summed from its own pieces alone, so the result is the
same to the bit however the samples were cut into packets.
"""

import numpy as np

from agent.records import Floats, Singles

LONGEST_BRIDGE_S = 0.25
"""Two samples further apart than this have a gap between them: the cells it touches are missing (NaN)."""


class Resampler:
    """One stream's resampling; keeps only the samples that touch the next incomplete cell."""

    def __init__(self, rate_hz: float) -> None:
        self.rate_hz = rate_hz
        self.next_cell: int | None = None
        """First cell that is not complete yet; None before the first sample."""
        self._times_s: Floats = np.empty(0)
        self._samples_g: Floats = np.empty((0, 3))

    @property
    def last_s(self) -> float:
        """Time of the latest sample; -inf before the first."""
        return float(self._times_s[-1]) if len(self._times_s) else -np.inf

    def push(self, times_s: Floats, samples_g: Singles) -> tuple[int, Singles]:
        """Add samples; get the cells that are now complete.

        Args:
            times_s: (n,) seconds, strictly increasing, later than `last_s`.
            samples_g: (n, 3) finite, in g.

        Returns:
            Index of the first complete cell, and their values (cells, 3) in g, NaN = missing.
        """
        if self.next_cell is None:
            times_s, samples_g = self._open(times_s, samples_g)
        times = np.concatenate([self._times_s, times_s])
        samples = np.concatenate([self._samples_g, samples_g.astype(np.float64)])
        first = self.next_cell or 0
        past = int(np.floor(times[-1] * self.rate_hz + 0.5))  # cells before this one end before the last sample
        if (past - 0.5) / self.rate_hz > times[-1]:  # rounding, at Unix times
            past -= 1
        if past <= first:
            self._times_s, self._samples_g = times, samples
            return first, np.empty((0, 3), np.float32)
        edges = (np.arange(first, past + 1, dtype=np.float64) - 0.5) / self.rate_hz
        # by the cells' true widths: at Unix times edges are rounded to 0.2 µs, and a stuck value must repeat exactly
        cells = _means(times, samples, edges) / np.diff(edges)[:, None]
        keep = max(int(np.searchsorted(times, edges[-1], side="right")) - 1, 0)
        self._times_s, self._samples_g, self.next_cell = times[keep:], samples[keep:], past
        return first, cells.astype(np.float32)

    def _open(self, times_s: Floats, samples_g: Singles) -> tuple[Floats, Singles]:
        """Start the grid at the first sample, held back by half a cell so that the cell it lies in is complete."""
        self.next_cell = int(np.ceil(times_s[0] * self.rate_hz - 1e-6))
        held = (self.next_cell - 0.5) / self.rate_hz
        if held >= times_s[0]:
            return times_s, samples_g
        return np.concatenate([[held], times_s]), np.concatenate([samples_g[:1], samples_g])


def _means(times: Floats, samples: Floats, edges: Floats) -> Floats:
    """(cells, 3) integral of the broken line through `samples` between neighbouring `edges`; NaN across a gap."""
    right = np.clip(np.searchsorted(times, edges, side="left"), 1, len(times) - 1)
    left = right - 1
    span = times[right] - times[left]
    share = ((np.minimum(edges, times[-1]) - times[left]) / span)[:, None]
    at_edges = samples[left] + share * (samples[right] - samples[left])
    inner = slice(int(np.searchsorted(times, edges[0], side="right")), int(np.searchsorted(times, edges[-1])))
    where = np.concatenate([times[inner], edges])
    order = np.argsort(where, kind="stable")
    points = where[order]
    values = np.concatenate([samples[inner], at_edges])[order]
    pieces = (values[1:] + values[:-1]) / 2 * np.diff(points)[:, None]
    middles = (points[1:] + points[:-1]) / 2
    after = np.clip(np.searchsorted(times, middles), 1, len(times) - 1)
    pieces[times[after] - times[after - 1] > LONGEST_BRIDGE_S] = np.nan
    starts = np.flatnonzero(order >= inner.stop - inner.start)[:-1]
    return np.add.reduceat(pieces, starts, axis=0)
