"""Prototypes and calibration, both from the *quantized* network.

Prototypes come from the wearers that trained; scale, calibration scores and their intervals from other wearers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta
from sklearn.cluster import MiniBatchKMeans

from agent.bundle import CalibrationFacts
from agent.calibrate import BLOCK_S
from agent.features import extract
from agent.layout import Layout
from agent.records import Floats, Singles
from agent.runtime import LARGEST_BATCH, Runtime
from agent.score import SHARED, Prototypes, Scorer
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

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What export adds to the network."""

    prototypes: Prototypes
    arrays: Arrays
    """`calibration.npz`"""
    facts: dict[str, CalibrationFacts]


def calibrate(runtime: Runtime, layout: Layout, train: NormalWindows, held_out: NormalWindows, seed: int) -> Calibrated:
    """Prototypes from `train`, everything else from `held_out`."""
    families = len(layout.families)
    places, family = _places(runtime, layout, train, seed)
    unit = Prototypes(places, family, np.zeros(families), np.ones(families), CONTEXT_WEIGHT)
    raw = score_windows(runtime, unit, layout, held_out)
    median, scale = np.zeros(families), np.ones(families)
    arrays: Arrays = {}
    facts: dict[str, CalibrationFacts] = {}
    for index, name in enumerate(layout.families):
        rows = held_out.family == index
        blocks, owners = half_minutes(raw[rows], held_out.wearer[rows], layout.hop_s)
        median[index] = np.median(raw[rows])
        scale[index] = np.quantile(blocks, 0.9) - median[index]
        scores = np.sort((blocks - median[index]) / scale[index])
        effective = len(blocks) / design_effect(blocks, owners)
        low, high = intervals(len(blocks), effective)
        wearers = len(np.unique(owners))
        arrays |= {f"{name}_scores": scores, f"{name}_low": low, f"{name}_high": high}
        arrays[f"{name}_wearers"] = np.array(wearers)
        facts[name] = CalibrationFacts(
            windows=int(rows.sum()),
            half_minutes=len(blocks),
            effective_half_minutes=round(effective, 1),
            wearers=wearers,
        )
    return Calibrated(Prototypes(places, family, median, scale, CONTEXT_WEIGHT), arrays, facts)


def score_windows(runtime: Runtime, prototypes: Prototypes, layout: Layout, windows: NormalWindows) -> Floats:
    """(m,) scores, through the agent's own scorer."""
    missing = np.isnan(windows.samples_g[:, 0]).mean(axis=1)
    scores, _ = Scorer(runtime, prototypes, layout.segments).score(windows.samples_g, windows.family, missing)
    return scores.score


def _places(runtime: Runtime, layout: Layout, train: NormalWindows, seed: int) -> tuple[Singles, NDArray[np.int64]]:
    """Centres of each family and the shared anchors; stored as float16, so rounded before anything is measured."""
    embedding = embed(runtime, layout, train)
    places, family = [farthest_points(embedding, ANCHORS, seed)], [np.full(ANCHORS, SHARED)]
    for index in range(len(layout.families)):
        own = embedding[train.family == index]
        count = max(1, min(PLACES, len(own) // 4))
        means = MiniBatchKMeans(count, n_init=3, random_state=seed, batch_size=4096, max_iter=100).fit(own)
        places.append(means.cluster_centers_)
        family.append(np.full(count, index))
    return np.concatenate(places).astype(np.float16).astype(np.float32), np.concatenate(family)


def embed(runtime: Runtime, layout: Layout, windows: NormalWindows) -> Singles:
    """(m, d) embeddings, a batch at a time."""
    batches = range(0, len(windows.family), LARGEST_BATCH)
    parts = [windows.samples_g[start : start + LARGEST_BATCH] for start in batches]
    return np.concatenate([runtime.run(extract(part, layout.segments)).embedding for part in parts])


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
