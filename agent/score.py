"""Rows -> nonconformity scores: how unlike anything normal, how like a fall, how like freezing; merged into one.

    raw       = max over segments s of |e_s - p_s|^2 + w * |e_s - x_s|^2
    open      = echo of (raw - median) / scale, less habit
    fall      = (logit of `known` - median) / scale
    freezing  = (`freeze_index`, mean of this window and those before, over the legs - median) / scale
    score     = log of the mean of exp over the parts, standardised once more

with e the embedding of the row, p the prototype of its family, or of those that all share, that is nearest over the
whole window, and x what the network expects of each segment from the other segments. The strangest segment decides:
a fall is short, hopping fills the window. Nearest-prototype distance: a k-nearest-neighbour detector (Ramaswamy et al.
2000, SIGMOD) on k-means centres of each family, and on shared anchors along the edge of what is normal anywhere on the
body: a position on which few hopped borrows from those on which many did. What was strange echoes for two windows,
weaker each time: a fall is not over when its impact leaves the window. And who has been a little strange for a while is
less so for that: the mean of the open part from 8.5 to 3.5 s ago is taken off, up to a limit, so that what changes
stands out from what lasts.

All medians and scales come from the normal half-minutes of the calibration wearers, one for each family and part: 0 is
the median window, 1 what nine half-minutes in ten stay below. exp of a part is evidence in the manner of an e-value,
and the mean of e-values is one again, however they depend on each other (Vovk, Wang 2021, Ann. Statist. 49:1736). The
promise does not rest on that: `calibrate` ranks the merged score as it is, which holds for any merging.
"""

from dataclasses import dataclass

import numpy as np

from agent.features import extract
from agent.known import Known
from agent.past import Past
from agent.records import FALL, FREEZING, OPEN, PARTS, Booleans, Floats, Integers, Scores, Singles
from agent.runtime import LARGEST_BATCH, Answer, Runtime
from agent.tremble import freeze_index

SHARED = -1
MOST_MISSING = 0.5
"""A row that lacks more than this share of its samples is not scored."""
LARGEST = 4.0
"""The embedding is cut off at this many standard deviations: one broken number must not drown fifteen sound ones, and
the 8-bit form cuts off thereabouts anyway. So nothing beyond can be expected."""
HABIT = slice(6, 16)
"""Windows ago, less one, that make the habit."""
ECHOES = 2
"""Windows through which something strange still counts: one second."""
FAINT, LEAK = 0.6, 0.2
"""Below FAINT the open part and the fall part are hardly evidence and rise by LEAK only: else the common unrest of an
unusual gait would drown a freeze. Chosen on the calibration wearers for falls, and with sight of the people who freeze:
average precision on Stanford's walks .41 with it and .23 without, of falls at the waist .93 either way, at the ankle
.71 and .81."""
MOST = 60.0
"""Parts are cut off here before exp."""
TREMBLING = (1 / 6, 1 / 6, 1 / 6, 1 / 2)
"""Weights in the freeze index of a row: x, y and z together count as much as the magnitude."""
MERGED = len(PARTS)
"""Column of `Norms` that standardises the merged score."""


@dataclass(frozen=True, slots=True)
class Norms:
    """What is normal for each part of the score, and for the whole: (families, 4), columns `PARTS`, then the whole."""

    median: Floats
    """Of a normal window."""
    scale: Floats
    """Nine-in-ten normal half-minute, above the median; NaN = this family has no such part."""

    def standardise(self, values: Floats, family: Integers, part: int) -> Floats:
        """(m,) in units of the scale; -inf where the family has no such part."""
        with np.errstate(invalid="ignore"):
            found = (values - self.median[family, part]) / self.scale[family, part]
        return np.where(np.isnan(found), -np.inf, found)


@dataclass(frozen=True, slots=True)
class Prototypes:
    """Normal places, and what else the score is made with; read from the bundle."""

    places: Singles
    """(k, d) prototypes of all families."""
    family: Integers
    """(k,) index of the family; `SHARED` = serves all."""
    norms: Norms
    context_weight: float
    """w above."""
    echo: float = 0.0
    """Share of the open part that lives on from one window to the next, in [0, 1)."""
    habit: float = 0.0
    """The most that lasting strangeness takes off the open part."""
    known: Known | None = None
    """The head for falls; None = this bundle knows none."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What is scored: m rows, one position over one window each."""

    samples_g: Singles
    """(m, 3, samples) in g, NaN = missing."""
    family: Integers
    """(m,) index of the position's family."""
    stream: Integers
    """(m,) slot of the stream, for the windows before."""
    owner: Integers
    """(m,) the window, for what the legs do together."""
    end_s: Floats
    """(m,) end of the window."""
    missing: Floats
    """(m,) share of missing samples."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What a score was made of, for the few rows that are explained."""

    from_prototype: Singles
    """(m, segments, 4 axes, 4 descriptors) e - p"""
    from_context: Singles
    """(m, segments, 4 axes, 4 descriptors) e - x"""
    embedding: Singles
    """(m, d)"""
    before: Singles
    """(m, LAGS, d) the embeddings before"""
    remembered: Booleans
    """(m, LAGS) where there are any"""
    trembling: Floats
    """(m, 4 axes) what each axis adds to the freeze index of the row; 0 for families that are no legs"""
    weight: Floats
    """(m, parts) by how much the merged score rises with each part; rows sum to 1 at most"""

    def of(self, rows: slice) -> "Anatomy":
        """Some rows of it."""
        return Anatomy(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


class Scorer:
    """Runs the network and measures the distances; remembers the last windows of each stream."""

    def __init__(self, runtime: Runtime, prototypes: Prototypes, segments: int, rate_hz: float, hop_s: float) -> None:
        self._runtime = runtime
        self._prototypes = prototypes
        self._segments = segments
        self._rate_hz = rate_hz
        own = (np.isin(prototypes.family, (index, SHARED)) for index in range(len(prototypes.norms.median)))
        self._places = [prototypes.places[mask] for mask in own]
        self._lengths = [(places**2).sum(axis=1) for places in self._places]
        self._past = Past(prototypes.places.shape[1] + 2, hop_s)
        self._longer = Past(1, hop_s, HABIT.stop)

    def score(self, rows: Rows) -> tuple[Scores, Anatomy]:
        """Score rows; of one stream they may come in any number, but not before those already scored.

        Returns:
            Scores (NaN where too much is missing), and what they are made of.
        """
        known, norms, family = self._prototypes, self._prototypes.norms, rows.family
        answer = self._embed(rows.samples_g)
        embedding = answer.embedding
        shape = (len(embedding), self._segments, 4, embedding.shape[1] // (4 * self._segments))
        from_prototype = (embedding - self._nearest(embedding, family)).reshape(shape)
        expected = np.clip(answer.expected, -LARGEST, LARGEST)
        from_context = (embedding - expected).reshape(shape)
        by_segment = strangeness(from_prototype, from_context, known.context_weight).sum(axis=(2, 3))
        decides, each = by_segment.argmax(axis=1), np.arange(len(embedding))
        raw = by_segment[each, decides].astype(np.float64)
        strange = norms.standardise(raw, family, OPEN)
        trembling = self._trembling(rows)
        now = np.column_stack([embedding, strange, trembling.sum(axis=1)]).astype(np.float32)
        usable = rows.missing <= MOST_MISSING
        before, remembered = _recalled(self._past, rows, now, usable)
        places = before[..., :-2]
        parts = np.full((len(embedding), len(PARTS)), -np.inf)
        echoed = _echoed(strange, np.where(remembered, before[..., -2], -np.inf), known.echo)
        parts[:, OPEN] = echoed - self._habit(rows, echoed, usable)
        if known.known:
            logit = known.known.evidence(embedding, places, remembered)
            parts[:, FALL] = norms.standardise(logit.astype(np.float64), family, FALL)
        smoothed = _mean_with(now[:, -1], before[..., -1], remembered)
        parts[:, FREEZING] = _over_the_legs(norms.standardise(smoothed, family, FREEZING), rows.owner)
        score, weight = merge(parts, family, norms)
        far = (from_prototype[each, decides] ** 2).sum(axis=(1, 2))
        return Scores(
            score=np.where(rows.missing > MOST_MISSING, np.nan, score),
            parts=parts,
            embedding=embedding,
            aleatoric=np.exp(0.5 * np.clip(answer.log_variance, -6, 4)).mean(axis=1).astype(np.float64),
            epistemic=(far / np.maximum(raw, 1e-9)).astype(np.float64),
            disagreement=np.exp(np.clip(answer.trunk[:, 0], -20, 20)).astype(np.float64),
            faults=1 / (1 + np.exp(-np.clip(answer.trunk[:, 1:], -30, 30).astype(np.float64))),
        ), Anatomy(from_prototype, from_context, embedding, places, remembered, trembling, weight)

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

    def _habit(self, rows: Rows, echoed: Floats, usable: Booleans) -> Floats:
        """(m,) how strange the stream has been for a while; what is not known counts as 0."""
        strange = np.maximum(echoed, 0).astype(np.float32)[:, None]
        before, _ = _recalled(self._longer, rows, strange, usable)
        lasting: Floats = before[:, HABIT, 0].mean(axis=1, dtype=np.float64)
        return np.minimum(lasting, self._prototypes.habit)

    def _trembling(self, rows: Rows) -> Floats:
        """(m, 4) what each axis adds to the freeze index of its row."""
        out = np.zeros((len(rows.family), 4))
        legs = np.isfinite(self._prototypes.norms.scale[rows.family, FREEZING])
        if legs.any():
            out[legs] = freeze_index(rows.samples_g[legs], self._rate_hz) * TREMBLING
        return out


def strangeness(from_prototype: Singles, from_context: Singles, context_weight: float) -> Singles:
    """(m, segments, 4, 4) what each place adds to the raw open score of its segment."""
    return np.asarray(from_prototype**2 + context_weight * from_context**2, dtype=np.float32)


def merge(parts: Floats, family: Integers, norms: Norms) -> tuple[Floats, Floats]:
    """(m, parts) -> (m,) score and (m, parts) the share of each part in it.

    The logarithm of the mean of exp over those parts that are to be had; its gradient is the shares.
    """
    had = np.isfinite(parts)
    faint = had & (parts < FAINT)
    faint[:, FREEZING] = False
    with np.errstate(invalid="ignore"):
        felt = np.where(faint, FAINT + LEAK * (parts - FAINT), parts)
    evidence = np.where(had, np.exp(np.minimum(felt, MOST)), 0.0)
    total = evidence.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        merged = np.log(total / had.sum(axis=1))
        return norms.standardise(merged, family, MERGED), np.where(faint, LEAK, 1.0) * evidence / total[:, None]


def _recalled(past: Past, rows: Rows, now: Singles, usable: Booleans) -> tuple[Singles, Booleans]:
    """`Past.recall` of the usable rows; what lacks too much is neither remembered nor reminded of anything."""
    found, known = past.recall(rows.stream[usable], rows.end_s[usable], now[usable])
    if usable.all():
        return found, known
    before = np.zeros((len(usable), *found.shape[1:]), np.float32)
    remembered = np.zeros((len(usable), known.shape[1]), np.bool_)
    before[usable], remembered[usable] = found, known
    return before, remembered


def _echoed(strange: Floats, before: Floats, echo: float) -> Floats:
    """(m,) the strangest of this window and, weaker for each hop, of those before."""
    if not echo:
        return strange
    weight = echo ** np.arange(1, ECHOES + 1)
    earlier = np.where(before[:, :ECHOES] > 0, np.maximum(before[:, :ECHOES], 0) * weight, -np.inf)
    return np.asarray(np.maximum(strange, earlier.max(axis=1)))


def _mean_with(now: Singles, before: Singles, known: Booleans) -> Floats:
    """(m,) mean of this window's value and of those before that are known."""
    return np.asarray((now + np.where(known, before, 0.0).sum(axis=1)) / (1 + known.sum(axis=1)), dtype=np.float64)


def _over_the_legs(freezing: Floats, owner: Integers) -> Floats:
    """(m,) mean over all legs of the window, for every row of it: a freeze is the person's, whatever else is worn.

    A leg that stands still speaks against one that trembles.
    """
    legs = np.isfinite(freezing)
    if not legs.any():
        return freezing
    count = np.bincount(owner, legs)
    mean = np.bincount(owner, np.where(legs, freezing, 0.0)) / np.maximum(count, 1)
    return np.where(count[owner] > 0, mean[owner], -np.inf)
