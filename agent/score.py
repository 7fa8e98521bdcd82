"""Rows -> nonconformity scores: how far from every normal place, and how unexpected by its own context.

    raw   = max over segments s of |e_s - p_s|^2 + w * |e_s - x_s|^2
    score = (raw - median of the family) / scale of the family

with e the embedding of the row, p the prototype of its family, or of those that all share, that is nearest over the
whole window, and x what the network expects of each segment from the other segments. The strangest segment decides:
a fall is short, hopping fills the window. Each term is a sum over axes and descriptors, so the score is taken apart
exactly by `explain`. Nearest-prototype distance: a k-nearest-neighbour detector
(Ramaswamy et al. 2000, SIGMOD) on k-means centres of each family, and on shared anchors along the edge of what is
normal anywhere on the body: a position on which few hopped borrows from those on which many did.
"""

from dataclasses import dataclass

import numpy as np

from agent.features import extract
from agent.records import Floats, Integers, Scores, Singles
from agent.runtime import LARGEST_BATCH, Answer, Runtime

SHARED = -1
MOST_MISSING = 0.5
"""A row that lacks more than this share of its samples is not scored."""


@dataclass(frozen=True, slots=True)
class Prototypes:
    """Normal places, and the scale of the scores they give; read from the bundle."""

    places: Singles
    """(k, d) prototypes of all families."""
    family: Integers
    """(k,) index of the family; `SHARED` = serves all."""
    median: Floats
    """(families,) raw score of the median normal window."""
    scale: Floats
    """(families,) raw score of the nine-in-ten normal half-minute, above the median."""
    context_weight: float
    """w above."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The two terms of the raw score, before they are summed. For the few rows that are explained."""

    from_prototype: Singles
    """(m, segments, 4 axes, 4 descriptors) e - p"""
    from_context: Singles
    """(m, segments, 4 axes, 4 descriptors) e - x"""

    def of(self, rows: slice) -> "Anatomy":
        """Some rows of it."""
        return Anatomy(self.from_prototype[rows], self.from_context[rows])

    def strangeness(self, context_weight: float) -> Singles:
        """(m, segments, 4, 4) what each place adds to the raw score of its segment."""
        return np.asarray(self.from_prototype**2 + context_weight * self.from_context**2, dtype=np.float32)


class Scorer:
    """Runs the network and measures the distances; holds no state of any wearer."""

    def __init__(self, runtime: Runtime, prototypes: Prototypes, segments: int) -> None:
        self._runtime = runtime
        self._prototypes = prototypes
        self._segments = segments
        own = (np.isin(prototypes.family, (index, SHARED)) for index in range(len(prototypes.median)))
        self._places = [prototypes.places[mask] for mask in own]
        self._lengths = [(places**2).sum(axis=1) for places in self._places]

    def score(self, samples_g: Singles, family: Integers, missing: Floats) -> tuple[Scores, Anatomy]:
        """Score rows.

        Args:
            samples_g: (m, 3, samples) in g, NaN = missing.
            family: (m,) index of each row's family.
            missing: (m,) share of missing samples.

        Returns:
            Scores (NaN where too much is missing), and what they are made of.
        """
        answer = self._embed(samples_g)
        embedding, expected, log_variance = answer.embedding, answer.expected, answer.log_variance
        shape = (len(embedding), self._segments, 4, embedding.shape[1] // (4 * self._segments))
        anatomy = Anatomy(
            (embedding - self._nearest(embedding, family)).reshape(shape), (embedding - expected).reshape(shape)
        )
        known = self._prototypes
        by_segment = anatomy.strangeness(known.context_weight).sum(axis=(2, 3))
        decides = by_segment.argmax(axis=1)
        rows = np.arange(len(embedding))
        raw = by_segment[rows, decides].astype(np.float64)
        far = (anatomy.from_prototype[rows, decides] ** 2).sum(axis=(1, 2))
        score = (raw - known.median[family]) / known.scale[family]
        return Scores(
            score=np.where(missing > MOST_MISSING, np.nan, score),
            embedding=embedding,
            aleatoric=np.exp(0.5 * log_variance).mean(axis=1).astype(np.float64),
            epistemic=(far / np.maximum(raw, 1e-9)).astype(np.float64),
        ), anatomy

    def _embed(self, samples_g: Singles) -> Answer:
        starts = range(0, max(len(samples_g), 1), LARGEST_BATCH)
        batches = (extract(samples_g[start : start + LARGEST_BATCH], self._segments) for start in starts)
        return Answer.joined([self._runtime.run(features) for features in batches])

    def _nearest(self, embedding: Singles, family: Integers) -> Singles:
        """(m, d) nearest prototype of each row."""
        out = np.empty_like(embedding)
        for index in np.unique(family):
            rows = family == index
            places = self._places[index]
            # |e - p|^2 without |e|^2, which is the same for every p
            closeness = self._lengths[index] - 2 * embedding[rows] @ places.T
            out[rows] = places[closeness.argmin(axis=1)]
        return out


def contributions(anatomy: Anatomy, family: Integers, prototypes: Prototypes) -> Singles:
    """(m, 4 axes, segments, 4 descriptors) shares of the score; their sum = score - offset, see `offset`.

    Only the segment that decides has shares: the others could change without changing the score.
    """
    strange = anatomy.strangeness(prototypes.context_weight)
    decides = strange.sum(axis=(2, 3)).argmax(axis=1)
    mask = np.arange(strange.shape[1]) == decides[:, None]  # (m, segments)
    placed = (strange * mask[:, :, None, None]).transpose(0, 2, 1, 3)
    return np.asarray(placed / prototypes.scale[family][:, None, None, None], dtype=np.float32)


def offset(family: int, prototypes: Prototypes) -> float:
    """The part of the score that belongs to no place: minus the median, in units of the scale."""
    return float(-prototypes.median[family] / prototypes.scale[family])
