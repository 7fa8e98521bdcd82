"""Was it measured right? Masses on {normal, novelty} (yes), {noise} (no) and all three (no telling), for each row.

Physics comes first: where `quality` is certain, nothing else is asked. Everything else is for an evidential layer on
distances to prototypes (Denoeux 2000, IEEE Trans. SMC-A 30:131; before it, as in Tong, Xu, Denoeux 2021, Neurocomputing
450:275, a small network that makes the space in which distances mean something). Prototype i, at distance d of what
`symptoms` shows, is a witness with

    m_i(right) = u_i s_i     m_i(wrong) = (1 - u_i) s_i     m_i(all) = 1 - s_i     s_i = a_i exp(-g_i d^2)

and all of them are combined by Dempster's rule. Far from every prototype nothing is known, and the mass stays on all.
What it says of `wrong` is discounted by its reliability, and likewise for `right` (contextual discounting: Mercier,
Quost, Denoeux 2008, Information Fusion 9:246); the two numbers come from wearers it has not learnt from
(`export.evidence`).

A fall lasts two or three seconds, a fault lasts. So the layer's `wrong` is the least that it said within the last
`LASTING` windows: a blow that looks like a fault leads to doubt, never to {noise}.
"""

from dataclasses import dataclass

import numpy as np

from agent.quality import CERTAIN, in_rounds
from agent.records import Floats, Integers, Quality, Scores, Singles, Trust
from agent.symptoms import Symptoms

LASTING = 8
"""Windows: with hops of half a second none of the samples of the first is in the last."""
LARGEST = 5.0
"""Standardised symptoms end here,"""
FARTHEST = 12.0
"""and from here on they are farther from every prototype than anything that was learnt from."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Prototypes of right wear and of wrong measurements, read from the bundle."""

    middle: Singles
    """(d,)"""
    scale: Singles
    """(d,) above 0"""
    first: Singles
    """(d, h)"""
    first_bias: Singles
    second: Singles
    """(h, k)"""
    places: Singles
    """(p, k)"""
    reach: Singles
    """(p,) g above, above 0"""
    strength: Singles
    """(p,) a above, in [0, 1]"""
    side: Singles
    """(p,) u above, in [0, 1]"""
    reliability: tuple[float, float]
    """Of `right` and of `wrong`, in [0, 1]."""

    ARRAYS = ("middle", "scale", "first", "first_bias", "second", "places", "reach", "strength", "side")

    def fits(self, width: int) -> bool:
        """Whether its arrays fit each other and symptoms of that width, and hold numbers in their ranges."""
        hidden, place = self.first_bias.shape, self.places.shape
        shapes = self.middle.shape == self.scale.shape == (width,) and self.first.shape == (width, *hidden)
        shapes &= self.second.shape == (*hidden, *place[1:]) and len(place) == 2
        shapes &= self.reach.shape == self.strength.shape == self.side.shape == place[:1]
        if not shapes:
            return False
        finite = all(bool(np.isfinite(getattr(self, name)).all()) for name in self.ARRAYS)
        shares = np.concatenate([self.strength, self.side, np.asarray(self.reliability, np.float32)])
        positive = (self.scale > 0).all() and (self.reach > 0).all()
        return finite and bool(positive and (shares >= 0).all() and (shares <= 1).all())

    def masses(self, symptoms: Singles) -> tuple[Floats, Floats]:
        """(m,) right and (m,) wrong; the rest is on all. `symptoms` (m, d)."""
        raw = (symptoms - self.middle) / self.scale
        far = (np.maximum(np.abs(raw) - FARTHEST, 0) ** 2).sum(axis=1, keepdims=True)
        hidden = np.maximum(np.clip(raw, -LARGEST, LARGEST) @ self.first + self.first_bias, 0)
        place = hidden @ self.second
        apart = (place**2).sum(axis=1, keepdims=True) - 2 * place @ self.places.T + (self.places**2).sum(axis=1)
        near = self.strength * np.exp(-self.reach * (np.maximum(apart, 0) + far))
        return dempster(near.astype(np.float64), self.side.astype(np.float64), self.reliability)


def dempster(near: Floats, side: Floats, reliability: tuple[float, float]) -> tuple[Floats, Floats]:
    """(m, p) masses of p witnesses, (p,) the share of each that is on `right` -> (m,) right, (m,) wrong, discounted."""
    nobody = np.log1p(-np.minimum(near, 1 - 1e-9)).sum(axis=1)
    nobody_wrong = np.log1p(-np.minimum(near * (1 - side), 1 - 1e-9)).sum(axis=1)
    nobody_right = np.log1p(-np.minimum(near * side, 1 - 1e-9)).sum(axis=1)
    top = np.maximum(nobody_wrong, nobody_right)  # of three logarithms, so that none of the exp is all 0
    all_three = np.exp(nobody - top)
    right, wrong = np.exp(nobody_wrong - top) - all_three, np.exp(nobody_right - top) - all_three
    total = np.maximum(right + wrong + all_three, 1e-300)
    return np.clip(right / total, 0, 1) * reliability[0], np.clip(wrong / total, 0, 1) * reliability[1]


@dataclass(frozen=True, slots=True)
class Testimony:
    """What is judged: m rows of one tick, those of one stream in order of time."""

    samples_g: Singles
    """(m, 3, samples) in g, NaN = missing."""
    family: Integers
    stream: Integers
    owner: Integers
    quality: Quality
    scores: Scores


class Lasting:
    """What was said of each stream in its last windows: `LASTING` numbers a stream."""

    def __init__(self) -> None:
        self._said: Floats = np.zeros((0, LASTING - 1))

    def least(self, stream: Integers, wrong: Floats) -> Floats:
        """(m,) the least of each row and of those before it in its stream; rows of one stream in order of time."""
        more = int(stream.max(initial=-1)) + 1 - len(self._said)
        if more > 0:
            more = max(more, len(self._said))  # doubling: cheap in the long run
            self._said = np.concatenate([self._said, np.zeros((more, LASTING - 1))])
        least = np.empty_like(wrong)
        for rows in in_rounds(stream):
            slots, new = stream[rows], wrong[rows]
            said = self._said[slots]
            least[rows] = np.minimum(new, said.min(axis=1))
            self._said[slots] = np.column_stack([said[:, 1:], new])
        return least


class Witness:
    """Says how far rows can be trusted; remembers what each stream showed, and what was said of it."""

    def __init__(self, layer: Layer | None, families: int, segments: int) -> None:
        self._layer = layer
        self._symptoms = Symptoms(families, segments)
        self._lasting = Lasting()

    def testify(self, rows: Testimony) -> Trust:
        """Masses of each row; without a layer, of physics alone."""
        fault = rows.quality.faults().max(axis=1, initial=0.0)
        if self._layer is None or len(fault) == 0:
            return physics(1 - fault, np.zeros(len(fault)), fault)
        shown = self._symptoms.describe(
            rows.samples_g, rows.family, rows.stream, rows.owner, rows.quality, rows.scores
        )
        right, wrong = self._layer.masses(shown)
        return physics(right, self._lasting.least(rows.stream, wrong), fault)


def physics(right: Floats, wrong: Floats, fault: Floats) -> Trust:
    """Certain physics overrules; `fault` (m,) is its strongest evidence."""
    certain = fault >= CERTAIN
    return Trust(
        right=np.where(certain, np.minimum(right, 1 - fault), right),
        wrong=np.where(certain, np.maximum(wrong, fault), wrong),
    )
