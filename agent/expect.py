"""Places among normal windows -> the signal that the model would expect there: a level and a spread in g.

The embedding is made of named numbers, each an affine function of a closed-form one (`training.describe`: the level as
asinh, the movement as the logarithm of the standard deviation); the network learnt them, and which function it learnt
is asked of the network itself, with swings about all tilts, once at the start. So no bundle needs to hold it, and it is
true of the network that runs here. (A simulated day gives the same answer, less sure of itself: correlation with the
closed form .98 to 1.00, here .99 to 1.00, but for the level of the magnitude, .89 and .90.)
"""

from dataclasses import dataclass

import numpy as np

from agent.features import four_axes
from agent.layout import Layout
from agent.records import Singles
from agent.score import Scorer

FLOOR_G = 0.01
"""Below this, movement is the sensor's own noise."""
LEAST_SLOPE = 1e-3
"""A network that does not answer to movement at all expects nothing in particular."""
ASKED = 256
"""Windows."""
POSTURE, MOVEMENT = 0, 1
"""Descriptors that say where a signal is, and how much it moves."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """How numbers of the embedding follow from a signal: number = slope * closed form + base."""

    slope: Singles
    """(4 axes, 2)"""
    base: Singles
    """(4 axes, 2)"""

    def level_and_spread(self, places: Singles) -> tuple[Singles, Singles]:
        """(..., segments, 4 axes, 4 descriptors) -> mean and standard deviation in g, (..., segments, 4 axes) each."""
        number = (places[..., :2] - self.base) / self.slope
        spread = np.exp(np.clip(number[..., MOVEMENT], -6, 3)) - FLOOR_G
        return np.sinh(np.clip(number[..., POSTURE], -4, 4)), np.maximum(spread, 0.0)


def learn_expectation(scorer: Scorer, layout: Layout) -> Expectation:
    """Ask the network, in windows of the layout."""
    samples = swings(layout)
    places = scorer.read(samples, np.zeros(len(samples), np.int64)).embedding
    level, spread = measured(samples, layout.segments)
    closed = np.stack([np.arcsinh(level), np.log(spread + FLOOR_G)], axis=-1)
    answer = places.reshape(len(samples), layout.segments, 4, -1)[..., :2]
    middle, said = closed.mean(axis=(0, 1)), answer.mean(axis=(0, 1))
    apart = closed - middle
    slope = (apart * (answer - said)).sum(axis=(0, 1)) / np.maximum((apart**2).sum(axis=(0, 1)), 1e-9)
    slope = np.where(np.abs(slope) > LEAST_SLOPE, slope, LEAST_SLOPE)
    return Expectation(slope.astype(np.float32), np.asarray(said - slope * middle, dtype=np.float32))


def swings(layout: Layout) -> Singles:
    """(ASKED, 3, samples) in g: each window tilted another way, swinging by .01 to .8 g, .8 to 8 times a second.

    Tilts lie on a spiral over the sphere (Gonzalez 2010, Math. Geosci. 42:49); the rest are multiples of irrational
    numbers, which fill their ranges evenly without chance (Kuipers, Niederreiter 1974, "Uniform Distribution of
    Sequences"): no generator of random numbers need be loaded on a gateway.
    """
    number = np.arange(ASKED)
    height, turn = 1 - (2 * number + 1) / ASKED, number * np.pi * (3 - np.sqrt(5))
    level = np.sqrt(1 - height**2)
    up = np.stack([level * np.cos(turn), level * np.sin(turn), height], axis=1)
    size, pace, *shares = (np.sqrt(prime) * number % 1 for prime in (2, 3, 5, 7, 11))
    size_g, pace_hz = 0.01 * 80**size, 0.8 * 10**pace
    by_axis = size_g[:, None] * (0.4 + 0.6 * np.stack(shares, axis=1))
    times_s = np.arange(layout.window_samples) / layout.rate_hz
    phase = number[:, None, None] + np.array([0.0, 2.0, 4.0])[:, None]
    moves = np.sin(2 * np.pi * pace_hz[:, None, None] * times_s + phase)
    return np.asarray(up[:, :, None] + by_axis[:, :, None] * moves, dtype=np.float32)


def measured(samples_g: Singles, segments: int) -> tuple[Singles, Singles]:
    """(m, 3, samples) in g -> mean and standard deviation of each segment and axis, (m, segments, 4) each."""
    four = four_axes(samples_g)
    parts = four.reshape(len(four), 4, segments, -1)
    return parts.mean(axis=3).transpose(0, 2, 1), parts.std(axis=3).transpose(0, 2, 1)
