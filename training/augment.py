"""Distorted windows: so that the student imitates beyond normal wear, where it will be asked; and so that the head for
falls learns what a fall is and not how one dataset strapped its sensors on.
"""

import numpy as np

from agent.records import Floats, Singles
from training.faults import rotations


def distort(samples_g: Singles, rng: np.random.Generator) -> Singles:
    """(n, 3, samples) -> the same shape: another posture, strength, a change half-way, or an impact."""
    rows, _, samples = samples_g.shape
    out = np.einsum("nij,njt->nit", rotations(rows, rng), np.nan_to_num(samples_g))
    strength = np.exp(rng.normal(0.0, 0.7, (rows, 1, 1)))
    still = out.mean(axis=2, keepdims=True)
    out = still + (out - still) * strength
    changed = rng.random((rows, 1)) < 0.3  # from one window to another at a random instant
    after = np.arange(samples) >= rng.integers(0, samples, (rows, 1))
    out = np.where((changed & after)[:, None], out[rng.permutation(rows)], out)
    return np.asarray(out + _impacts(rows, samples, rng), dtype=np.float32)


def worn_otherwise(
    samples_g: Singles, session: np.ndarray, rate_hz: float, rng: np.random.Generator, most_rad: float
) -> Singles:
    """The same wear with other sensors: turned, a little louder or softer, and often of a slower rate.

    Args:
        samples_g: (n, 3, samples) in g.
        session: (n,) rows of one session get the same change, as they would.
        rate_hz: of the samples.
        rng: source of all draws.
        most_rad: largest turn; pi = any.
    """
    _, place = np.unique(session, return_inverse=True)
    count = int(place.max()) + 1
    turn, gain = rotations(count, rng, most_rad), np.exp(rng.normal(0.0, 0.05, count))
    cut_hz = rng.choice([rate_hz, rate_hz, 12.0, 9.0, 7.0], count)  # what a sensor of 15 to 25 Hz leaves
    turned = np.einsum("nij,njt->nit", turn[place] * gain[place, None, None], np.nan_to_num(samples_g))
    return np.asarray(_smoothed(turned, cut_hz[place], rate_hz), dtype=np.float32)


def _smoothed(samples: Floats, cut_hz: Floats, rate_hz: float) -> Floats:
    """Low-pass by spectrum, mirrored at the ends; the roll-off is that of a Butterworth filter of order 3."""
    length = samples.shape[2]
    both = np.concatenate([samples, samples[..., ::-1]], axis=2)
    passed = 1 / np.sqrt(1 + (np.fft.rfftfreq(2 * length, 1 / rate_hz) / cut_hz[:, None]) ** 6)
    slow = np.fft.irfft(np.fft.rfft(both, axis=2) * passed[:, None], 2 * length, axis=2)[..., :length]
    return np.where((cut_hz < rate_hz)[:, None, None], slow, samples)


def _impacts(rows: int, samples: int, rng: np.random.Generator) -> Floats:
    """(rows, 3, samples) decaying knocks of up to some 10 g in a third of the rows."""
    time = np.arange(samples) - rng.integers(0, samples, (rows, 1))
    decay = np.where(time >= 0, np.exp(-time / rng.uniform(1, 10, (rows, 1))), 0.0)
    ring = decay * np.cos(time * rng.uniform(0.3, 2.5, (rows, 1)))
    size = rng.exponential(3.0, (rows, 1)) * (rng.random((rows, 1)) < 0.33)
    way = rng.normal(size=(rows, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    return np.asarray(way[:, :, None] * (size * ring)[:, None])
