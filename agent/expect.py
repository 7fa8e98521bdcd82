"""Places among normal windows -> the signal that the model would expect there: a level and a spread in g.

The embedding is made of named numbers, each an affine function of a closed-form one (`training.describe`: the level as
asinh, the movement as the logarithm of the standard deviation); the network learnt them, and which function it learnt
is asked of the network itself, with a simulated recording, once at the start. So no bundle needs to hold it, and it is
true of the network that runs here.
"""

from dataclasses import dataclass

import numpy as np

from agent.features import four_axes
from agent.layout import Layout
from agent.records import Singles
from agent.score import Scorer
from agent.simulate import simulate

FLOOR_G = 0.01
"""Below this, movement is the sensor's own noise."""
LEAST_SLOPE = 1e-3
"""A network that does not answer to movement at all expects nothing in particular."""
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
    """Ask the network, with a simulated recording on the layout's grid."""
    recording, _ = simulate(np.random.default_rng(0), rate_hz=layout.rate_hz)
    whole = len(recording.times_s) // layout.window_samples
    parts = [
        samples[: whole * layout.window_samples].reshape(whole, layout.window_samples, 3).transpose(0, 2, 1)
        for samples in recording.positions.values()
    ]
    samples = np.concatenate([part[np.isfinite(part).all(axis=(1, 2))] for part in parts]).astype(np.float32)
    places = scorer.read(samples, np.zeros(len(samples), np.int64)).embedding
    level, spread = measured(samples, layout.segments)
    closed = np.stack([np.arcsinh(level), np.log(spread + FLOOR_G)], axis=-1)
    answer = places.reshape(len(samples), layout.segments, 4, -1)[..., :2]
    middle, said = closed.mean(axis=(0, 1)), answer.mean(axis=(0, 1))
    apart = closed - middle
    slope = (apart * (answer - said)).sum(axis=(0, 1)) / np.maximum((apart**2).sum(axis=(0, 1)), 1e-9)
    slope = np.where(np.abs(slope) > LEAST_SLOPE, slope, LEAST_SLOPE)
    return Expectation(slope.astype(np.float32), np.asarray(said - slope * middle, dtype=np.float32))


def measured(samples_g: Singles, segments: int) -> tuple[Singles, Singles]:
    """(m, 3, samples) in g -> mean and standard deviation of each segment and axis, (m, segments, 4) each."""
    four = four_axes(samples_g)
    parts = four.reshape(len(four), 4, segments, -1)
    return parts.mean(axis=3).transpose(0, 2, 1), parts.std(axis=3).transpose(0, 2, 1)
