"""Where in a window, on which axis, for how long and in what way: what is told first, and what people look for.

The shares of the score (`attribute`) say what the model made of the window. They are spread over axes that move
together, and over whole segments. What is told goes one step further: where the model found the window strange, the
samples are held against the level and spread of the closest normal pattern, and what stands out is told. The pattern is
chosen by the segments that do not decide, or what is strange would choose its own excuse.

On movement injected into one axis of the calibration wearers' wear, the axis with the most excess energy was the right
one in 95 of 100, that with the largest share of the score in 64; told by samples, times overlapped by .67, by segments
by .60 (mean intersection over union).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from agent.attribute import ASPECTS, BANDS, ECHO, Decomposition, apart
from agent.expect import Expectation
from agent.records import AXES, Floats, Singles
from agent.retrial import Retrial

EXTENT = 0.3
"""A segment beside the strangest is told with it where it is strange by this share of it."""
STANDS_OUT = 2.0
"""Standard deviations from the expected level at which a sample stands out."""
LEAST_SPREAD_G = 0.05
"""A sensor at rest stands out by its own noise else."""
LEAST_SAMPLES = 4
"""Fewer say nothing of when it began and ended; then whole segments are told."""
STILL_THERE = 0.5
"""Where an earlier window echoes, what this one adds by itself is told as long as it is this share of the echo."""
ECHOING = "echo"
"""Aspect where what was strange just before still counts, and nothing of this window does."""


@dataclass(frozen=True, slots=True)
class Account:
    """What stands out most."""

    position: str
    axis: str
    """`x`, `y` or `z`."""
    axis_share: float
    """Of the energy that the three axes have beyond, or short of, what is expected."""
    start_s: float
    """From the window's end, negative; what is told goes from here to `end_s`."""
    end_s: float
    aspect: str
    """One of `ASPECTS`, or `ECHOING`."""
    difference: float
    """From the closest normal pattern in standard deviations of normal wear; above = positive. Of a band: its share."""


def account(found: Decomposition, retrial: Retrial, expectation: Expectation, positions: Sequence[str]) -> Account:
    """Of the position that raised the score most; `positions`: names of the window's rows."""
    row, layout = found.told, retrial.judge.model.layout
    raised = np.maximum(found.places[row], 0)  # (4 axes, segments, aspects)
    if found.rest[ECHO] > 0:
        if row == retrial.leading:
            raised = np.maximum(_by_itself(retrial), 0)
        if raised.sum() < STILL_THERE * found.rest[ECHO]:
            return Account(positions[retrial.leading], AXES[0], 0.0, -layout.window_s, 0.0, ECHOING, 0.0)
    pattern = retrial.pattern(row)
    away = retrial.away(row)
    told = extent(retrial.strangeness(row, away), EXTENT)
    level, spread = (values[:, :3].T for values in expectation.level_and_spread(pattern))  # (3, segments)
    samples = retrial.judged.windows.samples_g[retrial.rows[row]]
    excess = energy(samples, level, spread)[:, told].sum(axis=1)
    axis = int(excess.argmax())
    start, end = stretch(samples[axis], level[axis], spread[axis], told)
    aspect = int((raised[:, told] if raised[:, told].any() else raised).sum(axis=(0, 1)).argmax())
    return Account(
        position=positions[row],
        axis=AXES[axis],
        axis_share=round(float(excess[axis] / max(excess.sum(), 1e-9)), 4),
        start_s=round(start / layout.rate_hz - layout.window_s, 3),
        end_s=round(end / layout.rate_hz - layout.window_s, 3),
        aspect=ASPECTS[aspect],
        difference=round(_difference(away[told], raised, axis, aspect), 2),
    )


def extent(strange: Floats | Singles, share: float) -> slice:
    """(segments,) -> the strangest, with its neighbours as long as each is strange by that share of it."""
    first = last = int(strange.argmax())
    enough = strange >= share * strange[first]
    while first > 0 and enough[first - 1]:
        first -= 1
    while last + 1 < len(strange) and enough[last + 1]:
        last += 1
    return slice(first, last + 1)


def energy(samples_g: Singles, level_g: Singles, spread_g: Singles) -> Floats:
    """(3, segments) in g^2: by how much the power around the expected level differs from what is expected.

    Args:
        samples_g: (3, samples), NaN = missing.
        level_g: (3, segments).
        spread_g: (3, segments).
    """
    parts = samples_g.reshape(*level_g.shape, -1)
    seen = np.isfinite(parts)
    square = np.where(seen, (parts - level_g[..., None]) ** 2, 0.0).sum(axis=2) / np.maximum(seen.sum(axis=2), 1)
    return np.asarray(np.where(seen.any(axis=2), np.abs(square - spread_g**2), 0.0), dtype=np.float64)


def stretch(samples_g: Singles, level_g: Singles, spread_g: Singles, told: slice) -> tuple[int, int]:
    """First sample, and the one behind the last, that stand out within the told segments; else the segments' own.

    Args:
        samples_g: (samples,) of one axis.
        level_g: (segments,).
        spread_g: (segments,).
        told: segments.
    """
    length = len(samples_g) // len(level_g)
    first, last = told.start * length, told.stop * length
    apart = np.abs(samples_g.reshape(len(level_g), length) - level_g[:, None])
    apart = np.nan_to_num(apart / np.maximum(spread_g, LEAST_SPREAD_G)[:, None]).ravel()
    smooth = np.convolve(apart, np.full(3, 1 / 3), "same")[first:last]
    out = np.flatnonzero(smooth > STANDS_OUT)
    if len(out) < LEAST_SAMPLES:
        return first, last
    return first + int(out[0]), first + int(out[-1]) + 1


def _by_itself(retrial: Retrial) -> Singles:
    """(4 axes, segments, aspects) of the leading position, had nothing been strange before."""
    one = slice(retrial.leading, retrial.leading + 1)
    anatomy = retrial.anatomy.of(one)
    silent = replace(anatomy.before, strange=np.zeros_like(anatomy.before.strange))
    alone = replace(anatomy, before=silent)
    places: Singles = apart(alone, retrial.family[one], retrial.judge.model.prototypes)[0][0]
    return places


def _difference(away: Singles, raised: Singles, axis: int, aspect: int) -> float:
    """(told segments, 4, 4) -> that of one axis and descriptor where it is largest; of a band its share."""
    if aspect >= len(ASPECTS) - BANDS:
        return float(raised[..., aspect].sum())
    column = away[:, axis, aspect]
    return float(column[np.abs(column).argmax()])
