"""What a wearer was doing just before: still, moving or vigorous. Half-minutes are compared with their own kind.

Mondrian conformal prediction (Vovk, Gammerman, Shafer 2005, "Algorithmic Learning in a Random World", section 4.5)
keeps its guarantee within each category, provided that the category does not depend on what is judged. So the
movement of the window itself does not count, nor that of the windows which share samples with it: a fall must not
choose the company of jogging. What counts is the mean movement from 8.5 to 3 s before the window's end.
"""

import numpy as np

from agent.lasting import in_rounds
from agent.records import Floats, Integers, Singles, Windows

REGIMES = ("still", "moving", "vigorous")
STILL, MOVING, VIGOROUS = range(3)
STILL_BELOW_G, VIGOROUS_FROM_G = 0.03, 0.3
"""Standard deviation of the length of the acceleration: below the first people lie, sit and stand, above the second
they jog, hop and climb stairs. Set by looking at the activities of the training wearers of SisFall, at the waist."""
NEAREST, FARTHEST = 6, 16
"""Windows ago: from the latest that shares no sample with this one to eight seconds."""


class Regimes:
    """Remembers how much each wearer moved: 16 numbers a wearer."""

    def __init__(self, hop_s: float) -> None:
        self._hop_s = hop_s
        self._moved = np.zeros((0, FARTHEST + 1), np.float32)
        """(wearers, windows) in g; the window that ends at hop h lies at h modulo the length."""
        self._hop = np.zeros((0, FARTHEST + 1), np.int64)

    def of(self, windows: Windows) -> Integers:
        """(n,) index in `REGIMES` of each window; moving where nothing is known of the time before."""
        moved, hop = movement(windows), np.rint(windows.end_s / self._hop_s).astype(np.int64)
        self._make_room(int(windows.wearer.max(initial=-1)) + 1)
        found = np.full(len(hop), MOVING, np.int64)
        for rows in in_rounds(windows.wearer):
            wearer, now = windows.wearer[rows], hop[rows]
            ago = now[:, None] - self._hop[wearer]
            counts = (ago >= NEAREST) & (ago <= FARTHEST) & np.isfinite(self._moved[wearer])
            total = np.where(counts, self._moved[wearer], 0.0).sum(axis=1)
            regime = np.digitize(total / np.maximum(counts.sum(axis=1), 1), (STILL_BELOW_G, VIGOROUS_FROM_G))
            found[rows] = np.where(counts.any(axis=1), regime, MOVING)
            place = now % (FARTHEST + 1)
            self._moved[wearer, place], self._hop[wearer, place] = moved[rows], now
        return found

    def _make_room(self, wearers: int) -> None:
        more = wearers - len(self._hop)
        if more > 0:
            more = max(more, len(self._hop))
            self._moved = np.concatenate([self._moved, np.full((more, FARTHEST + 1), np.nan, np.float32)])
            self._hop = np.concatenate([self._hop, np.zeros((more, FARTHEST + 1), np.int64)])


def movement(windows: Windows) -> Floats:
    """(n,) in g: standard deviation of the length of the acceleration, the mean over the positions; NaN = no sample."""
    length = np.sqrt(np.einsum("mct,mct->mt", windows.samples_g, windows.samples_g))
    count = len(windows.end_s)
    spread = length.std(axis=1, dtype=np.float32)
    for row in np.flatnonzero(np.isnan(spread)):
        spread[row] = _spread(length[row])
    seen = np.isfinite(spread)
    rows = np.bincount(windows.owner, seen, count)
    total = np.bincount(windows.owner, np.where(seen, spread, 0.0), count)
    return np.where(rows > 0, total / np.maximum(rows, 1), np.nan)


def _spread(length: Singles) -> float:
    """Of the samples that are there; NaN where none is."""
    seen = length[np.isfinite(length)]
    return float(seen.std()) if len(seen) else float("nan")
