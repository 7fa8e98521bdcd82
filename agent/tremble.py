"""Trembling in place: the freeze index of Moore, MacDougall, Ondo 2008 (J. Neurosci. Methods 167:340).

    index = log(power from 3 to 8 Hz + floor) - log(power from 0.5 to 3 Hz + floor)

High where the legs tremble without stepping. The floor keeps stillness from looking like a freeze; the power is of the
whole window, since half a stride takes longer than one segment.
"""

import numpy as np

from agent.features import four_axes
from agent.records import Floats, Singles

STEPPING_HZ = (0.5, 3.0)
TREMBLING_HZ = (3.0, 8.0)
FLOOR = 0.3
"""Power of a swing of 0.16 g to each side: below it nothing counts as movement. Any value from 0.03 to 3 gives the same
picture."""


def freeze_bands(samples_g: Singles, rate_hz: float) -> Floats:
    """(m, 3, samples) in g -> (m, 4, 2) what trembling adds to the index of x, y, z and the magnitude, and stepping.

    Their sum is the index, natural logarithm; stillness has 0 of both, and stepping is never above 0.
    """
    four = four_axes(samples_g)
    samples = four.shape[2]
    moving = (four - four.mean(axis=2, keepdims=True)) * np.hanning(samples + 2)[1:-1]
    power = np.abs(np.fft.rfft(moving, axis=2)) ** 2 / samples
    frequency_hz: Floats = np.fft.rfftfreq(samples, 1 / rate_hz).astype(np.float64)
    trembling, stepping = (_band(power, frequency_hz, *band_hz) for band_hz in (TREMBLING_HZ, STEPPING_HZ))
    return np.stack([np.log1p(trembling / FLOOR), -np.log1p(stepping / FLOOR)], axis=2).astype(np.float64)


def _band(power: Floats, frequency_hz: Floats, low_hz: float, high_hz: float) -> Floats:
    """(m, 4) power in [low, high)."""
    return np.asarray(power[..., (frequency_hz >= low_hz) & (frequency_hz < high_hz)].sum(axis=2))
