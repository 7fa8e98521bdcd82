"""What the last seconds of a window show of an arm: how its forearm lies, whether it moves or walks; vectorised."""

import numpy as np

from agent.records import Booleans, Floats

STILL_G = 0.013
"""Standard deviation below which an axis is still (van Hees et al. 2011, PLoS ONE 6:e22922)."""
LEVEL_DEG = 30.0
"""A forearm nearer to horizontal than this can be in use (Leuenberger et al. 2017, Front. Bioeng. Biotechnol. 5:68)."""
TURNED_DEG = 30.0
"""A turn of this much within two seconds is a gross movement (the same)."""
GROSS_S = 2.0
SMOOTH_S = 0.25
"""Gravity is the mean over this long."""
STEP_S = (0.33, 1.35)
"""Time of a step, or of a stride where only every other one shows, as a wrist repeats it in walking."""
STRIDE_G = (0.04, 0.7)
"""Standard deviation of the length of the acceleration in walking."""
RHYTHM = 0.5
"""Autocorrelation from which a movement is rhythmic; see `training.limbs.walking` for what it finds."""


def gravity_path(samples_g: Floats, rate_hz: float) -> Floats:
    """(m, k, 3) unit vectors: direction of gravity over consecutive quarters of a second of the last two seconds.

    Args:
        samples_g: (m, 3, n) windows of two seconds or more, none missing.
        rate_hz: samples a second.
    """
    each, parts = round(SMOOTH_S * rate_hz), round(GROSS_S / SMOOTH_S)
    last = samples_g[:, :, samples_g.shape[2] - each * parts :]
    means = last.reshape(len(last), 3, parts, each).mean(axis=3).transpose(0, 2, 1)
    path: Floats = means / np.maximum(np.linalg.norm(means, axis=2, keepdims=True), 1e-9)
    return path


def turned_deg(path: Floats) -> Floats:
    """(m,) largest angle between two directions of the path."""
    cosines = np.einsum("mik,mjk->mij", path, path).min(axis=(1, 2))
    angle: Floats = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
    return angle


def tilt_deg(path: Floats, forearm: int) -> Floats:
    """(m,) tilt of the forearm axis (0 = level, +-90 = hanging or raised), mean over the path's last second."""
    level = path[:, path.shape[1] // 2 :, forearm].mean(axis=1)
    tilt: Floats = np.degrees(np.arcsin(np.clip(level, -1.0, 1.0)))
    return tilt


def still(samples_g: Floats) -> Booleans:
    """(m,) two axes or more keep still over the window."""
    return np.asarray((samples_g.std(axis=2) < STILL_G).sum(axis=1) >= 2)


def rhythm(samples_g: Floats, rate_hz: float) -> tuple[Floats, Floats]:
    """How much the length of the acceleration repeats itself at the times of steps, and its standard deviation.

    Returns:
        (m,) strongest peak of the autocorrelation within `STEP_S`, in [-1, 1]; (m,) g.
    """
    length = np.linalg.norm(samples_g, axis=1)
    length = length - length.mean(axis=1, keepdims=True)
    count = length.shape[1]
    power = np.abs(np.fft.rfft(length, 2 * count, axis=1)) ** 2
    raw = np.fft.irfft(power, axis=1)[:, :count]
    fair = raw / np.maximum(raw[:, :1], 1e-12) * (count / (count - np.arange(count)))
    first, last = (round(lag_s * rate_hz) for lag_s in STEP_S)
    inner = fair[:, first : last + 1]
    peak = (inner >= fair[:, first - 1 : last]) & (inner >= fair[:, first + 1 : last + 2])
    best: Floats = np.where(peak, inner, -1.0).max(axis=1)
    return best, length.std(axis=1)


def rhythmic(samples_g: Floats, rate_hz: float) -> Booleans:
    """(m,) moves as an arm does in walking."""
    best, strength = rhythm(samples_g, rate_hz)
    return np.asarray((best >= RHYTHM) & (strength >= STRIDE_G[0]) & (strength <= STRIDE_G[1]))
