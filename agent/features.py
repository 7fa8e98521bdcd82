"""Window -> what the network eats. The same function serves training, export and the gateway.

Nothing is normalised by the window's own statistics: intensity and posture are the clinical signal.
Each axis, and the length of the acceleration, becomes two channels:

- `level`: asinh(a), a in g: posture and gross intensity; 27 mg a step at 8 bits over +-16 g;
- `fine`: asinh((a - mean of its segment) / 0.02): movement; 1 mg a step near zero, 60 mg at 1 g.

asinh is linear near zero and logarithmic far out, so neither a tremor of 5 mg is lost nor an impact of 16 g
saturates the 8-bit range.
"""

import numpy as np

from agent.records import Singles

FINE_G = 0.02
CHANNELS = 8
"""x, y, z, magnitude; `level` and `fine` of each, in this order: level x, fine x, level y, ..."""


def fill_missing(samples_g: Singles) -> Singles:
    """(m, 3, samples) with NaN -> the same with each missing sample taken from its neighbours.

    Held from the last sample before it (and, at the start, from the first after it). Rows without any
    sample become zero; `quality` tells how much was missing.
    """
    absent = ~np.isfinite(samples_g)
    if not absent.any():
        return samples_g
    held = _hold(samples_g, ~absent)
    held = _hold(held[..., ::-1], np.isfinite(held[..., ::-1]))[..., ::-1]
    return np.nan_to_num(held, nan=0.0)


def _hold(samples: Singles, present: np.ndarray) -> Singles:
    """Carry the last present value forward along the last axis."""
    places = np.where(present, np.arange(samples.shape[-1]), 0)
    return np.take_along_axis(samples, np.maximum.accumulate(places, axis=-1), axis=-1)


def four_axes(samples_g: Singles) -> Singles:
    """(m, 3, samples) in g, NaN = missing -> (m, 4, samples) in g: x, y, z with the gaps filled, and the magnitude."""
    filled = fill_missing(samples_g)
    return np.concatenate([filled, np.linalg.norm(filled, axis=1, keepdims=True)], axis=1)


def extract(samples_g: Singles, segments: int) -> Singles:
    """(m, 3, samples) in g, NaN = missing -> (m, 8, samples), unitless, about [-8, 8]."""
    four = four_axes(samples_g)
    parts = four.reshape(len(four), 4, segments, four.shape[2] // segments)
    fine = (parts - parts.mean(axis=3, keepdims=True)).reshape(four.shape) / FINE_G
    return (
        np.stack([np.arcsinh(four), np.arcsinh(fine)], axis=2)
        .reshape(len(four), CHANNELS, four.shape[2])
        .astype(np.float32)
    )
