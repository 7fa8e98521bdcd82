"""What a wearer was doing just before: still, moving or vigorous. Half-minutes are compared with their own kind.

Mondrian conformal prediction (Vovk, Gammerman, Shafer 2005, "Algorithmic Learning in a Random World", section 4.5)
keeps its guarantee within each category, provided that the category does not depend on what is judged. So the
movement of the window itself does not count, nor that of the windows which share samples with it: a fall must not
choose the company of jogging. What counts is the mean movement from 8.5 to 3 s before the window's end.
"""

import numpy as np

from agent.past import Past
from agent.records import Floats, Integers, Singles, Windows

REGIMES = ("still", "moving", "vigorous")
STILL, MOVING, VIGOROUS = range(3)
STILL_BELOW_G, VIGOROUS_FROM_G = 0.03, 0.3
"""Standard deviation of the length of the acceleration: below the first people lie, sit and stand, above the second
they jog, hop and climb stairs. Set by looking at the activities of the training wearers of SisFall, at the waist."""
BEFORE = slice(5, 16)
"""Windows ago, less one: those that share no sample with this one, up to eight seconds."""


class Regimes:
    """Remembers how much each wearer moved: 16 numbers a wearer."""

    def __init__(self, hop_s: float) -> None:
        self._past = Past(1, hop_s, BEFORE.stop)

    def of(self, windows: Windows) -> Integers:
        """(n,) index in `REGIMES` of each window; moving where nothing is known of the time before."""
        moved = movement(windows)
        before, known = self._past.recall(windows.wearer, windows.end_s, moved[:, None].astype(np.float32))
        counts = known[:, BEFORE] & np.isfinite(before[:, BEFORE, 0])
        total = np.where(counts, before[:, BEFORE, 0], 0.0).sum(axis=1)
        mean = total / np.maximum(counts.sum(axis=1), 1)
        found = np.digitize(mean, (STILL_BELOW_G, VIGOROUS_FROM_G))
        return np.where(counts.any(axis=1), found, MOVING).astype(np.int64)


def movement(windows: Windows) -> Floats:
    """(n,) in g: standard deviation of the length of the acceleration, the mean over the positions; NaN = no sample."""
    length, seen = _length(windows.samples_g)
    count = np.maximum(seen.sum(axis=1), 1)
    mean = length.sum(axis=1) / count
    spread = np.sqrt(np.where(seen, (length - mean[:, None]) ** 2, 0.0).sum(axis=1) / count)
    rows = np.bincount(windows.owner, seen.any(axis=1), len(windows.end_s))
    total = np.bincount(windows.owner, spread, len(windows.end_s))
    return np.where(rows > 0, total / np.maximum(rows, 1), np.nan)


def _length(samples_g: Singles) -> tuple[Singles, np.ndarray]:
    """(m, samples) length of the acceleration, 0 where missing, and where it is seen."""
    length = np.sqrt((samples_g**2).sum(axis=1))
    seen = np.isfinite(length)
    return np.where(seen, length, 0.0).astype(np.float32), seen
