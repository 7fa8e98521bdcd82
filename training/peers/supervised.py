"""The ceiling: a forest that has seen what it is to find, with labels, on other wearers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from agent.features import fill_missing
from agent.records import Floats, Integers, Singles, Windows
from training.datasets import Labelled
from training.metrics import Labels, window_truth
from training.peers.features import enough_present, thirty_features

NAME = "RandomForest (supervised)"
TREES = 200
MOST_NORMAL = 20_000
"""Normal rows of each family that it learns from; of the anomalous ones it gets all."""


@dataclass(frozen=True, slots=True)
class Rows:
    """One position of one window each."""

    samples_g: Singles
    """(m, 3, samples)"""
    family: Integers
    """(m,)"""
    label: Labels
    """(m,)"""


def rows_of(items: Sequence[Labelled], cuts: Sequence[Windows], window_s: float) -> Rows:
    """All rows of known truth that are half there."""
    samples, family, label = [], [], []
    for item, cut in zip(items, cuts, strict=True):
        truth, known = window_truth(item.recording.times_s, item.label, item.judged, cut.end_s, window_s)
        kept = known[cut.owner] & enough_present(cut.samples_g)
        samples.append(cut.samples_g[kept])
        family.append(cut.family[kept])
        label.append(truth[cut.owner][kept])
    return Rows(np.concatenate(samples), np.concatenate(family), np.concatenate(label))


class Ceiling:
    """Random forest (Breiman 2001; scikit-learn's), one for each family; its score is the trees' mean probability."""

    def __init__(self, seed: int = 0) -> None:
        """Grown from `seed`."""
        self._seed = seed
        self._forests: dict[int, Any] = {}

    def fit(self, rows: Rows) -> None:
        """Learn; a family without both labels gets no forest."""
        rng = np.random.default_rng(self._seed)
        for one in np.unique(rows.family):
            normal, strange = (np.flatnonzero((rows.family == one) & (rows.label == label)) for label in (0, 1))
            if len(normal) and len(strange):
                chosen = np.sort(np.r_[rng.permutation(normal)[:MOST_NORMAL], strange])
                forest: Any = RandomForestClassifier(
                    TREES, min_samples_leaf=2, class_weight="balanced_subsample", random_state=self._seed, n_jobs=2
                )
                features = thirty_features(fill_missing(rows.samples_g[chosen]))
                self._forests[int(one)] = forest.fit(features, rows.label[chosen])

    def score(self, samples_g: Singles, family: Integers) -> Floats:
        """(m,) in [0, 1]; NaN = half of the row is missing, or its family has no forest."""
        scores, enough = np.full(len(samples_g), np.nan), enough_present(samples_g)
        for one, forest in self._forests.items():
            rows = (family == one) & enough
            if rows.any():
                scores[rows] = forest.predict_proba(thirty_features(fill_missing(samples_g[rows])))[:, 1]
        return scores
