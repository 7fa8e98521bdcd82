"""Distorted windows: so that the student imitates the teacher beyond normal wear, where it will be asked."""

import numpy as np

from agent.records import Singles


def distort(samples_g: Singles, rng: np.random.Generator) -> Singles:
    """(n, 3, samples) -> the same shape: another posture, strength, a change half-way, or an impact."""
    rows, _, samples = samples_g.shape
    out = np.einsum("nij,njt->nit", _rotations(rows, rng), np.nan_to_num(samples_g))
    strength = np.exp(rng.normal(0.0, 0.7, (rows, 1, 1)))
    still = out.mean(axis=2, keepdims=True)
    out = still + (out - still) * strength
    changed = rng.random((rows, 1)) < 0.3  # from one window to another at a random instant
    after = np.arange(samples) >= rng.integers(0, samples, (rows, 1))
    out = np.where((changed & after)[:, None], out[rng.permutation(rows)], out)
    return np.asarray(out + _impacts(rows, samples, rng), dtype=np.float32)


def _rotations(rows: int, rng: np.random.Generator) -> np.ndarray:
    """(rows, 3, 3) rotations, uniform over all directions (Q of a Gaussian matrix, sign mended)."""
    q, r = np.linalg.qr(rng.normal(size=(rows, 3, 3)))
    q = q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None]
    return np.asarray(q * np.sign(np.linalg.det(q))[:, None, None])


def _impacts(rows: int, samples: int, rng: np.random.Generator) -> np.ndarray:
    """(rows, 3, samples) decaying knocks of up to some 10 g in a third of the rows."""
    time = np.arange(samples) - rng.integers(0, samples, (rows, 1))
    decay = np.where(time >= 0, np.exp(-time / rng.uniform(1, 10, (rows, 1))), 0.0)
    ring = decay * np.cos(time * rng.uniform(0.3, 2.5, (rows, 1)))
    size = rng.exponential(3.0, (rows, 1)) * (rng.random((rows, 1)) < 0.33)
    way = rng.normal(size=(rows, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    return np.asarray(way[:, :, None] * (size * ring)[:, None])
