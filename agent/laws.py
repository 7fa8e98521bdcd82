"""Windows -> numbers that no worn and healthy sensor can show for long, whatever the body does. Closed form.

*Length.* Over some seconds the ground carries a body: its acceleration, gravity included, averages 1 g upwards, so the
mean length cannot lie below 1 g by more than the change of speed allows (1 m/s over a window of 2.56 s: 0.04 g). Above
1 g it lies only by as much as the body is shaken: to second order the mean length exceeds 1 g by half the variance of
the acceleration across the vertical; `SHAKEN` leaves room for arms, which turn as they swing.
*Whiteness.* Muscles move masses: at 50 Hz a body's acceleration is smooth from sample to sample, and its third
differences carry at most about twice the power of its second ones. Of white noise they carry 10/3. Blows of the ground
at the legs come near that.
*Lone leaps.* An impact shakes all axes, and rings. A sample of one axis that leaps away and back while the others bend
by a seventh of that was never felt by anything, but at the legs, step after step.

Each holds for single windows now and then; `quality` asks for what lasts, and says on whom the limits were chosen.
"""

from dataclasses import dataclass

import numpy as np

from agent.records import Floats, Integers, Singles

SHAKEN = 1.5
"""g of mean length that each g² of variance of the length may explain."""
AUDIBLE_G, DROWNING_G = 0.05, 0.15
"""White noise below this standard deviation spoils nothing: with 0.06 g a fall at the waist is still found (average
precision .92 instead of .94). Above, it drowns most of what people do."""
LEAP_G, OTHERS = 1.0, 0.15
BLOCK = 128
"""Rows at a time: they stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Lawful:
    """Of m windows."""

    short: Floats
    """(m,) g by which the mean length is below 1 g."""
    long: Floats
    """(m,) g by which it is above what the shaking explains."""
    white: Floats
    """(m,) power of the third differences over that of the second, of the second-whitest axis."""
    noise: Floats
    """(m,) g, standard deviation of white noise with such third differences, on the second-noisiest axis."""
    leaps: Integers
    """(m,) lone leaps."""


def measure(samples_g: Singles) -> Lawful:
    """(m, 3, samples) in g, NaN = missing -> the numbers above; 0 where nothing can be said."""
    starts = range(0, max(len(samples_g), 1), BLOCK)
    blocks = [_block(samples_g[start : start + BLOCK]) for start in starts]
    return Lawful(*(np.concatenate(column) for column in zip(*blocks, strict=True)))


def _block(samples_g: Singles) -> tuple[Floats, Floats, Floats, Floats, Integers]:
    first = np.diff(samples_g, axis=2)
    second = np.diff(first, axis=2)
    return *_length(samples_g), *_white(second), _lone(first, second)


def _length(samples_g: Singles) -> tuple[Floats, Floats]:
    length = np.sqrt(np.einsum("ijk,ijk->ik", samples_g, samples_g)).astype(np.float64)
    mean, spread = length.mean(axis=1), length.var(axis=1)
    if np.isfinite(mean).all():
        return 1 - mean, mean - 1 - SHAKEN * spread
    present = np.isfinite(length)
    count = np.maximum(present.sum(axis=1), 1)
    mean = np.where(present, length, 0.0).sum(axis=1) / count
    spread = (np.where(present, length - mean[:, None], 0.0) ** 2).sum(axis=1) / count
    heard = present.any(axis=1)
    return np.where(heard, 1 - mean, 0.0), np.where(heard, mean - 1 - SHAKEN * spread, 0.0)


def _white(second: Singles) -> tuple[Floats, Floats]:
    of_third, of_second = _power(np.diff(second, axis=2)), _power(second)
    ratio = of_third / np.maximum(of_second, 1e-12)
    noise = np.sqrt(of_third / 20)  # third differences of white noise: 1 + 9 + 9 + 1 times its variance
    return np.sort(ratio, axis=1)[:, 1], np.sort(noise, axis=1)[:, 1]


def _power(differences: Singles) -> Floats:
    """(m, 3) mean square of those that are there."""
    total = np.einsum("ijk,ijk->ij", differences, differences)
    if np.isfinite(total).all():
        return np.asarray(total.astype(np.float64) / differences.shape[2])
    present = np.isfinite(differences)
    known = np.where(present, differences, 0)
    power: Floats = np.einsum("ijk,ijk->ij", known, known).astype(np.float64) / np.maximum(present.sum(axis=2), 1)
    return power


def _lone(first: Singles, second: Singles) -> Integers:
    """(m,) samples of one axis that leap by `LEAP_G` and back; what is missing leaps nowhere."""
    there, back = first[:, :, :-1], first[:, :, 1:]
    with np.errstate(invalid="ignore"):
        leap = np.minimum(np.abs(there), np.abs(back))
        rows = np.flatnonzero(((leap > LEAP_G) & (there * back < 0)).any(axis=(1, 2)))  # few
        leaps = np.where(there[rows] * back[rows] < 0, leap[rows], 0)
        highest = np.nan_to_num(leaps).max(axis=1)
        others = np.sort(np.abs(second[rows]), axis=1)[:, 1] / 2  # of the axis that bends second most
        lone = (highest > LEAP_G) & (others < OTHERS * highest)
    found = np.zeros(len(first), np.int64)
    found[rows] = np.count_nonzero(lone, axis=1)
    return found
