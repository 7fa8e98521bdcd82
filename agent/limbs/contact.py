"""When a foot meets the ground and how long it was in the air, told from a sensor on foot, ankle, shin or thigh.

A swinging leg is loud, a standing one quiet. So a contact lies where, for about a third of a stride, the signal has
been loud and falls quiet: the highest point of the difference of mean log change before and after. The contact itself
is where half of the energy of the shock there has come; the swing began where the signal rose most sharply before.
The length of a stride, which sets the scale of all this, is where the signal repeats itself. Swing is about 0.4 of a
stride, stance 0.6 (Perry & Burnfield 2010, Gait Analysis, ch. 1): a swing to look back on and half a stance to look
ahead to are less than that, so that walking is found at any pace, and running by and large.
"""

from dataclasses import dataclass

import numpy as np

from agent.limbs.posture import RHYTHM
from agent.records import Booleans, Floats, Integers

SEEN_S, CENTRE_S = 4.0, 1.5
"""Seconds looked at, and where the second lies within them that is told of."""
STRIDE_S = (0.5, 1.8)
"""Length of a stride that is looked for: 67 to 240 steps a minute."""
USUAL_STRIDE_S = 1.1
"""Where nothing repeats itself within four seconds, a slow stride included: adults at their own pace (ibid.)."""
FIRST = 0.9
"""The shortest lag that repeats nearly as well as the best is the stride; the others are several strides."""
SWING, STANCE, APART = 0.36, 0.27, 0.45
"""Shares of a stride: looked back on, looked ahead to, and the least between two contacts of a foot."""
SHOCK = (0.25, 0.02)
"""Shares of a stride before the quiet between which the shock lies."""
AIR = (0.75, 0.25)
"""Shares of a stride before the contact between which a swing begins; where no stride is known, `SLOW_AIR_S` back."""
SLOW_AIR_S = 1.2
RISE = 0.15
"""Share of a stride over which the rise to a swing is taken, before and after."""
CONTRAST = float(np.log(2))
"""Least fall of the mean log change: to half."""
NOISE_G = 0.02
"""Change from sample to sample that a sensor at rest shows; keeps the logarithm from telling noise apart."""
PEAK_S = (0.04, 0.10)
"""From before to after the contact: where its peak is looked for."""


@dataclass(frozen=True, slots=True)
class Contacts:
    """Contacts of m rows, in order of row, then time."""

    row: Integers
    """(k,)"""
    at_s: Floats
    """(k,) seconds before the row's end (negative)."""
    swing_s: Floats
    """(k,) how long the foot was in the air before."""
    peak_g: Floats
    """(k,) highest length of the acceleration about the contact."""


def change(samples_g: Floats) -> Floats:
    """(m, n - 1) length of the change from sample to sample of (m, 3, n), g."""
    steps: Floats = np.linalg.norm(np.diff(samples_g, axis=2), axis=1)
    return steps


def repeats(signal: Floats, low: int, high: int) -> Floats:
    """(m, high - low + 1) autocorrelation of (m, n) signals at its peaks between two lags in samples; elsewhere -1."""
    count, centred = signal.shape[1], signal - signal.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(centred, 2 * count, axis=1)) ** 2
    raw = np.fft.irfft(power, axis=1)[:, :count]
    fair = raw / np.maximum(raw[:, :1], 1e-12) * (count / (count - np.arange(count)))
    inner = fair[:, low : high + 1]
    peak = (inner >= fair[:, low - 1 : high]) & (inner >= fair[:, low + 1 : high + 2])
    return np.where(peak, inner, -1.0)


def stride_of(level: Floats, rate_hz: float) -> tuple[Floats, Booleans]:
    """(m,) length of a stride in samples, and whether (m, n) `level` repeats itself; else it is the usual one."""
    low, high = (round(lag_s * rate_hz) for lag_s in STRIDE_S)
    heights = repeats(level, low, high)
    best = heights.max(axis=1, keepdims=True)
    lag = low + np.argmax(heights >= FIRST * best, axis=1)
    known: Booleans = best[:, 0] >= RHYTHM
    return np.where(known, lag, USUAL_STRIDE_S * rate_hz), known


def contacts(steps: Floats, length_g: Floats, rate_hz: float) -> Contacts:
    """Contacts in the middle second of each row.

    Args:
        steps: (m, `SEEN_S` * rate) one leg each: length of the change from the sample before, g; none missing.
        length_g: (m, `SEEN_S` * rate) length of the acceleration.
        rate_hz: samples a second.
    """
    level = np.log(steps + NOISE_G)
    stride, known = stride_of(level, rate_hz)
    row, quiet = _falls(level, stride, rate_hz)
    at = _shocks(steps[row], quiet, stride[row])
    far = np.where(known[row], AIR[0] * stride[row], SLOW_AIR_S * rate_hz)
    swing = at - _rises(level[row], stride[row], at - far, at - AIR[1] * stride[row])
    places, length = np.arange(steps.shape[1]), length_g[row]
    before, after = (seconds * rate_hz for seconds in PEAK_S)
    near = (places >= at[:, None] - before) & (places <= at[:, None] + after)
    peak = np.where(near, length, 0.0).max(axis=1, initial=0.0)
    return Contacts(row, (at - steps.shape[1]) / rate_hz, swing / rate_hz, peak)


def _falls(level: Floats, stride: Floats, rate_hz: float) -> tuple[Integers, Integers]:
    """Rows and places, within the middle second, at which loud falls to quiet."""
    fall = -_steps_up(level, np.round(SWING * stride), np.round(STANCE * stride))
    first, last = (round((CENTRE_S + more) * rate_hz) for more in (0, 1))
    some = np.flatnonzero((fall[:, first:last] >= CONTRAST).any(axis=1))
    fall, stride = fall[some], stride[some]
    best: Booleans = fall[:, first:last] >= CONTRAST
    for lag in range(1, round(APART * STRIDE_S[1] * rate_hz) + 1):
        near = (lag <= APART * stride)[:, None]
        best &= ~near | (fall[:, first:last] > fall[:, first - lag : last - lag])
        best &= ~near | (fall[:, first:last] >= fall[:, first + lag : last + lag])
    row, place = np.nonzero(best)
    return some[row], place + first


def _steps_up(level: Floats, back: Floats, ahead: Floats) -> Floats:
    """(m, n) mean of `level` over the (m,) samples ahead less that over those back; +inf where they are not there."""
    count, places = level.shape[1], np.arange(level.shape[1])[None]
    sums = np.concatenate([np.zeros((len(level), 1)), np.cumsum(level, axis=1)], axis=1)
    behind, beyond = (np.maximum(part, 1).astype(np.int64)[:, None] for part in (back, ahead))
    before, after = np.clip(places - behind, 0, count), np.clip(places + beyond, 0, count)
    here = sums[:, :-1]
    rise = (np.take_along_axis(sums, after, axis=1) - here) / beyond
    rise -= (here - np.take_along_axis(sums, before, axis=1)) / behind
    return np.where((places < behind) | (places + beyond > count), np.inf, rise)


def _shocks(steps: Floats, quiet: Integers, stride: Floats) -> Floats:
    """(k,) place, between two samples, at which half of the energy of the shock before the quiet has come."""
    places = np.arange(steps.shape[1])
    first, last = (quiet - np.round(share * stride) for share in SHOCK)
    energy = np.where((places < first[:, None]) | (places > last[:, None]), 0.0, steps**2)
    sums = np.cumsum(energy, axis=1)
    half, rows = sums[:, -1:] / 2, np.arange(len(energy))
    place = np.argmax(sums >= half, axis=1)
    before = sums[rows, place] - energy[rows, place]
    share = (half[:, 0] - before) / np.maximum(energy[rows, place], 1e-12)
    at: Floats = place - 1 + np.clip(share, 0, 1)
    return at


def _rises(level: Floats, stride: Floats, first: Floats, last: Floats) -> Floats:
    """(k,) place of the sharpest rise between two places."""
    over = np.round(RISE * stride)
    rise, places = _steps_up(level, over, over), np.arange(level.shape[1])
    inside = (places >= first[:, None]) & (places <= last[:, None]) & np.isfinite(rise)
    at: Floats = np.argmax(np.where(inside, rise, -np.inf), axis=1).astype(np.float64)
    return at
