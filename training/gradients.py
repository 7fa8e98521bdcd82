"""Integrated gradients (Sundararajan, Taly, Yan 2017, ICML), from the expected samples to those that came.

They are what gradients can say where a workstation has them.

Of two networks: the fp32 student, whose score is the agent's own but for eight bits, and the teacher that it learnt
from. The teacher's score is how far each segment, described in closed form, is from what its members expect of it when
it is hidden, of the segment where that is most: the strangest segment decides, as in the agent.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from agent.features import FINE_G, fill_missing
from agent.records import FALL, OPEN, Floats, Singles
from agent.retrial import Retrial
from agent.score import LARGEST
from training.deletion import AXES
from training.describe import FLOOR_G
from training.lessons import Standard
from training.teacher import Teacher

STRIDES = 32
"""Steps of the integral."""

Strange = Callable[[Tensor], Tensor]
"""(n, 3, samples) in g -> (n,) how strange a network finds them."""


def integrated_gradients(strange: Strange, retrial: Retrial, expected: Singles, segments: int) -> Floats:
    """(3 axes, segments) of the leading position, from (3, samples) `expected` to what came."""
    samples = fill_missing(retrial.judged.windows.samples_g[retrial.rows[retrial.leading]][None])[0]
    start = torch.from_numpy(fill_missing(expected[None])[0])
    away = torch.from_numpy(samples) - start
    steps = (torch.arange(STRIDES) + 0.5) / STRIDES
    line = (start + steps[:, None, None] * away).requires_grad_()
    (slope,) = torch.autograd.grad(strange(line).sum(), line)
    shares = (slope.mean(dim=0) * away).numpy()
    return np.asarray(shares.reshape(AXES, segments, -1).sum(axis=2), dtype=np.float64)


def of_student(student: nn.Module, retrial: Retrial, segments: int) -> Strange:
    """Its open part and head for falls, each by its share in the score of the window."""
    leading, prototypes = retrial.leading, retrial.judge.model.prototypes
    weight, scale = retrial.anatomy.weight[leading], prototypes.norms.scale[int(retrial.family[leading])]
    nearest = _normal(retrial)

    def strange(samples: Tensor) -> Tensor:
        embedding, expected_by_context = student(_features(samples, segments))[:2]
        apart = (embedding - nearest) ** 2
        context = (embedding - expected_by_context.clamp(-LARGEST, LARGEST)) ** 2
        by_segment = (apart + prototypes.context_weight * context).reshape(len(samples), segments, -1).sum(dim=2)
        value: Tensor = float(weight[OPEN] / scale[OPEN]) * by_segment.max(dim=1).values
        if prototypes.known is not None:
            value = value + float(weight[FALL] / scale[FALL]) * _head(retrial, embedding)
        return value

    return strange


def of_teacher(teacher: Teacher, standard: Standard) -> Strange:
    """How far the strangest segment is from what the ensemble fills in where it is hidden."""
    mean, spread = (torch.from_numpy(values) for values in (standard.mean, standard.spread))

    def strange(samples: Tensor) -> Tensor:
        segments = teacher.segments
        features = _features(samples, segments)
        there = (_described(samples, segments) - mean) / spread
        far = []
        for segment in range(segments):
            covered = torch.zeros(len(samples), segments, dtype=torch.bool)
            covered[:, segment] = True
            filled = teacher(features, covered).filled.mean(dim=1).reshape(there.shape)
            far.append(((filled - there)[:, segment] ** 2).sum(dim=(1, 2)))
        return torch.stack(far, dim=1).max(dim=1).values

    return strange


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


def _described(samples: Tensor, segments: int) -> Tensor:
    """`training.describe.describe` where gradients can pass: (n, segments, 4 axes, 4)."""
    four = torch.cat([samples, samples.norm(dim=1, keepdim=True)], dim=1)
    steps = torch.diff(four, dim=2, prepend=four[..., :1])
    parts, jumps = (values.reshape(len(four), 4, segments, -1) for values in (four, steps))
    numbers = [
        parts.mean(dim=3).asinh(),
        (parts.std(dim=3, correction=0) + FLOOR_G).log(),
        (jumps.std(dim=3, correction=0) + FLOOR_G).log(),
        (parts.amax(dim=3) - parts.amin(dim=3)).asinh(),
    ]
    return torch.stack(numbers, dim=3).transpose(1, 2)
