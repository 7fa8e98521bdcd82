"""Are the places that an explanation names those that the score hangs on? Deletion and insertion, by the agent's path.

A cell is one axis of one segment. Deletion replaces cells of the leading position by what the model expects there, the
strongest first, and scores again each time; insertion begins with all of them replaced and puts the strongest back
first. The areas are over the share of cells, of the score as a share of the way from all replaced (0) to none (1):
deletion is better the lower, insertion the higher (Petsiuk, Das, Saenko 2018, BMVC, "RISE"). The cumulative difference
is the sum of the steps of deletion down to half of the cells, signs not cancelled (after TIMING, Jang et al. 2025):
higher is better.

Beside the shares stand cells in random order, and integrated gradients (Sundararajan, Taly, Yan 2017, ICML) of the fp32
student's own score, from the expected samples to those that came: what gradients can say where a workstation has them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from agent.explain import Explainer
from agent.features import FINE_G, fill_missing
from agent.intervene import reshaped
from agent.past import LAGS
from agent.records import FALL, OPEN, Floats, Singles
from agent.retrial import Retrial
from agent.score import LARGEST

AXES = 3
STRIDES = 32
"""Steps of the integral."""


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


def integrated_gradients(student: nn.Module, retrial: Retrial, expected: Singles) -> Floats:
    """(3 axes, segments) of the fp32 student's open part and head for falls, each by its share in the score."""
    leading, prototypes = retrial.leading, retrial.judge.model.prototypes
    samples = fill_missing(retrial.judged.windows.samples_g[retrial.rows[leading]][None])[0]
    start, away = (
        torch.from_numpy(fill_missing(expected[None])[0]),
        torch.from_numpy(samples - fill_missing(expected[None])[0]),
    )
    steps = (torch.arange(STRIDES) + 0.5) / STRIDES
    line = (start + steps[:, None, None] * away).requires_grad_()
    family = int(retrial.family[leading])
    weight, scale = retrial.anatomy.weight[leading], prototypes.norms.scale[family]
    segments = retrial.anatomy.reading.from_prototype.shape[1]
    nearest = _normal(retrial)
    embedding, expected_by_context = student(_features(line, segments))[:2]
    apart = (embedding - nearest) ** 2
    context = (embedding - expected_by_context.clamp(-LARGEST, LARGEST)) ** 2
    by_segment = (apart + prototypes.context_weight * context).reshape(STRIDES, segments, -1).sum(dim=2)
    value = float(weight[OPEN] / scale[OPEN]) * by_segment.max(dim=1).values
    if prototypes.known is not None:
        value = value + float(weight[FALL] / scale[FALL]) * _head(retrial, embedding)
    (slope,) = torch.autograd.grad(value.sum(), line)
    shares = (slope.mean(dim=0) * away).numpy()
    return np.asarray(shares.reshape(AXES, segments, -1).sum(axis=2), dtype=np.float64)


def _normal(retrial: Retrial) -> Tensor:
    reading = retrial.anatomy.reading
    place = reading.embedding[retrial.leading] - reading.from_prototype[retrial.leading].ravel()
    return torch.from_numpy(np.ascontiguousarray(place))


def _head(retrial: Retrial, embedding: Tensor) -> Tensor:
    known, before = retrial.judge.model.prototypes.known, retrial.anatomy.before
    assert known is not None
    past = np.where(before.known[retrial.leading, :, None], before.places[retrial.leading], 0.0).ravel()
    inputs = torch.cat([embedding, torch.from_numpy(past.astype(np.float32)).expand(len(embedding), -1)], dim=1)
    one = torch.relu(inputs @ torch.from_numpy(known.first) + torch.from_numpy(known.first_bias))
    two = torch.relu(one @ torch.from_numpy(known.second) + torch.from_numpy(known.second_bias))
    return two @ torch.from_numpy(known.last)


def _features(samples: Tensor, segments: int) -> Tensor:
    """`agent.features.extract` where gradients can pass."""
    four = torch.cat([samples, samples.norm(dim=1, keepdim=True)], dim=1)
    parts = four.reshape(len(four), 4, segments, -1)
    fine = (parts - parts.mean(dim=3, keepdim=True)).reshape(four.shape) / FINE_G
    return torch.stack([four.asinh(), fine.asinh()], dim=2).reshape(len(four), 8, -1)


Explain = Callable[[Retrial], Floats]
"""An explanation of a window: (3 axes, segments) shares of the leading position."""
