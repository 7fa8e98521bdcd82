"""Functional use of an arm, learnt from labelled moments: a logistic regression on both arms and their surroundings.

What a hand does shows in how the moment lies among its neighbours and beside the other arm, so each moment is described
by both arms, now and over 0.5, 1.5, 4 and 10 s to either side: an answer comes ten seconds late, never from the future
of what has been heard. None is shipped: `python -m training limbs-detector` makes one from a user's own recordings, and
`detector` in the settings names it; then use is told by it beside the other rules.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.errors import SettingsError
from agent.records import Floats, Integers

BASE = ("tilt", "roll", "level", "vigour", "counts")
"""Of one arm in one moment: tilt of the forearm, turn about it (radians, the sign dropped: left and right are mirror
images), third component of gravity, log10 of the variance in g², log(1 + counts)."""
SPANS_S = (0.5, 1.5, 4.0, 10.0)
MOMENTS = 4
"""A second, in the live path."""
APART = (0, 3, 4)
"""Columns of `BASE` of which the difference between the arms is taken."""


def base(gravity: Floats, variance: Floats, counts: Floats) -> Floats:
    """(..., 5) what describes a moment of an arm.

    Args:
        gravity: (..., 3) mean acceleration, x along the forearm.
        variance: (...,) sum of the variances of the axes, g².
        counts: (...,) activity counts of the moment, for a second.
    """
    x, y, z = np.moveaxis(gravity / np.maximum(np.linalg.norm(gravity, axis=-1, keepdims=True), 1e-9), -1, 0)
    tilt, roll = np.arcsin(np.clip(x, -1, 1)), np.abs(np.arctan2(y, z))
    return np.stack([tilt, roll, z, np.log10(variance + 1e-5), np.log1p(counts)], axis=-1)


def moments(second_g: Floats, counts: Floats, forearm: int) -> Floats:
    """(m, 4, 5) the moments of (m, 3, samples) seconds with (m,) counts each; `forearm`: axis along the forearm."""
    parts = np.array_split(np.roll(second_g, -forearm, axis=1), MOMENTS, axis=2)
    each = [base(part.mean(axis=2), part.var(axis=2).sum(axis=1), counts) for part in parts]
    return np.stack(each, axis=1)


def describe(own: Floats, other: Floats, rate_hz: float) -> Floats:
    """(n, features) of n moments that follow each other without a gap: own (n, 5), other (n, 5), NaN = not heard."""
    apart = (own - other)[:, APART]
    around = [np.concatenate(_around(part, rate_hz), axis=1) for part in (own, other, apart)]
    return np.concatenate([own, other, apart, *around], axis=1)


def _around(part: Floats, rate_hz: float) -> list[Floats]:
    """Mean and standard deviation of each column over each span, as far as the run reaches."""
    padded = np.concatenate([np.zeros((1, part.shape[1])), np.cumsum(part, axis=0)])
    squares = np.concatenate([np.zeros((1, part.shape[1])), np.cumsum(part**2, axis=0)])
    here, out = np.arange(len(part)), []
    for span_s in SPANS_S:
        reach = max(1, round(span_s * rate_hz))
        low, high = np.maximum(here - reach, 0), np.minimum(here + reach + 1, len(part))
        count = (high - low)[:, None]
        mean = (padded[high] - padded[low]) / count
        out += [mean, np.sqrt(np.maximum((squares[high] - squares[low]) / count - mean**2, 0.0))]
    return out


@dataclass(frozen=True, slots=True)
class Detector:
    """Chance of functional use of each moment, and when to abstain."""

    rate_hz: float
    """Moments a second that it was learnt on."""
    mean: Floats
    """(features,)"""
    scale: Floats
    weights: Floats
    bias: float
    share: float
    """Share of use among the moments it was learnt on; the chance is given as if it were a half."""
    doubt: float
    """A chance nearer to one half than this is an abstention."""

    def chance(self, features: Floats) -> Floats:
        """(n,) chance of functional use in [0, 1]; an arm that is not heard counts as an average one."""
        standard = np.nan_to_num((features - self.mean) / self.scale)
        chance: Floats = 1 / (1 + np.exp(-np.clip(standard @ self.weights + self.bias, -30, 30)))
        return chance

    def expected(self, chance: Floats) -> Floats:
        """(n,) share of use to be expected of each moment, for durations: the chance with the learnt share put back."""
        odds = chance / np.maximum(1 - chance, 1e-12) * self.share / (1 - self.share)
        expected: Floats = odds / (1 + odds)
        return expected

    def answer(self, chance: Floats) -> Floats:
        """(n,) 1 = used, 0 = not, NaN = abstains."""
        return np.where(np.abs(chance - 0.5) < self.doubt, np.nan, (chance > 0.5).astype(float))

    def save(self, path: Path) -> None:
        """Write it."""
        np.savez(
            path, allow_pickle=False, **{name: np.asarray(getattr(self, name)) for name in self.__dataclass_fields__}
        )

    @classmethod
    def open(cls, path: Path) -> "Detector":
        """Read what `save` wrote.

        Raises:
            SettingsError: it is no such file.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                given = {name: arrays[name] for name in cls.__dataclass_fields__}
        except (OSError, ValueError, KeyError) as error:
            raise SettingsError(
                f"detector {path}: {error}; make one with `python -m training limbs-detector`"
            ) from error
        rate_hz, bias, share, doubt = (float(given[name]) for name in ("rate_hz", "bias", "share", "doubt"))
        return cls(rate_hz, given["mean"], given["scale"], given["weights"], bias, share, doubt)


class Stream:
    """One arm's moments as they come: remembers the last 20 s, answers for the moment ten seconds ago."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._reach = round(SPANS_S[-1] * detector.rate_hz)
        self._recent: list[tuple[Floats, Floats]] = []

    def add(self, own: Floats, other: Floats) -> float | None:
        """Add a moment, (5,) each; the chance of the one `SPANS_S[-1]` ago, None before there is one."""
        self._recent = [*self._recent, (own, other)][-2 * self._reach - 1 :]
        if len(self._recent) <= self._reach:
            return None
        own_, other_ = (np.stack(part) for part in zip(*self._recent, strict=True))
        here = len(own_) - 1 - self._reach
        return float(self._detector.chance(describe(own_, other_, self._detector.rate_hz)[here : here + 1])[0])


class Uses:
    """Both arms of all wearers, second by second."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._streams: dict[int, tuple[Stream, Stream]] = {}
        self._ended_s: dict[int, float] = {}

    def follow(self, wearer: Integers, end_s: Floats, seconds: Floats) -> Floats:
        """(n, 2) seconds of use to be expected of each arm, of the second that lies ten back; 0 before there is one.

        Args:
            wearer: (n,) slots.
            end_s: (n,) ends of the seconds, of one wearer in order; a hole starts anew.
            seconds: (n, 2, 4, 5) moments of left and right arm; NaN = not heard.
        """
        used = np.zeros((len(wearer), 2))
        for row, (slot, at_s) in enumerate(zip(wearer.tolist(), end_s.tolist(), strict=True)):
            if abs(at_s - self._ended_s.get(slot, -np.inf) - 1) > 0.25:
                self._streams[slot] = Stream(self._detector), Stream(self._detector)
            self._ended_s[slot] = at_s
            for side, stream in enumerate(self._streams[slot]):
                told = [stream.add(*pair) for pair in zip(seconds[row, side], seconds[row, 1 - side], strict=True)]
                chance = np.array([one for one in told if one is not None])
                used[row, side] = self._detector.expected(chance).sum() / MOMENTS
        return used
