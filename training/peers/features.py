"""Plain numbers of a window: what a peer sees instead of raw samples."""

import numpy as np

from agent.features import four_axes
from agent.records import Booleans, Floats, Singles

RATE_HZ = 50.0
"""Of the windows that the agent cuts."""
BANDS_HZ = ((0.5, 3.0), (3.0, 8.0), (8.0, 20.0))
"""Steps; trembling and impacts; sharper than people move by themselves."""
POWER_FLOOR_G2 = 1e-4
LEAST_PRESENT = 0.5
"""Share of the samples that a row must have to be scored."""


def enough_present(samples_g: Singles) -> Booleans:
    """(n,) rows of (n, 3, samples) that a peer can score; NaN = missing."""
    enough: Booleans = np.isfinite(samples_g[:, 0]).mean(axis=1) >= LEAST_PRESENT
    return enough


def plain_features(windows: Singles) -> Singles:
    """(n, 20): mean, spread, lowest, highest and mean step of x, y, z and the length, over the window."""
    four = four_axes(windows)
    steps = np.abs(np.diff(four, axis=2)).mean(axis=2)
    return np.concatenate([four.mean(2), four.std(2), four.min(2), four.max(2), steps], axis=1).astype(np.float32)


def thirty_features(windows: Singles) -> Singles:
    """(n, 30): the plain ones; the largest step of each; how the axes move together; log power of the length by band.

    Args:
        windows: (n, 3, samples) in g at 50 Hz, none missing.
    """
    four = four_axes(windows)
    largest = np.abs(np.diff(four, axis=2)).max(axis=2)
    return np.concatenate([plain_features(windows), largest, _together(windows), _bands(four[:, 3])], axis=1).astype(
        np.float32
    )


def _together(windows: Singles) -> Floats:
    """(n, 3) correlations of x with y, x with z, y with z; 0 where an axis stands still."""
    moved = windows - windows.mean(axis=2, keepdims=True)
    unit = moved / (np.linalg.norm(moved, axis=2, keepdims=True) + 1e-6)
    return np.stack([(unit[:, a] * unit[:, b]).sum(axis=1) for a, b in ((0, 1), (0, 2), (1, 2))], axis=1)


def _bands(length: Singles) -> Floats:
    """(n, 3) log power in g^2 of (n, samples) in each band."""
    samples = length.shape[1]
    moved = (length - length.mean(axis=1, keepdims=True)) * np.hanning(samples)
    power = np.abs(np.fft.rfft(moved, axis=1)) ** 2 / samples
    rate = np.fft.rfftfreq(samples, 1 / RATE_HZ)
    bands = [power[:, (rate >= low) & (rate < high)].sum(axis=1) for low, high in BANDS_HZ]
    return np.log(np.stack(bands, axis=1) + POWER_FLOOR_G2)
