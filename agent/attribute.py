"""A score taken apart exactly: what each axis, segment and aspect of a row added to it, and what belongs to no place.

    score = sum of places + sum of the rest

Every term is computed by its own formula, none as what is left over. The merged score is the logarithm of a mean of
exp, so each part enters with its share (`Anatomy.weight`), which is the slope of the score along that part, and the
difference between the logarithm and the weighted mean is the term `merging`. Within a part:

- open: a sum over places by definition, of the segment that decides; where what was strange in a window before still
  echoes louder than this window, nothing of this window has a share;
- fall: the head is integrated along the line from the nearest normal place (`Known.shares`);
- freezing: a sum over axes and bands of the window's power, in equal parts over its segments; the other legs, and the
  trunk, have their shares at their own positions. Where an earlier pair of windows decides, this one has no share.
"""

from dataclasses import dataclass

import numpy as np

from agent.anatomy import Anatomy
from agent.records import FALL, FREEZING, OPEN, Floats, Integers, Singles
from agent.score import MERGED, Prototypes, echoes, strangeness
from agent.tremble import lasting

ASPECTS = ("posture", "movement", "abruptness", "span", "trembling", "stepping")
"""In what way: the four descriptors of the embedding, then the bands of the freeze index (3.5-8 Hz, 0.5-3 Hz)."""
BANDS = 2
REST = ("level", "echo", "habit", "before", "other_legs", "merging")
"""What belongs to no place of the window: the medians and scales that a normal window has; what was strange just
before; lasting strangeness, and the freeze index that is usual, taken off; what the windows before add to the head for
falls and to the freeze index; the other legs and the trunk, as far as they are not placed; a logarithm of a mean is no
mean."""
LEVEL, ECHO, HABIT, BEFORE, OTHER_LEGS, MERGING = range(len(REST))


@dataclass(frozen=True, slots=True)
class Decomposition:
    """One window's score: `places.sum() + rest.sum()` is the score."""

    places: Singles
    """(positions, 4 axes, segments, aspects); zero for positions that took no part in the score."""
    rest: Floats
    """(6,) as in `REST`."""

    @property
    def by_place(self) -> Singles:
        """(positions, 4 axes, segments)."""
        return np.asarray(self.places.sum(axis=3))


def decompose(anatomy: Anatomy, family: Integers, leading: int, prototypes: Prototypes) -> Decomposition:
    """The score of one window.

    Args:
        anatomy: of the rows of the window.
        family: (positions,) of each.
        leading: the row that set the score.
        prototypes: what it was scored with.
    """
    one = slice(leading, leading + 1)
    own = anatomy.of(one)
    first = contributions(own, family[one], prototypes)
    places = np.zeros((len(family), *first.shape[1:]), np.float32)
    others = rest(own, family[one], prototypes)[0]
    weight = slopes(own, family[one], prototypes)[0, FREEZING]
    if weight > 0:
        limbs = np.isfinite(anatomy.own_limb) & (np.arange(len(family)) != leading)
        places[limbs] = weight * _trembling(anatomy, family, prototypes)[limbs]
        others[OTHER_LEGS] -= places.sum(dtype=np.float64)
    places[leading] = first[0]
    return Decomposition(places, others)


def contributions(anatomy: Anatomy, family: Integers, prototypes: Prototypes) -> Singles:
    """(m, 4 axes, segments, aspects) what each place of a row added to its merged score."""
    slope = slopes(anatomy, family, prototypes)
    descriptors = _spread_out(slope[:, OPEN], _open(anatomy, family, prototypes))
    if prototypes.known:
        descriptors = descriptors + _spread_out(slope[:, FALL], _fall(anatomy, family, prototypes))
    out = np.zeros((*descriptors.shape[:3], len(ASPECTS)), np.float32)
    out[..., :-BANDS] = descriptors
    if slope[:, FREEZING].any():
        out += _spread_out(slope[:, FREEZING], _trembling(anatomy, family, prototypes))
    return out


def rest(anatomy: Anatomy, family: Integers, prototypes: Prototypes) -> Floats:
    """(m, 6) what belongs to no place of the row, as in `REST`."""
    norms, slope, out = prototypes.norms, slopes(anatomy, family, prototypes), np.zeros((len(family), len(REST)))
    finite = np.where(np.isfinite(anatomy.parts), anatomy.parts, 0.0)
    whole = norms.scale[family, MERGED]
    out[:, LEVEL] = -norms.median[family, MERGED] / whole
    merged = anatomy.score * whole + norms.median[family, MERGED]
    out[:, MERGING] = merged / whole - (slope * finite).sum(axis=1)
    level = -norms.median[family, OPEN] / norms.scale[family, OPEN]
    echoed, earlier = echoes(anatomy.reading.strange, anatomy.before, prototypes.echo)
    out[:, LEVEL] += slope[:, OPEN] * level
    out[:, ECHO] = slope[:, OPEN] * np.where(earlier > anatomy.reading.strange, echoed - level, 0.0)
    out[:, HABIT] = -slope[:, OPEN] * anatomy.habit
    if prototypes.known:
        at_rest, remembered = _of_the_head(anatomy, family, prototypes)
        out[:, LEVEL] += slope[:, FALL] * at_rest
        out[:, BEFORE] += slope[:, FALL] * remembered
    if slope[:, FREEZING].any():
        for term, value in _of_the_limbs(anatomy, family, prototypes).items():
            out[:, term] += slope[:, FREEZING] * value
    return out


def slopes(anatomy: Anatomy, family: Integers, prototypes: Prototypes) -> Floats:
    """(m, parts) by how much the score rises with each part."""
    return np.asarray(anatomy.weight / prototypes.norms.scale[family, MERGED][:, None])


def _spread_out(weight: Floats, places: Singles) -> Singles:
    return np.asarray(weight[:, None, None, None] * places, dtype=np.float32)


def _open(anatomy: Anatomy, family: Integers, prototypes: Prototypes) -> Singles:
    """Only the segment that decides has shares: the others could change without changing the score."""
    reading = anatomy.reading
    strange = strangeness(reading.from_prototype, reading.from_context, prototypes.context_weight)
    mask = np.arange(strange.shape[1]) == strange.sum(axis=(2, 3)).argmax(axis=1)[:, None]  # (m, segments)
    mask &= (echoes(reading.strange, anatomy.before, prototypes.echo)[1] <= reading.strange)[:, None]
    placed: Singles = strange * mask[:, :, None, None] / prototypes.norms.scale[family, OPEN][:, None, None, None]
    return placed.transpose(0, 2, 1, 3)


def _fall(anatomy: Anatomy, family: Integers, prototypes: Prototypes) -> Singles:
    m, segments = anatomy.reading.from_prototype.shape[:2]
    before = anatomy.before
    assert prototypes.known is not None
    shares = prototypes.known.shares(anatomy.reading.embedding, before.places, before.known, _normal(anatomy))
    placed = shares.reshape(m, segments, 4, -1).transpose(0, 2, 1, 3)
    return np.asarray(placed / prototypes.norms.scale[family, FALL][:, None, None, None], dtype=np.float32)


def _of_the_head(anatomy: Anatomy, family: Integers, prototypes: Prototypes) -> tuple[Floats, Floats]:
    """(m,) each: what the nearest normal place alone would give, and what the windows before add to that."""
    before, norms = anatomy.before, prototypes.norms
    assert prototypes.known is not None
    normal, places = (np.concatenate([part, part]) for part in (_normal(anatomy), before.places))
    known = np.concatenate([np.zeros_like(before.known), before.known])
    alone, there = np.split(prototypes.known.evidence(normal, places, known).astype(np.float64), 2)
    scale = norms.scale[family, FALL]
    return (alone - norms.median[family, FALL]) / scale, (there - alone) / scale


def _normal(anatomy: Anatomy) -> Singles:
    """(m, d) nearest normal place."""
    away = anatomy.reading.from_prototype
    return np.asarray(anatomy.reading.embedding - away.reshape(len(away), -1))


def _trembling(anatomy: Anatomy, family: Integers, prototypes: Prototypes) -> Singles:
    """(m, 4, segments, aspects) of the freezing part: what the row's own window adds to it."""
    reading = anatomy.reading
    m, segments, axes, descriptors = reading.from_prototype.shape
    places = np.zeros((m, axes, segments, descriptors + BANDS), np.float32)
    _, now = _held(anatomy)
    share = now * _each(anatomy, family, prototypes) / segments
    places[..., -BANDS:] = (share[:, None, None] * reading.trembling)[:, :, None, :]
    return places


def _of_the_limbs(anatomy: Anatomy, family: Integers, prototypes: Prototypes) -> dict[int, Floats]:
    """(m,) each: of the freezing part the level, what is usual, the windows before, the other legs and the trunk."""
    each, (held, now) = _each(anatomy, family, prototypes), _held(anatomy)
    own = np.isfinite(anatomy.own_limb)
    whole = np.where(np.isfinite(anatomy.parts[:, FREEZING]), anatomy.parts[:, FREEZING], 0.0)
    return {
        LEVEL: -each * prototypes.norms.median[family, FREEZING],
        HABIT: -each * anatomy.before.usual,
        BEFORE: each * (held - now * anatomy.reading.trembling.sum(axis=(1, 2))),
        OTHER_LEGS: whole - np.where(own, anatomy.own_limb, 0.0) / np.sqrt(np.maximum(anatomy.limbs, 1)),
    }


def _each(anatomy: Anatomy, family: Integers, prototypes: Prototypes) -> Floats:
    """(m,) by how much the freezing part rises with the index of the row; 0 where it takes no part."""
    scale = np.nan_to_num(prototypes.norms.scale[family, FREEZING], nan=1.0)
    return np.where(np.isfinite(anatomy.own_limb), 1 / (scale * np.sqrt(np.maximum(anatomy.limbs, 1))), 0.0)


def _held(anatomy: Anatomy) -> tuple[Floats, Floats]:
    """`lasting` of the rows."""
    before = anatomy.before
    return lasting(anatomy.reading.trembling.sum(axis=(1, 2)), before.trembling, before.known)
