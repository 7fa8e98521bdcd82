"""A score taken apart: what each axis, segment and descriptor of one row added to it.

The merged score is the logarithm of a mean of exp, so each part enters with its share (`Anatomy.weight`), which is
the slope of the score along that part. Within a part: the open score is a sum over places by definition; the
head for falls is integrated along the line from the nearest normal place; trembling belongs to its axes over the whole
window. What belongs to no place (medians, the echo of the windows before, what those windows add to the head's answer,
and the difference between a mean and its logarithm) is the offset: score = sum of contributions + offset.
"""

import numpy as np

from agent.records import FALL, FREEZING, OPEN, Integers, Singles
from agent.score import MERGED, Anatomy, Prototypes, strangeness

MOVEMENT = 1
"""The descriptor that trembling is filed under."""


def contributions(anatomy: Anatomy, family: Integers, prototypes: Prototypes) -> Singles:
    """(m, 4 axes, segments, 4 descriptors) what each place added to the merged score."""
    norms, m = prototypes.norms, len(family)
    weight = anatomy.weight / norms.scale[family, MERGED][:, None]
    total = _spread_out(weight[:, OPEN] / norms.scale[family, OPEN], _open(anatomy, prototypes))
    if prototypes.known:
        total += _spread_out(weight[:, FALL] / norms.scale[family, FALL], _fall(anatomy, prototypes))
    trembles = (weight[:, FREEZING] > 0) & np.isfinite(norms.scale[family, FREEZING])
    share = np.zeros(m)
    share[trembles] = weight[trembles, FREEZING] / norms.scale[family[trembles], FREEZING]
    return np.asarray(total + _spread_out(share, _trembling(anatomy)), dtype=np.float32)


def _spread_out(weight: np.ndarray, places: Singles) -> Singles:
    return np.asarray(weight[:, None, None, None] * places, dtype=np.float32)


def _open(anatomy: Anatomy, prototypes: Prototypes) -> Singles:
    """Only the segment that decides has shares: the others could change without changing the score."""
    strange = strangeness(anatomy.from_prototype, anatomy.from_context, prototypes.context_weight)
    decides = strange.sum(axis=(2, 3)).argmax(axis=1)
    mask = np.arange(strange.shape[1]) == decides[:, None]  # (m, segments)
    placed: Singles = strange * mask[:, :, None, None]
    return placed.transpose(0, 2, 1, 3)


def _fall(anatomy: Anatomy, prototypes: Prototypes) -> Singles:
    if prototypes.known is None:
        raise ValueError("this bundle has no head for falls")
    m, segments = anatomy.from_prototype.shape[:2]
    normal = anatomy.embedding - anatomy.from_prototype.reshape(m, -1)
    shares = prototypes.known.shares(anatomy.embedding, anatomy.before, anatomy.remembered, normal)
    return shares.reshape(m, segments, 4, -1).transpose(0, 2, 1, 3)


def _trembling(anatomy: Anatomy) -> Singles:
    """The index of each axis, in equal parts over the segments: it is one number of the whole window."""
    m, segments, axes, descriptors = anatomy.from_prototype.shape
    places = np.zeros((m, axes, segments, descriptors), np.float32)
    places[..., MOVEMENT] = np.maximum(anatomy.trembling, 0)[:, :, None] / segments
    return places
