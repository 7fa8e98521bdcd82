"""Are the places that an explanation names those that the score hangs on? Deletion and insertion, by the agent's path.

A cell is one axis of one segment. Deletion replaces cells of the leading position by what the model expects there, the
strongest first, and scores again each time; insertion begins with all of them replaced and puts the strongest back
first. The areas are over the share of cells, of the score as a share of the way from all replaced (0) to none (1):
deletion is better the lower, insertion the higher (Petsiuk, Das, Saenko 2018, BMVC, "RISE"). The cumulative difference
is the sum of the steps of deletion down to half of the cells, signs not cancelled (after TIMING, Jang et al. 2025):
higher is better.

Beside the shares stand cells in random order, and gradients, see `training.gradients`.
"""

from dataclasses import dataclass

import numpy as np

from agent.explain import Explainer
from agent.intervene import reshaped
from agent.past import LAGS
from agent.records import Floats, Singles
from agent.retrial import Retrial

AXES = 3


@dataclass(frozen=True, slots=True)
class Areas:
    """Of one explanation of one window."""

    deletion: float
    insertion: float
    difference: float


def replaced(retrial: Retrial, explainer: Explainer) -> Singles:
    """(3, samples) of the leading position, all of it as the model expects."""
    leading = retrial.leading
    level, spread = explainer.expectation.level_and_spread(retrial.pattern(leading))
    samples = retrial.judged.windows.samples_g[retrial.rows[leading]]
    length, rate_hz = samples.shape[1] // len(level), retrial.judge.model.layout.rate_hz
    parts = [
        reshaped(samples[:, n * length : (n + 1) * length], level[n, :3], spread[n, :3], rate_hz)
        for n in range(len(level))
    ]
    return np.concatenate(parts, axis=1)


def areas(retrial: Retrial, expected: Singles, shares: Floats) -> Areas:
    """Of (3 axes, segments) shares, whose order alone matters."""
    order = np.argsort(-shares, axis=None, kind="stable")
    samples = retrial.judged.windows.samples_g[retrial.rows[retrial.leading]]
    cells, segments = order.size, shares.shape[1]
    gone = np.zeros((cells + 1, AXES, segments), np.bool_)
    for count in range(1, cells + 1):
        gone[count:].reshape(cells + 1 - count, -1)[:, order[count - 1]] = True
    masks = np.concatenate([gone, ~gone])
    length = samples.shape[1] // segments
    mixed = np.where(np.repeat(masks, length, axis=2), expected, samples)
    stretches = np.repeat(retrial.stretches_g[None], len(mixed), axis=0)
    stretches[:, retrial.leading, :, LAGS * retrial.hop :] = mixed
    score = retrial.rescored(stretches)[:, retrial.leading]
    height = (score - score[cells]) / (score[0] - score[cells])
    half = np.abs(np.diff(height[: cells // 2 + 1])).sum()
    across = 1 / cells
    deletion, insertion = (float(np.trapezoid(line, dx=across)) for line in (height[: cells + 1], height[cells + 1 :]))
    return Areas(deletion, insertion, float(half))


def of_axes(places: Singles) -> Floats:
    """(4 axes, segments) -> (3, segments): the magnitude's share goes to the three as their own shares lie."""
    own = np.maximum(places[:AXES], 0) + 1e-6
    return np.asarray(places[:AXES] + np.maximum(places[AXES], 0) * own / own.sum(axis=0), dtype=np.float64)
