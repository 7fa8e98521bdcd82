"""A closed-form description of each axis in each segment, without a single weight: the named parts of the embedding.

Four numbers for each of x, y, z and the magnitude, in each of four segments of a window: where the signal is
(posture), how much it moves, how abruptly, and its span (an impact). No phase, so that two strides cut at
different instants look alike.

Why not raw samples: a convolutional auto-encoder on raw windows loses to nearest neighbours on plain features
by a wide margin on recordings like these. Nearest neighbours need a place for each window,
explanations need that place to be made of named parts; this gives both.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from agent.features import four_axes
from agent.records import Singles

Real = TypeVar("Real", np.float32, np.float64)

DESCRIPTORS = ("posture", "movement", "abruptness", "span")
FLOOR_G = 0.01
"""Below this, movement is the sensor's own noise: the logarithm stops there."""


def describe(samples_g: Singles, segments: int) -> Singles:
    """(m, 3, samples) in g -> (m, segments, 4 axes, 4 descriptors), not yet standardised."""
    four = four_axes(samples_g)
    steps = np.diff(four, axis=2, prepend=four[..., :1])
    parts, jumps = (a.reshape(len(four), 4, segments, -1) for a in (four, steps))
    return four_numbers(parts, jumps, FLOOR_G).transpose(0, 2, 1, 3).astype(np.float32)


def four_numbers(values: NDArray[Real], steps: NDArray[Real], floor: float) -> NDArray[Real]:
    """(..., rows) values and (..., their steps) -> (..., 4) as in `DESCRIPTORS`; below `floor` nothing moves."""
    numbers = [
        np.arcsinh(values.mean(axis=-1)),
        np.log(values.std(axis=-1) + floor),
        np.log(steps.std(axis=-1) + floor),
        np.arcsinh(values.max(axis=-1) - values.min(axis=-1)),
    ]
    return np.stack(numbers, axis=-1)
