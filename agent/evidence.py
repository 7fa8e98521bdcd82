"""Was it measured right? Masses on {normal, novelty} (yes), {noise} (no) and all three (no telling), for each row.

Physics comes first: where `quality` is certain, nothing else is asked. Everything else is for an evidential layer on
distances to prototypes (Denoeux 2000, IEEE Trans. SMC-A 30:131; before it, as in Tong, Xu, Denoeux 2021, Neurocomputing
450:275, a small network that makes the space in which distances mean something). Prototype i, at distance d of what
`symptoms` shows, is a witness with

    m_i(right) = u_i s_i     m_i(wrong) = (1 - u_i) s_i     m_i(all) = 1 - s_i     s_i = a_i exp(-g_i d^2)

and all of them are combined by Dempster's rule. Far from every prototype nothing is known, and the mass stays on all.
Before that, what witnesses say for `wrong` is discounted by `caution`, since a fall thrown away is worse than a fault
not told (contextual discounting: Mercier, Quost, Denoeux 2008, Information Fusion 9:246). What they say together for
`wrong` is discounted once more by `reliability`, which comes from wearers it has not learnt from (`export.evidence`).

A fall lasts two or three seconds, a fault lasts. So the layer's `wrong` is the mean over the last `LASTING` windows (a
mean of mass functions is one again), and no more than the least of the last `AT_ONCE`; `right` is the most of those. A
blow that looks like a fault leads to doubt at the worst, never to {noise}. And nothing that rests lawfully at 1 g is
called wrong by the layer, however the sensor lies: it may be a person who does (`symptoms.lawful_rest`).
"""

from dataclasses import dataclass

import numpy as np

from agent.lasting import Lasting
from agent.quality import CERTAIN
from agent.records import LEAST_BELIEF, OPEN, Booleans, Floats, Integers, Quality, Scores, Singles, Trust
from agent.symptoms import Symptoms, lawful_rest

LASTING, AT_ONCE = 16, 4
"""Windows: eight seconds and two. A fall shows in seven windows or so. On the calibration wearers, at the same share of
normal wear called faulty, .72 of the faults are told with 16 and 4, .64 with 24 and 4, .68 with 8 and 8. Of normal
windows 5 % are in doubt instead of 8 % where `right` looks back too, of falls 1 % instead of 2 %."""
ALIEN_SCORE = 10.0
"""Where the open part of the score is beyond this many scales from normal, nothing like it was ever seen: the hardest
of 1,273 falls of SisFall is at 6. Novelty or a fault? The answer holds both."""
UNHEARD = 0.5
"""Where this share of a window is missing, nobody vouches for the rest: doubt, not a fault. Below it does so in part.
Missing segments are not strange (`score`): a gap alone raises no alarm. Of calibration wearers who lose one packet in
ten, .83 of the falls at the waist are told as novelty with 0.5 and .78 with 0.3, with no false alarm in 1.8 h."""
LARGEST = 5.0
"""Standardised symptoms end here,"""
SUREST = 1 - 1e-6
"""No witness is surer."""
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
    caution: float
    """What is left of what one witness says for `wrong`, in [0, 1]."""
    reliability: float
    """What is left of what all say for `wrong`, in [0, 1]."""

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
        shares = np.concatenate([self.strength, self.side, np.array([self.caution, self.reliability], np.float32)])
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
        right, wrong = dempster(near * self.side, near * (1 - self.side) * self.caution)
        return right, np.where(lawful_rest(symptoms), 0.0, self.reliability * wrong)


def dempster(for_right: Singles, for_wrong: Singles) -> tuple[Floats, Floats]:
    """Combine p witnesses: (m, p) what each says for right, and for wrong -> (m,) and (m,) what all say together."""
    nobody = np.log1p(-np.minimum(for_right + for_wrong, SUREST)).sum(axis=1, dtype=np.float64)
    nobody_wrong = np.log1p(-np.minimum(for_wrong, SUREST)).sum(axis=1, dtype=np.float64)
    nobody_right = np.log1p(-np.minimum(for_right, SUREST)).sum(axis=1, dtype=np.float64)
    top = np.maximum(nobody_wrong, nobody_right)  # of three logarithms, so that none of the exp is all 0
    all_three = np.exp(nobody - top)
    right, wrong = np.exp(nobody_wrong - top) - all_three, np.exp(nobody_right - top) - all_three
    total = np.maximum(right + wrong + all_three, 1e-300)
    return np.clip(right / total, 0, 1), np.clip(wrong / total, 0, 1)


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


class Said:
    """What was said of each stream in its last windows."""

    def __init__(self) -> None:
        self._right, self._wrong = Lasting(1, AT_ONCE), Lasting(1, LASTING)

    def of(self, stream: Integers, right: Floats, wrong: Floats) -> tuple[Floats, Floats]:
        """(m,) and (m,) what lasts of `right` and `wrong`; rows of one stream in order of time."""
        rights = self._right.of(stream, right[:, None])[..., 0]
        wrongs = self._wrong.of(stream, wrong[:, None])[..., 0]
        return rights.max(axis=1), np.minimum(wrongs.mean(axis=1), wrongs[:, -AT_ONCE:].min(axis=1))


class Witness:
    """Says how far rows can be trusted; remembers what each stream showed, and what was said of it."""

    def __init__(self, layer: Layer | None, families: int, segments: int) -> None:
        self._layer = layer
        self._symptoms = Symptoms(families, segments)
        self._said = Said()

    def testify(self, rows: Testimony) -> Trust:
        """Masses of each row; without a layer, of physics alone."""
        fault = rows.quality.faults().max(axis=1, initial=0.0)
        heard = 1 - np.minimum(rows.quality.missing / UNHEARD, 1.0)
        alien, blinding = _alien(rows.scores), rows.quality.blinding()
        if self._layer is None or len(fault) == 0:
            return physics(np.minimum(1 - fault, heard), np.zeros(len(fault)), fault, alien, blinding)
        shown = self._symptoms.describe(rows.samples_g, rows.family, rows.stream, rows.owner, rows.quality, rows.scores)
        right, wrong = self._layer.masses(shown)
        right, wrong = self._said.of(rows.stream, right, wrong)
        return physics(np.minimum(right, heard), wrong, fault, alien, blinding)


def physics(right: Floats, wrong: Floats, fault: Floats, alien: Booleans, blinding: Floats) -> Trust:
    """Certain physics overrules; `fault` (m,) is its strongest evidence, `blinding` that of faults that are not borne.
    What is `alien` is not said to be right.
    """
    certain = fault >= CERTAIN
    borne = certain & (blinding < CERTAIN) & (wrong < LEAST_BELIEF)
    right = np.where(certain, np.minimum(right, 1 - fault), np.where(alien, 0.0, right))
    return Trust(right, np.where(certain, np.maximum(wrong, fault), wrong), alien, borne)


def _alien(scores: Scores) -> Booleans:
    return np.asarray(scores.parts[:, OPEN] > ALIEN_SCORE)
