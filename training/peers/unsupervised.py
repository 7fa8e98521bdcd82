"""Peers that see normal windows alone, and need no network."""

from copy import deepcopy
from typing import Any, Protocol

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors

from agent.records import Floats, Singles
from training.errors import TrainingError
from training.peers.features import plain_features, thirty_features


class Peer(Protocol):
    """An anomaly detector for the windows of one position."""

    def fit(self, windows: Singles) -> None:
        """Learn from (n, 3, samples) normal windows in g, none missing."""

    def score(self, windows: Singles) -> Floats:
        """(n,) higher = stranger, of (n, 3, samples) windows in g, none missing, in order of time."""


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


class Neighbours:
    """kNN: mean distance to the nearest normal windows, of thirty features in their normal spreads."""

    def __init__(self, neighbours: int = 5) -> None:
        """`neighbours` whose distances are averaged."""
        self._count = neighbours
        self._middle: Any = 0.0
        self._spread: Any = 1.0
        self._known: Any = None

    def fit(self, windows: Singles) -> None:
        """See `Peer`."""
        features = thirty_features(windows)
        self._middle, self._spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-3)
        # Brute force: in 30 dimensions a tree prunes nothing.
        self._known = NearestNeighbors(n_neighbors=min(self._count, len(windows)), algorithm="brute")
        self._known.fit((features - self._middle) / self._spread)

    def score(self, windows: Singles) -> Floats:
        """See `Peer`."""
        distance, _ = self._known.kneighbors((thirty_features(windows) - self._middle) / self._spread)
        return np.asarray(distance.mean(axis=1), dtype=np.float64)


class Online:
    """Half-space trees (Tan, Ting, Liu 2011; river's), which go on learning: each window is scored, then learnt.

    Each call of `score` begins with what `fit` has learnt, so that figures do not hang on the order of protocols.
    """

    def __init__(self, trees: int = 25, height: int = 8, memory: int = 250, seed: int = 0) -> None:
        """`memory`: windows between two renewals of the trees' counts."""
        try:
            from river.anomaly import HalfSpaceTrees
        except ModuleNotFoundError as error:
            raise TrainingError("river is not installed: pip install --group train") from error
        self._trees: Any = HalfSpaceTrees(n_trees=trees, height=height, window_size=memory, seed=seed)
        self._low: Any = 0.0
        self._span: Any = 1.0

    def fit(self, windows: Singles) -> None:
        """See `Peer`; half-space trees want [0, 1], so the normal range becomes its middle half."""
        features = plain_features(windows)
        low, high = np.percentile(features, [1, 99], axis=0)
        self._low, self._span = low - (high - low) / 2, np.maximum(2 * (high - low), 1e-3)
        self._run(self._trees, features)

    def score(self, windows: Singles) -> Floats:
        """See `Peer`."""
        return self._run(deepcopy(self._trees), plain_features(windows))

    def _run(self, trees: Any, features: Singles) -> Floats:
        scores = np.empty(len(features))
        places = np.clip((features - self._low) / self._span, 0, 1).tolist()
        for index, place in enumerate(places):
            window = dict(enumerate(place))
            scores[index] = trees.score_one(window)
            trees.learn_one(window)
        return scores
