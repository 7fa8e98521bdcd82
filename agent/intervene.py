"""What would have changed the verdict: the fewest segments of the fewest positions that, had they been as the model
expects, would have let `normal` stand. A causal reading of the *model*, not of the person.

The replacement is made in the samples: each segment keeps its shape, at the level and with the spread of the closest
normal pattern (`expect`), the sharpest tops cut off; that pattern is chosen by the segments that do not decide. Each
candidate is then judged the way the window was judged (`retrial`), so what is told has been tried. One place more than
the window's segments may be replaced: the second and a half before it, which the head for falls and the echo still
hold. Sets are tried by size, so the first that works is a smallest one; of single places that which added most to the
score is tried before the others, as it mostly is enough. Where several positions each rule `normal` out, theirs are
joined.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from agent.attribute import BEFORE as LAGGED
from agent.attribute import ECHO, Decomposition
from agent.expect import Expectation
from agent.past import LAGS
from agent.records import NORMAL, Booleans, Floats, Singles
from agent.retrial import Answer, Retrial

BEFORE = -1
"""Number of the place before the window, beside those of its segments."""
SHARPEST = 2.0
"""Standard deviations at which tops are cut off: an impact keeps its shape too well otherwise."""
STILL_G = 1e-3
"""What moves less has no shape to keep; a swing at `SWING_HZ` stands in for it."""
SWING_HZ = 2.0

Place = tuple[int, int]
"""Position among the window's rows, and segment or `BEFORE`."""


@dataclass(frozen=True, slots=True)
class Intervention:
    """What, replaced, changes the verdict."""

    places: tuple[Place, ...]
    labels: Booleans
    """(3,) the verdict that follows."""
    p_value: float
    """The p-value that follows."""


def intervene(retrial: Retrial, expectation: Expectation, found: Decomposition) -> Intervention | None:
    """The smallest set of places that lets `normal` stand; None where nothing does, or where it stands by itself now.

    Args:
        retrial: of the window.
        expectation: what the model expects of a signal.
        found: the score taken apart; what raised it most is tried first.
    """
    held, replaced, position, leader = list[Place](), retrial.stretches_g, found.told, retrial.leading
    while position >= 0 and position not in {place[0] for place in held}:
        chosen, replaced, answer = _fewest(retrial, _Trial(expectation, found, replaced, position, leader))
        held += [(position, segment) for segment in chosen]
        if answer.verdicts.labels[0, NORMAL]:
            one = Intervention(tuple(held), answer.verdicts.labels[0], float(answer.surprise.p_value[0]))
            return one if held else None
        position = leader = int(answer.surprise.leading_row[0])
    return None


@dataclass(frozen=True, slots=True)
class _Trial:
    expectation: Expectation
    found: Decomposition
    stretches_g: Singles
    """As far as it is replaced."""
    position: int
    """Whose places are tried."""
    leader: int
    """Who sets the score before that."""


def _fewest(retrial: Retrial, trial: _Trial) -> tuple[tuple[int, ...], Singles, Answer]:
    """The fewest places of one position that let `normal` stand, or at least let another position lead; else all."""
    expected = trial.expectation.level_and_spread(retrial.pattern(trial.position))
    for sets in _in_turn(likeliest(trial.found, trial.position)):
        tried = np.stack([_with(trial.stretches_g, trial.position, places, expected, retrial) for places in sets])
        found = retrial.answer(retrial.rescored(tried))
        normal = found.verdicts.labels[:, NORMAL]
        moved = found.surprise.leading_row % len(retrial.rows) != trial.leader
        works = np.flatnonzero(normal if normal.any() else moved)
        if len(works):
            break
    best = min(works.tolist(), key=lambda one: (len(sets[one]), -found.surprise.p_value[one]), default=0)
    return sets[best], tried[best], found.of(best, len(retrial.rows))


def likeliest(found: Decomposition, position: int) -> list[int]:
    """Segments of a position and `BEFORE`, by what each added to the score, the most first."""
    added = [*found.places[position].sum(axis=(0, 2)).tolist(), found.rest[ECHO] + found.rest[LAGGED]]
    places = [*range(len(added) - 1), BEFORE]
    return sorted(places, key=lambda place: -added[place])


def _in_turn(places: Sequence[int]) -> Iterator[list[tuple[int, ...]]]:
    """Sets of places by size, all of one size together; but none at all, and the likeliest alone, are tried first."""
    yield [(), (places[0],)]
    yield [(place,) for place in places[1:]]
    for size in range(2, len(places) + 1):
        yield list(itertools.combinations(places, size))


def _with(
    stretches_g: Singles, position: int, places: tuple[int, ...], expected: tuple[Singles, Singles], retrial: Retrial
) -> Singles:
    """A copy with those places of one position as expected."""
    out = stretches_g.copy()
    level, spread = expected
    before = LAGS * retrial.hop
    length = (out.shape[2] - before) // len(level)
    for segment in places:
        start, stop = (0, before) if segment == BEFORE else (before + segment * length, before + (segment + 1) * length)
        target = max(segment, 0)
        out[position, :, start:stop] = reshaped(
            out[position, :, start:stop], level[target, :3], spread[target, :3], retrial.judge.model.layout.rate_hz
        )
    return out


def reshaped(samples_g: Singles, level: Floats | Singles, spread: Floats | Singles, rate_hz: float) -> Singles:
    """(3, n) samples with the mean and the standard deviation (3,) that are wanted; what is missing stays missing."""
    seen = np.isfinite(samples_g)
    count = np.maximum(seen.sum(axis=1, keepdims=True), 1)
    away = samples_g - np.where(seen, samples_g, 0).sum(axis=1, keepdims=True) / count
    moved = np.sqrt(np.where(seen, away**2, 0).sum(axis=1, keepdims=True) / count)
    swing = np.sqrt(2) * np.sin(2 * np.pi * SWING_HZ / rate_hz * np.arange(samples_g.shape[1]))
    shape = np.where(moved > STILL_G, np.clip(away / np.maximum(moved, STILL_G), -SHARPEST, SHARPEST), swing)
    return np.where(seen, level[:, None] + spread[:, None] * shape, np.nan).astype(np.float32)
