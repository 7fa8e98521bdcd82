"""Trembling in place: the freeze index of Moore, MacDougall, Ondo 2008 (J. Neurosci. Methods 167:340).

    index = log(power from 3.5 to 8 Hz + floor) - log(power from 0.5 to 3 Hz + floor)

High where the legs tremble without stepping. The floor keeps stillness from looking like a freeze; the power is of the
whole window, since half a stride takes longer than one segment. Moore's upper band begins at 3 Hz, where quick stepping
still has its harmonics; Cockx et al. 2023 (J. NeuroEng. Rehabil. 20:53) begin at 3.5 Hz.

A freeze holds on while single windows look calm, so a row's index is the strongest mean of two neighbouring windows
among this one and the three before. People walk unlike each other: what the row's own stream usually shows is taken
off (`agent.usual`).
"""

from functools import cache

import numpy as np

from agent.features import four_axes
from agent.records import Booleans, Floats, Integers, Singles

STEPPING_HZ = (0.5, 3.0)
TREMBLING_HZ = (3.5, 8.0)
FLOOR = 0.3
"""Power of a swing of 0.16 g to each side: below it nothing counts as movement."""
SHARES = np.array([[1 / 6], [1 / 6], [1 / 6], [1 / 2]])
"""Weights in the index of a row: x, y and z together count as much as the magnitude."""
MOVING = 1.0
"""Both bands together, in units of the index, above which a row moves: stillness teaches nothing about a gait."""


def freeze_bands(samples_g: Singles, rate_hz: float) -> Floats:
    """(m, 3, samples) in g -> (m, 4, 2) what trembling adds to the index of x, y, z and the magnitude, and stepping.

    Their sum is the index, natural logarithm; stillness has 0 of both, and stepping is never above 0.
    """
    four = four_axes(samples_g)
    waves, counts = _waves(four.shape[2], rate_hz)
    power: Floats = np.square((four - four.mean(axis=2, keepdims=True)) @ waves).astype(np.float64) @ counts
    return np.log1p(power / FLOOR) * [1.0, -1.0]


@cache
def _waves(samples: int, rate_hz: float) -> tuple[Singles, Floats]:
    """(samples, k) tapered cosines and sines of the frequencies of both bands, and (k, 2) which band each belongs to.

    Two dozen frequencies of a Fourier transform, in a tenth of the time of all.
    """
    frequency_hz = np.fft.rfftfreq(samples, 1 / rate_hz)
    bands = np.stack([(frequency_hz >= low) & (frequency_hz < high) for low, high in (TREMBLING_HZ, STEPPING_HZ)], 1)
    within = bands.any(axis=1)
    turns = 2 * np.pi * np.outer(np.arange(samples) / rate_hz, frequency_hz[within])
    taper = np.hanning(samples + 2)[1:-1, None] / np.sqrt(samples)
    waves = np.concatenate([taper * np.cos(turns), taper * np.sin(turns)], axis=1).astype(np.float32)
    return waves, np.tile(bands[within], (2, 1)).astype(np.float64)


def moving(trembling: Floats) -> Booleans:
    """(m,) rows that move, of (m, 4, 2) weighted bands."""
    return np.asarray((trembling[..., 0] - trembling[..., 1]).sum(axis=1) > MOVING)


def held(now: Floats, before: Floats, known: Booleans) -> tuple[Floats, Floats]:
    """The strongest mean of two neighbouring windows, and by how much it rises with this one.

    Args:
        now: (m,) index of this window.
        before: (m, lags) of those before, the latest first.
        known: (m, lags) where there is one; one without a neighbour before it stands for itself.

    Returns:
        (m,) and (m,), the latter 1/2, or 1 where nothing is known before, or 0 where an earlier pair is the strongest.
    """
    each = np.concatenate([now[:, None], before], axis=1)
    there = np.concatenate([np.ones((len(now), 1), np.bool_), known], axis=1)
    pairs = np.where(there[:, 1:], (each[:, :-1] + each[:, 1:]) / 2, each[:, :-1])
    pairs = np.where(there[:, :-1], pairs, -np.inf)
    share = np.where(pairs.argmax(axis=1) > 0, 0.0, np.where(known[:, 0], 0.5, 1.0))
    return pairs.max(axis=1), share


def over_the_limbs(freezing: Floats, leg: Booleans, owner: Integers) -> tuple[Floats, Floats, Integers]:
    """One word for all legs and the trunk of a window; no leg, no word. A leg that stands still speaks against another.

    Args:
        freezing: (m,) of each row by itself, standardised; -inf = it has no say.
        leg: (m,) rows without one of which a window has no word.
        owner: (m,) the window of each.

    Returns:
        (m,) what each row said, -inf where its window has no word; (m,) the sum by the root of their number, for every
        row of the window; (m,) that number.
    """
    own = np.isfinite(freezing) & (np.bincount(owner, leg) > 0)[owner]
    count = np.bincount(owner, own).astype(np.int64)
    both = np.bincount(owner, np.where(own, freezing, 0.0)) / np.sqrt(np.maximum(count, 1))
    whole = np.where(count > 0, both, -np.inf)
    return np.where(own, freezing, -np.inf), whole[owner], count[owner]
