"""Labelled moments -> a detector of functional use: ridge logistic regression by Newton's method, each class half."""

import numpy as np

from agent.limbs.learned import Detector
from agent.records import Booleans, Floats

RIDGE = 100.0
"""Strength of the pull towards zero, on standardised features; as first set, never tuned on a wearer."""
ABSTAINS = 0.2
"""Share of the moments of training on which the detector would abstain."""
STEPS = 12


def learn(features: Floats, used: Booleans, rate_hz: float) -> Detector:
    """Learn from (n, features) and (n,) labels.

    Classes weigh the same, so that an arm seldom used is not told as never used.
    """
    mean = np.nanmean(features, axis=0)
    scale = np.maximum(np.nanstd(features, axis=0), 1e-6)
    standard = np.column_stack([np.nan_to_num((features - mean) / scale), np.ones(len(features))])
    weight = np.where(used, 0.5 / used.mean(), 0.5 / (1 - used.mean()))
    ridge = RIDGE * np.append(np.ones(features.shape[1]), 0.0)
    beta = np.zeros(standard.shape[1])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(standard @ beta, -30, 30)))
        slope = standard.T @ (weight * (used - chance)) - ridge * beta
        curve = (standard * (weight * chance * (1 - chance))[:, None]).T @ standard + np.diag(ridge)
        beta = beta + np.linalg.solve(curve, slope)
    chance = 1 / (1 + np.exp(-np.clip(standard @ beta, -30, 30)))
    doubt = float(np.quantile(np.abs(chance - 0.5), ABSTAINS))
    return Detector(rate_hz, mean, scale, beta[:-1], float(beta[-1]), float(used.mean()), doubt)
