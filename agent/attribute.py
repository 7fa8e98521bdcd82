"""A score taken apart exactly: what each axis, segment and aspect of a row added to it, and what belongs to no place.

    score = sum of places + sum of the rest

Every term is computed by its own formula, none as what is left over. The merged score is the logarithm of a mean of
exp, so each part enters with its share (`Anatomy.weight`), which is the slope of the score along that part, and the
difference between the logarithm and the weighted mean is the term `merging`. Within a part:

- open: a sum over places by definition, of the segment that decides; where what was strange in a window before still
  echoes louder than this window, nothing of this window has a share; what other limbs add is theirs;
- fall: the head is integrated along the line from the nearest normal place (`Known.apart`);
- freezing: a sum over axes and bands of the window's power, in equal parts over its segments; the other legs, and the
  trunk, have their shares at their own positions. Where an earlier pair of windows decides, this one has no share.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from agent.anatomy import Anatomy
from agent.records import FALL, FREEZING, OPEN, Floats, Integers, Singles
from agent.score import MERGED, Prototypes, echoes, strangeness
from agent.tremble import held

ASPECTS = ("posture", "movement", "abruptness", "span", "trembling", "stepping")
"""In what way: the four descriptors of the embedding, then the bands of the freeze index (3.5-8 Hz, 0.5-3 Hz)."""
BANDS = 2
REST = ("level", "echo", "habit", "before", "other_legs", "merging", "other_limbs")
"""What belongs to no place of the window: the medians and scales that a normal window has; what was strange just
before; lasting strangeness, and the freeze index that is usual, taken off; what the windows before add to the head for
falls and to the freeze index; the other legs and the trunk, as far as they are not placed; a logarithm of a mean is no
mean; what other limbs add to the open part by agreeing."""
LEVEL, ECHO, HABIT, BEFORE, OTHER_LEGS, MERGING, OTHER_LIMBS = range(len(REST))


@dataclass(frozen=True, slots=True)
class Decomposition:
    """One window's score: `places.sum() + rest.sum()` is the score."""

    places: Singles
    """(positions, 4 axes, segments, aspects); zero for positions that took no part in the score."""
    rest: Floats
    """(7,) as in `REST`."""
    leading: int
    """Row that set the score."""

    @property
    def told(self) -> int:
        """Row of the position that raised the score most: a leg that trembles does so for all that is worn with it."""
        raised = self.places.sum(axis=(1, 2, 3), dtype=np.float64)
        raised[self.leading] += self.rest[ECHO] + self.rest[BEFORE]
        most = int(raised.argmax())
        return most if raised[most] > max(raised[self.leading], 0) else self.leading

    @property
    def by_place(self) -> Singles:
        """(positions, 4 axes, segments)."""
        return np.asarray(self.places.sum(axis=3))


class Part(NamedTuple):
    """One part of the score of m rows, in the part's own units."""

    places: Singles
    """(m, 4 axes, segments, its aspects)"""
    rest: dict[int, Floats]
    """Index in `REST` -> (m,)"""

    def of(self, rows: slice) -> "Part":
        """Some rows of it."""
        return Part(self.places[rows], {term: value[rows] for term, value in self.rest.items()})


def decompose(anatomy: Anatomy, family: Integers, leading: int, prototypes: Prototypes) -> Decomposition:
    """The score of one window.

    Args:
        anatomy: of the rows of the window.
        family: (positions,) of each.
        leading: the row that set the score.
        prototypes: what it was scored with.
    """
    one = slice(leading, leading + 1)
    own, own_family, limbs = anatomy.of(one), family[one], np.isfinite(anatomy.own_limb)
    slope = slopes(own, own_family, prototypes)
    weight = float(slope[0, FREEZING])
    parts = {part: TAKEN[part](own, own_family, prototypes) for part in (OPEN, FALL) if slope[0, part] > 0}
    if weight > 0:
        trembling = _freezing(anatomy, family, prototypes)
        parts[FREEZING] = trembling.of(one)
    first, named = _added(own, own_family, prototypes, slope, parts)
    places = np.zeros((len(family), *first.shape[1:]), np.float32)
    if weight > 0:
        places[limbs, ..., ASPECTS_OF[FREEZING]] = weight * trembling.places[limbs]
        places[leading] = 0.0
        named[0, OTHER_LEGS] -= places.sum(dtype=np.float64)
    places[leading] = first[0]
    return Decomposition(places, named[0], leading)


def apart(anatomy: Anatomy, family: Integers, prototypes: Prototypes) -> tuple[Singles, Floats]:
    """What each place of a row added to its merged score, and what belongs to no place of it.

    Returns:
        (m, 4 axes, segments, aspects), and (m, 7) as in `REST`; together they sum to the score of each row.
    """
    slope = slopes(anatomy, family, prototypes)
    parts = {part: taken(anatomy, family, prototypes) for part, taken in TAKEN.items() if slope[:, part].any()}
    return _added(anatomy, family, prototypes, slope, parts)


def _added(
    anatomy: Anatomy, family: Integers, prototypes: Prototypes, slope: Floats, parts: dict[int, Part]
) -> tuple[Singles, Floats]:
    norms, (m, segments, axes, _) = prototypes.norms, anatomy.reading.from_prototype.shape
    places, rest = np.zeros((m, axes, segments, len(ASPECTS)), np.float32), np.zeros((m, len(REST)))
    level = norms.median[family, MERGED] / norms.scale[family, MERGED]
    rest[:, LEVEL] = -level
    had = np.where(np.isfinite(anatomy.parts), anatomy.parts, 0.0)
    rest[:, MERGING] = anatomy.score + level - (slope * had).sum(axis=1)
    for number, part in parts.items():
        weight = slope[:, number]
        places[..., ASPECTS_OF[number]] += weight[:, None, None, None] * part.places
        for term, value in part.rest.items():
            rest[:, term] += weight * value
    return places, rest


def slopes(anatomy: Anatomy, family: Integers, prototypes: Prototypes) -> Floats:
    """(m, parts) by how much the score rises with each part."""
    return np.asarray(anatomy.weight / prototypes.norms.scale[family, MERGED][:, None])


def _open(anatomy: Anatomy, family: Integers, prototypes: Prototypes) -> Part:
    """Only the segment that decides has shares: the others could change without changing the score."""
    reading, norms = anatomy.reading, prototypes.norms
    strange = strangeness(reading.from_prototype, reading.from_context, prototypes.context_weight)
    mask = np.arange(strange.shape[1]) == strange.sum(axis=(2, 3)).argmax(axis=1)[:, None]  # (m, segments)
    echoed, earlier = echoes(reading.strange, anatomy.before, prototypes.echo)
    echoing = earlier > reading.strange
    slope, scale = anatomy.open_slope, norms.scale[family, OPEN]
    level = -norms.median[family, OPEN] / scale
    mask = mask & ~echoing[:, None]
    places = strange * (mask * (slope / scale)[:, None])[:, :, None, None]
    rest = {
        LEVEL: slope * level,
        ECHO: slope * np.where(echoing, echoed - level, 0.0),
        HABIT: -slope * anatomy.habit,
        OTHER_LIMBS: anatomy.parts[:, OPEN] - slope * (echoed - anatomy.habit),
    }
    return Part(places.transpose(0, 2, 1, 3), rest)


def _fall(anatomy: Anatomy, family: Integers, prototypes: Prototypes) -> Part:
    reading, before, norms = anatomy.reading, anatomy.before, prototypes.norms
    m, segments, axes, _ = reading.from_prototype.shape
    if prototypes.known is None:
        return Part(np.zeros((m, axes, segments, 1), np.float32), {})
    normal = reading.embedding - reading.from_prototype.reshape(m, -1)
    found = prototypes.known.apart(reading.embedding, before.places, before.known, normal)
    scale = norms.scale[family, FALL]
    places = (found.shares / scale[:, None]).reshape(m, segments, axes, -1).transpose(0, 2, 1, 3)
    return Part(places, {LEVEL: (found.alone - norms.median[family, FALL]) / scale, BEFORE: found.before / scale})


def _freezing(anatomy: Anatomy, family: Integers, prototypes: Prototypes) -> Part:
    reading, before, norms = anatomy.reading, anatomy.before, prototypes.norms
    own, root = np.isfinite(anatomy.own_limb), np.sqrt(np.maximum(anatomy.limbs, 1))
    each = own / (np.where(own, norms.scale[family, FREEZING], 1.0) * root)
    index = reading.trembling.sum(axis=(1, 2))
    lasts, now = held(index, before.trembling, before.known)
    whole = np.where(np.isfinite(anatomy.parts[:, FREEZING]), anatomy.parts[:, FREEZING], 0.0)
    rest = {
        LEVEL: -each * norms.median[family, FREEZING],
        HABIT: -each * before.usual,
        BEFORE: each * (lasts - now * index),
        OTHER_LEGS: whole - np.where(own, anatomy.own_limb, 0.0) / root,
    }
    segments = reading.from_prototype.shape[1]
    placed = ((each * now / segments)[:, None, None] * reading.trembling)[:, :, None, :]
    return Part(np.repeat(placed, segments, axis=2).astype(np.float32), rest)


TAKEN: dict[int, Callable[[Anatomy, Integers, Prototypes], Part]] = {OPEN: _open, FALL: _fall, FREEZING: _freezing}
"""Part of the score -> what takes it apart."""
ASPECTS_OF = {OPEN: slice(0, -BANDS), FALL: slice(0, -BANDS), FREEZING: slice(-BANDS, None)}
"""Part of the score -> its columns of `ASPECTS`."""
