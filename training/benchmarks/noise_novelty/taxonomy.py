"""The faults, and how strong is slight, clear and gross."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agent.records import Floats, Singles
from training.faults import (
    clipped,
    dropped,
    exchanged,
    held,
    leaping,
    misplaced,
    noisy,
    rotation,
    scaled,
    shifted,
    turned,
)

GRADES = ("slight", "clear", "gross")
LEAST_CHANGE_G, LEAST_SHARE, LEAP_G = 0.01, 0.01, 1.0
"""A fault took place where it changes this share of the samples by more than this, or loses or moves them; or changes
any by as much as a leap."""


@dataclass(frozen=True, slots=True)
class Track:
    """What one sensor sent."""

    times_s: Floats
    """(n,) strictly increasing."""
    samples_g: Singles
    """(n, 3) in g; NaN = missing."""

    @property
    def rate_hz(self) -> float:
        return 1 / float(np.median(np.diff(self.times_s)))

    def steps(self, length_s: float) -> int:
        """Samples in so many seconds, at least one."""
        return max(1, round(length_s * self.rate_hz))


Injection = Callable[[Track, float, np.random.Generator], Track]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind."""

    name: str
    unit: str
    """Of its strength."""
    grades: dict[str, float]
    """Strength of each of `GRADES` that there is."""
    inject: Injection
    """(track, strength, rng) -> the track with the fault from its start to its end."""
    tellable: bool = True
    """False = no program can tell it from the samples; see the package's docstring."""
    span_s: float = 60.0


def took_place(before: Track, after: Track) -> bool:
    """Whether the fault changed anything worth the name."""
    if len(before.times_s) != len(after.times_s) or not np.array_equal(before.times_s, after.times_s):
        return True
    apart = np.abs(after.samples_g - before.samples_g).max(axis=1)
    lost = np.isnan(after.samples_g).any(axis=1) & ~np.isnan(before.samples_g).any(axis=1)
    return bool(((apart > LEAST_CHANGE_G) | lost).mean() >= LEAST_SHARE or np.nanmax(apart, initial=0.0) >= LEAP_G)


def _with(track: Track, rows: Singles) -> Track:
    return Track(track.times_s, np.ascontiguousarray(rows[0].T))


def _rows(track: Track) -> Singles:
    return np.ascontiguousarray(track.samples_g.T[None])


def _one_axis(rng: np.random.Generator) -> np.ndarray:
    return np.asarray(np.arange(3) == rng.integers(3))[:, None]


def _stuck(track: Track, strength: float, rng: np.random.Generator) -> Track:
    """1: all axes for half a second in every five; 2: one axis throughout; 3: all axes throughout."""
    since = track.times_s - track.times_s[0]
    when = (since % 5.0 < 0.5) if strength < 2 else np.ones(len(since), np.bool_)
    which = _one_axis(rng) if 2 <= strength < 3 else np.ones((3, 1), np.bool_)
    return _with(track, held(_rows(track), which & when))


def _offset(track: Track, strength: float, rng: np.random.Generator) -> Track:
    return _with(track, shifted(_rows(track), rng.choice([-1.0, 1.0]) * strength * _one_axis(rng)))


def _gain(track: Track, strength: float, rng: np.random.Generator) -> Track:
    return _with(track, scaled(_rows(track), np.array(1 + rng.choice([-1.0, 1.0]) * strength)))


def _drift(track: Track, strength: float, rng: np.random.Generator) -> Track:
    share = (track.times_s - track.times_s[0]) / max(track.times_s[-1] - track.times_s[0], 1e-9)
    return _with(track, shifted(_rows(track), rng.choice([-1.0, 1.0]) * strength * _one_axis(rng) * share))


def _rotation(track: Track, strength: float, rng: np.random.Generator) -> Track:
    """Within half a second, about an axis of any direction."""
    share = np.clip((track.times_s - track.times_s[0]) / 0.5, 0.0, 1.0)
    turn = rotation(rng.normal(size=(1, 3)), np.array([np.radians(strength)]))
    return _with(track, turned(_rows(track), turn, np.asarray(share)[None, None]))


def _axes(track: Track, strength: float, rng: np.random.Generator) -> Track:
    """1: one axis the wrong way round; 2: two axes exchanged."""
    first = int(rng.integers(3))
    order, sign = [0, 1, 2], [1, 1, 1]
    if strength < 2:
        sign[first] = -1
    else:
        second = (first + int(rng.integers(1, 3))) % 3
        order[first], order[second] = second, first
    return _with(track, exchanged(_rows(track), (order[0], order[1], order[2]), (sign[0], sign[1], sign[2])))


def _clipping(track: Track, strength: float, rng: np.random.Generator) -> Track:
    return _with(track, clipped(_rows(track), np.array(strength)))


def _dropout(track: Track, strength: float, rng: np.random.Generator) -> Track:
    """Runs of half a second."""
    steps, samples = track.steps(0.5), len(track.times_s)
    lost = rng.random(samples // steps + 1) < strength
    return _with(track, dropped(_rows(track), np.repeat(lost, steps)[:samples]))


def _spikes(track: Track, strength: float, rng: np.random.Generator) -> Track:
    """Single values of one axis at a time, once in 20 s, in 2 s, in half a second: the stronger, the more often."""
    every_s = 20.0 if strength < 4 else 2.0 if strength < 8 else 0.5
    samples = len(track.times_s)
    leaps = np.zeros((1, 3, samples))
    for place in np.flatnonzero(rng.random(samples) < 1 / track.steps(every_s)):
        leaps[0, rng.integers(3), place] = rng.choice([-1.0, 1.0]) * strength
    return _with(track, leaping(_rows(track), leaps))


def _jitter(track: Track, strength: float, rng: np.random.Generator) -> Track:
    """Each sample comes from an instant up to `strength` away, to the nearest sample."""
    most = track.steps(strength / 1000)
    return _with(track, misplaced(_rows(track), rng.integers(-most, most + 1, (1, len(track.times_s)))))


def _skew(track: Track, strength: float, rng: np.random.Generator) -> Track:
    """The device's seconds are too long or too short."""
    start = track.times_s[0]
    factor = 1 + rng.choice([-1.0, 1.0]) * strength
    return Track(start + (track.times_s - start) * factor, track.samples_g)


def _noise(track: Track, strength: float, rng: np.random.Generator) -> Track:
    return _with(track, noisy(_rows(track), np.array(strength), rng))


SIDES = "sides"
"""Left and right exchanged: needs two tracks, so `episodes` does it."""

TAXONOMY = (
    Fault("stuck", "1: all, 0.5 s in 5; 2: one axis; 3: all axes", {"slight": 1, "clear": 2, "gross": 3}, _stuck),
    Fault("offset", "g on one axis", {"slight": 0.05, "clear": 0.25, "gross": 0.6}, _offset),
    Fault("gain", "share, all axes", {"slight": 0.03, "clear": 0.2, "gross": 0.5}, _gain),
    Fault("drift", "g on one axis, reached after 120 s", {"slight": 0.05, "clear": 0.3, "gross": 0.8}, _drift,
          span_s=120.0),
    Fault("rotation", "degrees", {"slight": 10, "clear": 35, "gross": 80}, _rotation),
    Fault("axes", "1: one reversed; 2: two exchanged", {"clear": 1, "gross": 2}, _axes),
    Fault("clipping", "range, +-g", {"slight": 4.0, "clear": 2.0, "gross": 1.2}, _clipping),
    Fault("dropout", "share lost, in runs of 0.5 s", {"slight": 0.05, "clear": 0.25, "gross": 0.6}, _dropout),
    Fault("spikes", "g; every 20, 2, 0.5 s", {"slight": 2.0, "clear": 4.0, "gross": 8.0}, _spikes),
    Fault("jitter", "ms, largest", {"slight": 10, "clear": 40, "gross": 100}, _jitter),
    Fault("skew", "share of the rate", {"slight": 0.01, "clear": 0.05, "gross": 0.2}, _skew, tellable=False),
    Fault("noise", "g, standard deviation", {"slight": 0.01, "clear": 0.06, "gross": 0.25}, _noise),
    Fault(SIDES, "two sensors of one person", {"gross": 1}, lambda track, strength, rng: track, tellable=False),
)  # fmt: skip
