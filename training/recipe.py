"""One causal recipe for any multichannel series: how strange is each row, given a normal first part and no labels?

The sum of two terms, each against its own median and spread over the normal part, and only above that median:

- **shaking**: log of the power of quick over that of slow oscillation, the mean over channels, over two windows. For
  an accelerometer at 64 Hz quick is 3-8 Hz and slow 0.5-3 Hz: the freeze index of Moore, MacDougall, Ondo (Ambulatory
  monitoring of freezing of gait, J Neurosci Methods 167:340-348, 2008). Unlike theirs both powers have a floor, so that
  lying still is no freeze, and logarithms are averaged over channels, so that one limb alone does not decide.
- **novelty**: the description of the last segment (level, movement, abruptness and span of each channel, as
  `training.describe` describes windows) against the nearest of the k-means prototypes of the normal part; its
  strangest channel.

Nothing is tuned by series. The numbers were chosen on simulated series and on the Daphnet runs S01R02, S02R01, S02R02;
what they were chosen from is in the docstring of `Recipe`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.cluster import KMeans

from agent.records import Floats, Integers
from training.describe import four_numbers

_AT_ONCE = 2**24
"""Numbers in the windows that are described at once: bounds memory, also for hundreds of channels."""
_FLOOR = 0.05
"""Deviations of a channel below which it stands still."""
_TO_DEVIATION = 1.4826
"""Median absolute deviation -> standard deviation, for a normal distribution."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Its numbers; lengths in rows, powers in squares of a channel's own deviation over the normal part.

    Mean VUS-PR over the three runs / over 16 simulated series, first quarter for training: shaking alone over 64 rows
    .71/.21, over 96 .68/.21, over 64 and 128 together .76/.22 (floor .01 .75, .1 .75); novelty alone .13/.67; their
    sum at a weight of .2 .77/.45, .35 .75/.52, .5 .69/.56, .75 .59/.59 (segments of 64: .76/.48, .70/.55, .59/.58).
    The largest of the two .50/.51, ranks in the normal part .50/.39, ranks in all of the past .46/.34.
    """

    shake_rows: tuple[int, ...] = (64, 128)
    slow: tuple[float, float] = (0.5 / 64, 3 / 64)
    """Cycles a row, from and below."""
    quick: tuple[float, float] = (3 / 64, 8 / 64)
    power_floor: float = 0.03
    segment_rows: int = 32
    prototypes: int = 32
    novelty_weight: float = 0.35
    hop_rows: int = 8
    """A new score so often; held in between."""
    spread_floor: float = 0.1
    """No term's spread over the normal part counts as less: some series begin with a dead calm."""


DEFAULT = Recipe()


def score(values: Floats, normal_rows: int, recipe: Recipe = DEFAULT, seed: int = 0) -> Floats:
    """(n,) how strange each row is, from that row and those before it alone.

    Args:
        values: (n, channels) finite, of any unit.
        normal_rows: so many rows at the start teach scale, prototypes and spreads; they are scored too.
        recipe: its numbers.
        seed: of the k-means.
    """
    scaled = standardised(values, normal_rows)
    moments = np.arange(recipe.hop_rows, len(values) + 1, recipe.hop_rows)  # rows known when a score is made
    normal = moments <= normal_rows
    shaking = sum(_windowed(scaled, moments, rows, lambda w: _shaking(w, recipe)) for rows in recipe.shake_rows)
    described = _windowed(scaled, moments, recipe.segment_rows, _described)
    strange = _above(np.asarray(shaking), normal, recipe.spread_floor)
    strange += recipe.novelty_weight * _above(novelty(described, normal, recipe, seed), normal, recipe.spread_floor)
    return _held(strange, moments, len(values))


def standardised(values: Floats, normal_rows: int) -> Floats:
    """(n, channels) less the median of the normal part, by its deviation; a channel that is constant there as it is."""
    known = values[:normal_rows]
    deviation = known.std(axis=0)
    scaled: Floats = (values - np.median(known, axis=0)) / np.where(deviation < 1e-6, 1.0, deviation)
    return scaled


def _described(windows: Floats) -> Floats:
    """(m, channels, rows) -> (m, channels, 4): level, movement, abruptness and span; logarithmic far out."""
    return four_numbers(windows, np.diff(windows, axis=2), _FLOOR)


def novelty(described: Floats, normal: Any, recipe: Recipe, seed: int) -> Floats:
    """(m,) distance of the strangest channel from the nearest prototype of the moments that `normal` marks."""
    known = described[normal]
    spread = np.maximum(known.std(axis=0), 0.1)
    places = ((described - np.median(known, axis=0)) / spread).reshape(len(described), -1)
    count = max(1, min(recipe.prototypes, len(np.unique(places[normal], axis=0)) // 4))
    means: Any = KMeans(count, n_init=2, random_state=seed).fit(places[normal])
    nearest: Integers = means.predict(places)
    away = np.abs(places - means.cluster_centers_[nearest]).reshape(described.shape)
    strangest: Floats = away.mean(axis=2).max(axis=1)
    return strangest


def _shaking(windows: Floats, recipe: Recipe) -> Floats:
    """(m,) log power of quick over slow oscillation, the mean over channels, of (m, channels, rows)."""
    rows = windows.shape[2]
    tapered = (windows - windows.mean(axis=2, keepdims=True)) * np.hanning(rows)
    power = np.abs(np.fft.rfft(tapered, axis=2)) ** 2 / rows
    cycles = np.fft.rfftfreq(rows)
    quick, slow = (
        np.log(power[:, :, (cycles >= low) & (cycles < high)].sum(axis=2) + recipe.power_floor)
        for low, high in (recipe.quick, recipe.slow)
    )
    ratio: Floats = (quick - slow).mean(axis=1)
    return ratio


def _windowed(values: Floats, moments: Integers, rows: int, make: Callable[[Floats], Floats]) -> Floats:
    """`make` of the last `rows` rows at each moment; before the start, the first row stands still."""
    padded = np.concatenate([np.repeat(values[:1], rows, axis=0), values])
    windows = sliding_window_view(padded, rows, axis=0)  # (n + 1, channels, rows); at a moment its last row is known
    size = max(1, _AT_ONCE // (values.shape[1] * rows))
    return np.concatenate([make(windows[moments[at : at + size]]) for at in range(0, len(moments), size)])


def _above(term: Floats, normal: Any, floor: float) -> Floats:
    """(m,) a term's excess over its median in the normal part, in its spreads there; 0 below."""
    middle = float(np.median(term[normal]))
    spread = _TO_DEVIATION * float(np.median(np.abs(term[normal] - middle)))
    return np.maximum(term - middle, 0.0) / max(spread, floor)


def _held(strange: Floats, moments: Integers, rows: int) -> Floats:
    """(rows,) each row's latest score; 0, the lowest, before the first."""
    place = np.searchsorted(moments, np.arange(1, rows + 1), side="right") - 1
    return np.where(place < 0, 0.0, strange[np.maximum(place, 0)])
