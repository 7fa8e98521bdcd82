"""Peers: what anyone can have in an afternoon, judged on the same windows as Veille.

A peer sees the windows of the training wearers and then scores others; like Veille it never sees an anomaly. The one
that does is a ceiling, and is named so: `training.peers.supervised`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from agent.features import fill_missing
from agent.records import Floats, Integers, Singles
from training.peers.autoencoder import AutoEncoder
from training.peers.features import enough_present
from training.peers.unsupervised import Forest, Neighbours, Online, Peak, Peer, Subspace

__all__ = ["MOST_WINDOWS", "PEERS", "Peer", "PerFamily"]

MOST_WINDOWS = 20_000
"""Training windows a peer gets of each family: more changes no figure, and a workstation has other work."""

PEERS: Mapping[str, Callable[[], Peer]] = {
    "kNN": Neighbours,
    "IsolationForest": Forest,
    "PCA": Subspace,
    "HalfSpaceTrees (online)": Online,
    "conv auto-encoder": AutoEncoder,
    "peak": Peak,
}
"""Name in the table -> how to make one."""


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
        enough = enough_present(samples_g)
        for one, (peer, median, spread) in self._fitted.items():
            rows = (family == one) & enough
            if rows.any():
                scores[rows] = (peer.score(fill_missing(samples_g[rows])) - median) / spread
        return scores
