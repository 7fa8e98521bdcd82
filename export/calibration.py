"""Prototypes and calibration, both from the *quantized* network.

Prototypes come from the wearers that trained; scale, calibration scores and their intervals from other wearers.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta
from sklearn.cluster import MiniBatchKMeans

from agent.calibrate import BLOCK_S, Calibration, FamilyCalibration
from agent.known import Known
from agent.layout import Layout
from agent.manifest import CalibrationFacts
from agent.records import FREEZING, Floats, Singles
from agent.runtime import Runtime
from agent.score import MERGED, SHARED, Norms, Prototypes
from export.between import concentration
from export.embedding import embed
from training.scoring import score_windows
from training.windows import NormalWindows

PLACES = 280
"""Prototypes a family; k-means centres, at most a quarter of the family's windows."""
ANCHORS = 300
"""Shared prototypes. On the calibration wearers, mean over positions: recall at 10 an hour .59 without, .63 with them;
average precision .680 without, .667 with them. `python -m training choose` makes these figures, and those below."""
CONTEXT_WEIGHT = 0.3
"""Chosen among 0.3, 0.5 and 1 on the calibration wearers, together with the strangest segment against the sum of all
(average precision .667 against .626, recall at 10 an hour .63 against .56)."""
CONFIDENCE = 0.95


LEGS = ("thigh", "ankle")
"""Families that can tremble instead of stepping. At the waist alone the same index is high in running and jogging: with
it, the average precision of falls at the waist sinks from .82 to .61."""
TRUNK = ("waist", "chest")
"""Families that are asked too where a leg is worn: they shake when the legs tremble, and sway when they step."""
ECHO = 0.8
"""Chosen among 0, 0.8, 0.9 and 1 on the calibration wearers: average precision of the open part at the waist .73
without, .83 with it, at the wrist .70 and .82; at 1 the recall at one false alarm an hour halves."""
HABIT = 1.0
"""With it, on the calibration wearers: average precision of the open part at the waist .85 instead of .83, at the wrist
.83 instead of .76; recall at one false alarm an hour at the waist .67 instead of .56."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What export adds to the network."""

    prototypes: Prototypes
    calibration: Calibration
    facts: dict[str, CalibrationFacts]


def calibrate(
    runtime: Runtime, layout: Layout, train: NormalWindows, held_out: NormalWindows, known: Known | None, seed: int
) -> Calibrated:
    """Prototypes from the normal windows `train`, everything else from `held_out`.

    Args:
        runtime: the quantized network.
        layout: families and window.
        train: normal windows of those who trained.
        held_out: normal windows of others.
        known: the head for falls, if there is one.
        seed: of the prototypes' choice.
    """
    places, family = _places(runtime, layout, train, seed)
    return recalibrate(runtime, layout, held_out, places, family, known)


def recalibrate(
    runtime: Runtime,
    layout: Layout,
    held_out: NormalWindows,
    places: Singles,
    family: NDArray[np.int64],
    known: Known | None,
) -> Calibrated:
    """Everything but the prototypes, which are `places` of each `family`; arguments as for `calibrate`."""
    raw = Prototypes(places, family, _no_norms(layout), CONTEXT_WEIGHT, known=known)
    apart = replace(held_out, window=np.arange(len(held_out.family)))  # each row by itself, whatever else was worn
    parts = score_windows(runtime, raw, layout, apart).parts
    norms = _norms(np.column_stack([parts, np.zeros(len(parts))]), held_out, layout)
    legs = np.array([name in LEGS for name in layout.families])
    prototypes = replace(raw, norms=_unmerged(norms), echo=ECHO, habit=HABIT, legs=legs)
    # who wears one sensor must not be ranked among limbs that others spoke for; with several the tail is hardly heavier
    scores = score_windows(runtime, prototypes, layout, held_out, agreeing=False)
    norms = _with_merged(norms, scores.score, held_out, layout)
    prototypes = replace(prototypes, norms=norms)
    merged = norms.standardise(scores.score, held_out.family, MERGED)
    families, facts = [], {}
    for name, rows in zip(layout.families, _each(held_out, layout), strict=True):
        own, facts[name] = _family(merged[rows], scores.parts[rows], held_out.wearer[rows], layout.hop_s)
        families.append(own)
    blocks = (half_minutes(merged[own], held_out.wearer[own], layout.hop_s) for own in _each(held_out, layout))
    return Calibrated(prototypes, Calibration(tuple(families), concentration(list(blocks))), facts)


def _each(windows: NormalWindows, layout: Layout) -> list[NDArray[np.bool_]]:
    """The rows of each family."""
    return [windows.family == index for index in range(len(layout.families))]


def _family(
    merged: Floats, parts: Floats, wearer: NDArray[np.str_], hop_s: float
) -> tuple[FamilyCalibration, CalibrationFacts]:
    """One family's half-minutes, with the intervals that follow from their number."""
    blocks, owners = half_minutes(merged, wearer, hop_s)
    effective = len(blocks) / design_effect(blocks, owners)
    low, high = intervals(len(blocks), effective)
    of_parts = tuple(np.sort(half_minutes(values, wearer, hop_s)[0]) for values in parts.T)
    had = tuple(values[np.isfinite(values)] for values in of_parts)
    wearers = len(np.unique(owners))
    return FamilyCalibration(np.sort(blocks), low, high, wearers, had), CalibrationFacts(
        windows=len(merged),
        half_minutes=len(blocks),
        effective_half_minutes=round(effective, 1),
        wearers=wearers,
    )


def _no_norms(layout: Layout) -> Norms:
    """Under which the parts of a score are what they are; freezing of each position by itself."""
    shape = (len(layout.families), MERGED + 1)
    scale = np.ones(shape)
    scale[[name not in LEGS + TRUNK for name in layout.families], FREEZING] = np.nan
    return Norms(np.zeros(shape), scale)


def _norms(values: Floats, windows: NormalWindows, layout: Layout) -> Norms:
    """Median window and nine-in-ten half-minute of each column in each family; NaN where a family lacks the part."""
    median = np.zeros((len(layout.families), values.shape[1]))
    scale = np.full_like(median, np.nan)
    for index in range(len(layout.families)):
        rows = windows.family == index
        for column in range(values.shape[1]):
            own = values[rows, column]
            if len(own) and np.isfinite(own).all():
                blocks, _ = half_minutes(own, windows.wearer[rows], layout.hop_s)
                median[index, column] = np.median(own)
                scale[index, column] = max(np.quantile(blocks, 0.9) - median[index, column], 1e-6)
    return Norms(median, scale)


def _unmerged(norms: Norms) -> Norms:
    """With the merged score left as it is."""
    median, scale = norms.median.copy(), norms.scale.copy()
    median[:, MERGED], scale[:, MERGED] = 0.0, 1.0
    return Norms(median, scale)


def _with_merged(norms: Norms, merged: Floats, windows: NormalWindows, layout: Layout) -> Norms:
    own = _norms(merged[:, None], windows, layout)
    median, scale = norms.median.copy(), norms.scale.copy()
    median[:, MERGED], scale[:, MERGED] = own.median[:, 0], own.scale[:, 0]
    return Norms(median, scale)


def _places(runtime: Runtime, layout: Layout, train: NormalWindows, seed: int) -> tuple[Singles, NDArray[np.int64]]:
    """Centres of each family and the shared anchors; stored as float16, so rounded before anything is measured."""
    embedding = embed(runtime, layout, train.samples_g)
    places, family = [farthest_points(embedding, ANCHORS, seed)], [np.full(ANCHORS, SHARED)]
    for index in range(len(layout.families)):
        own = embedding[train.family == index]
        count = max(1, min(PLACES, len(own) // 4))
        means = MiniBatchKMeans(count, n_init=3, random_state=seed, batch_size=4096, max_iter=100).fit(own)
        places.append(means.cluster_centers_)
        family.append(np.full(count, index))
    return np.concatenate(places).astype(np.float16).astype(np.float32), np.concatenate(family)


def farthest_points(points: Singles, count: int, seed: int) -> Singles:
    """(count, d) points, each the farthest from those before it (Gonzalez 1985, Theor. Comput. Sci. 38:293)."""
    chosen = [int(np.random.default_rng(seed).integers(len(points)))]
    apart = np.full(len(points), np.inf)
    for _ in range(min(count, len(points)) - 1):
        apart = np.minimum(apart, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(apart.argmax()))
    chosen += [chosen[-1]] * (count - len(chosen))
    return points[chosen]


def half_minutes(score: Floats, wearer: NDArray[np.str_], hop_s: float) -> tuple[Floats, NDArray[np.str_]]:
    """Strangest score of each half-minute of each wearer's normal wear, recordings joined end to end.

    Recordings are shorter than half a minute, so they are joined; a last part shorter than half a block is left out.

    Returns:
        (blocks,) scores and (blocks,) wearers.
    """
    size = round(BLOCK_S / hop_s)
    blocks, owners = [], []
    for name in np.unique(wearer):
        own = score[wearer == name]
        for start in range(0, len(own), size):
            part = own[start : start + size]
            if 2 * len(part) >= size:
                blocks.append(part.max())
                owners.append(name)
    return np.array(blocks), np.array(owners)


def design_effect(blocks: Floats, owners: NDArray[np.str_]) -> float:
    """How much less than independent half-minutes are worth, because those of one wearer are alike: at least 1.

    Kish 1965, "Survey Sampling": 1 + (m - 1) * rho, with m half-minutes a wearer (weighted for unequal numbers) and
    rho the intra-class correlation of "stranger than nine in ten" (one-way analysis of variance).
    """
    high = (blocks > np.quantile(blocks, 0.9)).astype(float)
    names, place = np.unique(owners, return_inverse=True)
    sizes = np.bincount(place).astype(float)
    if len(names) < 2 or len(blocks) <= len(names):
        return float(len(blocks))
    means = np.bincount(place, high) / sizes
    between = (sizes * (means - high.mean()) ** 2).sum() / (len(names) - 1)
    within = ((high - means[place]) ** 2).sum() / (len(blocks) - len(names))
    typical = (len(blocks) - (sizes**2).sum() / len(blocks)) / (len(names) - 1)
    rho = (between - within) / max(between + (typical - 1) * within, 1e-12)
    return float(max(1.0, 1 + ((sizes**2).sum() / len(blocks) - 1) * max(rho, 0.0)))


def intervals(count: int, effective: float) -> tuple[Floats, Floats]:
    """Clopper-Pearson ends for k = 0 .. count calibration scores at least as strange, on `effective` trials.

    The true share is covered with at least 95 % where the trials are independent: so the lower end is 0 where no
    calibration score was as strange. The smoothed p = (1 + k) / (1 + count) is the mean of the upper end's beta
    distribution and lies inside; it is forced to where few effective trials would push an end past it.
    """
    k = np.arange(count + 1)
    above, below = k * (effective / count), (count - k) * (effective / count)
    tail = (1 - CONFIDENCE) / 2
    low = np.where(k > 0, beta.ppf(tail, np.maximum(above, 1e-9), below + 1), 0.0)
    high = np.where(k < count, beta.ppf(1 - tail, above + 1, np.maximum(below, 1e-9)), 1.0)
    p = (1 + k) / (1 + count)
    return np.minimum(low, p), np.maximum(high, p)
