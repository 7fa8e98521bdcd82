"""What four seconds of a trunk show: whether it walks, how fast, and how evenly.

Every step shakes the trunk, every second one in the same way. So its acceleration repeats itself after a step and after
a stride, and the first as well as the second only if left and right steps are alike: step over stride regularity
(Moe-Nilssen & Helbostad 2004, J. Biomech. 37:121). One sensor cannot tell which side differs.

A turn breaks the rhythm for a second or two, though its steps are made: who walks before and after, and does not stand
still between, has walked through it at the pace of both.
"""

from dataclasses import dataclass

import numpy as np

from agent.limbs.contact import CENTRE_S, repeats
from agent.limbs.posture import RHYTHM, STRIDE_G
from agent.records import Floats, Integers

STEP_S = (0.25, 1.0)
"""Time of a step."""
CLEAR = 0.5
"""The shortest lag with a peak of half the highest is a step; a limping one repeats itself less than the stride."""
TWICE = 0.15
"""A stride lasts two steps, give or take."""
TURN_S = 2.0
"""Longest gap that is bridged: turns took 1.3 to 2.4 s in the walkers of `healthy_gait` who were looked at."""


@dataclass(frozen=True, slots=True)
class Sway:
    """One second of m trunks."""

    walking: Floats
    """(m,) seconds walked: 1 = it walks."""
    steps: Floats
    """(m,) steps in them."""
    evenness: Floats
    """(m,) step regularity over stride regularity, times the seconds; 1 = left and right alike; 0 where it does not
    walk."""


class Turns:
    """Of each trunk, the last second in which it walked; forgotten once it stands still."""

    def __init__(self) -> None:
        self._end_s: Floats = np.empty(0)
        self._steps: Floats = np.empty(0)

    def follow(self, sway: Sway, length: Floats, stream: Integers, end_s: Floats, rate_hz: float) -> Sway:
        """`sway` of (m,) different streams with the turns that have ended; (m, n) `length` as in `sway`."""
        self._grow(int(stream.max(initial=-1)) + 1)
        gap_s = np.round(end_s - self._end_s[stream] - 1)
        turned_s = np.where((sway.walking > 0) & (gap_s > 0) & (gap_s <= TURN_S), gap_s, 0.0)
        pace = (sway.steps + self._steps[stream]) / 2
        first, last = (round((CENTRE_S + more) * rate_hz) for more in (0, 1))
        moves = length[:, first:last].std(axis=1) >= STRIDE_G[0]
        walks = sway.walking > 0
        self._end_s[stream] = np.where(walks, end_s, np.where(moves, self._end_s[stream], np.nan))
        self._steps[stream] = np.where(walks, sway.steps, self._steps[stream])
        evenness = sway.evenness * (1 + turned_s)
        return Sway(sway.walking + turned_s, sway.steps + turned_s * pace, evenness)

    def _grow(self, streams: int) -> None:
        new = max(streams - len(self._end_s), 0)
        self._end_s = np.concatenate([self._end_s, np.full(new, np.nan)])
        self._steps = np.concatenate([self._steps, np.zeros(new)])


def sway(length: Floats, rate_hz: float) -> Sway:
    """Read the (m, n) length of the acceleration of trunks over some seconds."""
    low, high = (round(lag_s * rate_hz) for lag_s in STEP_S)
    every = repeats(length, low, round(2 * (1 + TWICE) * high)) if len(length) else np.zeros((0, high))
    single = every[:, : high - low + 1]
    step = np.argmax(single >= CLEAR * every.max(axis=1, keepdims=True, initial=-1.0), axis=1)
    by_step = single[np.arange(len(length)), step]
    lags = low + np.arange(every.shape[1])
    twice = np.abs(lags / (2.0 * (low + step[:, None])) - 1) <= TWICE
    stride = np.argmax(np.where(twice, every, -1.0), axis=1)
    by_stride = np.where(twice, every, -1.0).max(axis=1, initial=-1.0)
    walking = (np.maximum(by_step, by_stride) >= RHYTHM) & (length.std(axis=1) >= STRIDE_G[0]) & (by_stride > 0)
    evenness = np.clip(by_step / np.maximum(by_stride, 1e-9), 0.0, 2.0)
    return Sway(walking * 1.0, np.where(walking, 2 * rate_hz / lags[stride], 0.0), np.where(walking, evenness, 0.0))
