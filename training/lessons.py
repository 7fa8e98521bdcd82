"""What the teacher learns, and what the student then hears from it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from agent.features import extract
from agent.records import Integers, Singles
from training.augment import distort
from training.describe import describe
from training.faults import corrupt
from training.teacher import BANDS, Teacher
from training.windows import NormalWindows

BATCH = 256


@dataclass(frozen=True, slots=True)
class Standard:
    """Mean and spread of each descriptor of each axis, over all segments of the training windows."""

    mean: Singles
    """(1, 1, 4, 4)"""
    spread: Singles
    """(1, 1, 4, 4)"""

    def describe(self, samples_g: Singles, segments: int) -> Tensor:
        """(n, 3, samples) -> (n, segments * 4 * 4) standardised descriptors, cut off at 6."""
        numbers = (describe(samples_g, segments) - self.mean) / self.spread
        return torch.from_numpy(np.clip(numbers, -6, 6).reshape(len(numbers), -1))


def standard_of(samples_g: Singles, segments: int) -> Standard:
    """Of normal windows (n, 3, samples)."""
    described = describe(samples_g, segments)
    return Standard(described.mean(axis=(0, 1), keepdims=True), described.std(axis=(0, 1), keepdims=True) + 1e-3)


class TeacherStep:
    """One step of the teacher; see `training.teacher` for what is learnt."""

    def __init__(self, teacher: Teacher, windows: NormalWindows, standard: Standard, batch: int, seed: int) -> None:
        """`windows`: those to learn from."""
        self._teacher, self._windows, self._standard, self._batch = teacher, windows, standard, batch
        self._chance = chances(windows.family)
        self._partner = partners(windows)
        _, self._wearer = np.unique(windows.wearer, return_inverse=True)
        rng = np.random.default_rng(seed)
        self._votes = rng.poisson(1.0, (int(self._wearer.max()) + 1, teacher.members)).astype(np.float32)

    def __call__(self, rng: np.random.Generator) -> Tensor:
        """The loss of one batch."""
        rows = rng.choice(len(self._chance), self._batch, p=self._chance)
        samples, faults = spoiled(self._windows.samples_g[rows], rng)
        samples, swapped = swap(samples, self._teacher.segments, rng)
        covered = rng.integers(0, self._teacher.segments, (len(rows), 1)) == np.arange(self._teacher.segments)
        device = self._teacher.order.device
        features = torch.from_numpy(extract(samples, self._teacher.segments)).to(device)
        gone = torch.from_numpy(covered).to(device)
        lesson = self._teacher(features, gone)
        patches = gone.repeat_interleave(lesson.patches.shape[1] // self._teacher.segments, dim=1)
        target = self._standard.describe(samples, self._teacher.segments).to(device)
        votes = torch.from_numpy(self._votes[self._wearer[rows]]).to(device)
        return (
            mse_loss(lesson.patches[patches], self._teacher.cut(features)[patches])
            + mse_loss(lesson.spectrum, spectrum(features))
            + 0.3 * binary_cross_entropy_with_logits(lesson.swapped, torch.from_numpy(swapped).to(device))
            + binary_cross_entropy_with_logits(lesson.faults, torch.from_numpy(faults).to(device))
            + _filled(lesson.filled, target, gone, votes)
            + self._other(lesson.place, rows, swapped, device)
        )

    def _other(self, place: Tensor, rows: Integers, swapped: Singles, device: torch.device) -> Tensor:
        """How badly the other limb is foretold; 0 where nobody in the batch has one."""
        partner = self._partner[rows]
        with_one = np.flatnonzero((partner >= 0) & (swapped == 0))
        if len(with_one) == 0:
            return place.new_zeros(())
        other = partner[with_one]
        target = self._standard.describe(self._windows.samples_g[other], self._teacher.segments).to(device)
        family = torch.from_numpy(self._windows.family[other]).to(device)
        return 0.3 * mse_loss(self._teacher.of_other(place[torch.from_numpy(with_one).to(device)], family), target)


def chances(family: Integers) -> np.ndarray:
    """Draw families by the square root of their size, so that the waist (80 % of all) does not drown the rest."""
    weight = 1 / np.sqrt(np.bincount(family)[family])
    return np.asarray(weight / weight.sum())


def partners(windows: NormalWindows) -> Integers:
    """(m,) another position of the same wearer in the same window; -1 = there is none."""
    recording = np.array([session.rpartition("/")[0] for session in windows.session])
    end = np.round(windows.end_s * 100).astype(np.int64)
    order = np.lexsort((windows.family, end, recording))
    same = (recording[order][1:] == recording[order][:-1]) & (end[order][1:] == end[order][:-1])
    found = np.full(len(order), -1, np.int64)
    found[order[1:][same]] = order[:-1][same]
    found[order[:-1][same]] = order[1:][same]  # of three, the middle one keeps the later
    return found


def spoiled(samples_g: Singles, rng: np.random.Generator) -> tuple[Singles, Singles]:
    """A quarter distorted, then half of all with a fault; and the labels of the faults."""
    quarter = len(samples_g) // 4
    return corrupt(np.concatenate([distort(samples_g[:quarter], rng), samples_g[quarter:]]), rng)


def swap(samples_g: Singles, segments: int, rng: np.random.Generator) -> tuple[Singles, Singles]:
    """Exchange two segments in half of the rows; returns them and (n,) 1 = exchanged."""
    rows, axes, samples = samples_g.shape
    order = np.tile(np.arange(segments), (rows, 1))
    chosen = np.asarray(rng.random(rows) < 0.5, dtype=np.float32)
    for row in np.flatnonzero(chosen):
        first, second = rng.choice(segments, 2, replace=False)
        order[row, [first, second]] = order[row, [second, first]]
    parts = samples_g.reshape(rows, axes, segments, -1)
    return np.take_along_axis(parts, order[:, None, :, None], axis=2).reshape(rows, axes, samples), chosen


def spectrum(features: Tensor) -> Tensor:
    """(n, 8, samples) -> (n, 4 axes, 8 bands) log power of the fine channels."""
    power = torch.fft.rfft(features[:, 1::2].float(), dim=2).abs().square()[..., 1:]
    return torch.log1p(power.reshape(*power.shape[:2], BANDS, -1).mean(dim=3))


def _filled(filled: Tensor, target: Tensor, covered: Tensor, votes: Tensor) -> Tensor:
    """Squared error of each member at the hidden segments, weighted by its own draw of wearers."""
    hidden = covered.repeat_interleave(target.shape[1] // covered.shape[1], dim=1)[:, None]
    error = ((filled - target[:, None]).square() * hidden).sum(dim=2) / hidden.sum(dim=2)
    return (error * votes).sum() / votes.sum().clamp(min=1.0)


@dataclass(frozen=True, slots=True)
class Bank:
    """Windows that the teacher has judged."""

    features: Tensor
    """(n, 8, samples)"""
    faults: Tensor
    """(n, 8) half the label, half the teacher's own opinion of it (Hinton et al. 2015, arXiv 1503.02531)."""
    spread: Tensor
    """(n, 1) log of the members' standard deviation, mean over all numbers."""
    surprise: Tensor
    """(n,) log of the squared distance between what is there and what the members expect."""
    place: Tensor
    """(n, width)"""


def judged_by(
    teacher: Teacher, samples_g: Singles, standard: Standard, rng: np.random.Generator, device: torch.device
) -> Bank:
    """Spoil the windows and ask the teacher, each segment hidden in turn."""
    samples, faults = spoiled(samples_g, rng)
    parts = []
    for start in range(0, len(samples), BATCH):
        rows = slice(start, start + BATCH)
        features = torch.from_numpy(extract(samples[rows], teacher.segments))
        target = standard.describe(samples[rows], teacher.segments)
        parts.append((features, *_judge(teacher, features.to(device), target.to(device), faults[rows])))
    return Bank(*(torch.cat(part) for part in zip(*parts, strict=True)))


@torch.no_grad()
def _judge(teacher: Teacher, features: Tensor, target: Tensor, faults: Singles) -> tuple[Tensor, ...]:
    n, segments = len(features), teacher.segments
    nothing = torch.zeros(n, segments, dtype=torch.bool, device=features.device)
    plain = teacher(features, nothing)
    filled = torch.zeros(n, teacher.members, target.shape[1], device=features.device)
    size = target.shape[1] // segments
    for segment in range(segments):
        covered = nothing.clone()
        covered[:, segment] = True
        own = slice(segment * size, (segment + 1) * size)
        filled[..., own] = teacher(features, covered).filled[..., own]
    spread = filled.std(dim=1).mean(dim=1, keepdim=True).clamp(min=1e-3).log()
    surprise = (filled.mean(dim=1) - target).square().mean(dim=1).clamp(min=1e-3).log()
    soft = 0.5 * torch.from_numpy(faults) + 0.5 * torch.sigmoid(plain.faults.float()).cpu()
    return soft, spread.cpu(), surprise.cpu(), plain.place.float().cpu()
