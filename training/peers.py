"""Peers: what anyone can have in an afternoon, judged on the same windows as Veille.

A peer sees the windows of the training wearers and then scores others; like Veille it never sees an anomaly.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

from agent.features import fill_missing
from agent.records import Floats, Integers, Singles

MOST_WINDOWS = 20_000
"""Training windows a peer gets of each family: more changes no figure, and a workstation has other work."""
LEAST_PRESENT = 0.5
"""Share of the samples that a row must have to be scored."""


class Peer(Protocol):
    """An anomaly detector for the windows of one position."""

    def fit(self, windows: Singles) -> None:
        """Learn from (n, 3, samples) normal windows in g, none missing."""

    def score(self, windows: Singles) -> Floats:
        """(n,) higher = stranger, of (n, 3, samples) windows in g, none missing."""


class Forest:
    """Isolation forest (Liu, Ting, Zhou 2008; scikit-learn's) on plain features of each axis and of the length."""

    def __init__(self, trees: int = 200, seed: int = 0) -> None:
        """`trees` in the forest, grown from `seed`."""
        self._forest: Any = IsolationForest(n_estimators=trees, random_state=seed)

    def fit(self, windows: Singles) -> None:
        """See `Peer`."""
        self._forest.fit(plain_features(windows))

    def score(self, windows: Singles) -> Floats:
        """See `Peer`."""
        return -np.asarray(self._forest.score_samples(plain_features(windows)), dtype=np.float64)


class Subspace:
    """PCA: mean squared distance (g^2) of the flattened window from the subspace with 95 % of the normal variance."""

    def __init__(self, variance: float = 0.95) -> None:
        """`variance`: share of the training variance that the subspace keeps, in (0, 1)."""
        self._pca: Any = PCA(n_components=variance, svd_solver="full")

    def fit(self, windows: Singles) -> None:
        """See `Peer`."""
        self._pca.fit(windows.reshape(len(windows), -1))

    def score(self, windows: Singles) -> Floats:
        """See `Peer`."""
        flat = windows.reshape(len(windows), -1)
        rebuilt = self._pca.inverse_transform(self._pca.transform(flat))
        return np.asarray(np.mean((flat - rebuilt) ** 2, axis=1), dtype=np.float64)


class Peak:
    """The highest length of the acceleration in the window, in g: no learning at all."""

    def fit(self, windows: Singles) -> None:
        """Nothing to learn."""

    def score(self, windows: Singles) -> Floats:
        """See `Peer`."""
        return np.asarray(np.linalg.norm(windows, axis=1).max(axis=1), dtype=np.float64)


PEERS: Mapping[str, Callable[[], Peer]] = {"IsolationForest": Forest, "PCA": Subspace, "peak": Peak}
"""Name in the table -> how to make one."""


def plain_features(windows: Singles) -> Singles:
    """(n, 20): mean, spread, lowest, highest and mean step of x, y, z and the length, over the window."""
    length = np.linalg.norm(windows, axis=1, keepdims=True)
    four = np.concatenate([windows, length], axis=1)  # (n, 4, samples)
    steps = np.abs(np.diff(four, axis=2)).mean(axis=2)
    return np.concatenate([four.mean(2), four.std(2), four.min(2), four.max(2), steps], axis=1).astype(np.float32)


@dataclass(slots=True)
class PerFamily:
    """One peer for each family of positions, its scores on one scale, as Veille has it."""

    make: Callable[[], Peer]
    _fitted: dict[int, tuple[Peer, float, float]] = field(default_factory=dict)
    """Family -> peer, and the median and spread (median absolute deviation) of its training scores."""

    def fit(self, samples_g: Singles, family: Integers, seed: int = 0) -> None:
        """Learn from (m, 3, samples) normal rows of the (m,) families; NaN = missing."""
        rng = np.random.default_rng(seed)
        for one in np.unique(family):
            rows = np.flatnonzero(family == one)
            rows = np.sort(rng.permutation(rows)[:MOST_WINDOWS])
            windows, peer = fill_missing(samples_g[rows]), self.make()
            peer.fit(windows)
            scores = peer.score(windows)
            median = float(np.median(scores))
            self._fitted[int(one)] = peer, median, float(np.median(np.abs(scores - median))) or 1.0

    def score(self, samples_g: Singles, family: Integers) -> Floats:
        """(m,) standardised scores; NaN = half of the row is missing, or no window of its family was seen."""
        scores = np.full(len(samples_g), np.nan)
        enough = np.isfinite(samples_g[:, 0]).mean(axis=1) >= LEAST_PRESENT
        for one, (peer, median, spread) in self._fitted.items():
            rows = (family == one) & enough
            if rows.any():
                scores[rows] = (peer.score(fill_missing(samples_g[rows])) - median) / spread
        return scores
