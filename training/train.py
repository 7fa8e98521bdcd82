"""Train a teacher, then a student: configuration -> windows -> two loops -> weights. Read it from top to bottom.

The student learns four things: to place a window by the closed-form description of its parts (`training.describe`; on
normal and on distorted windows alike, so that it stays true for what it has never seen); to say from three segments
of a *normal* window what the fourth should be; and from the teacher, how far the ensemble disagrees, which fault a
window shows, how strange it is beside others, and which windows are alike.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cosine_similarity, mse_loss, normalize

from agent.features import CHANNELS, extract
from agent.layout import POSITIONS, Layout
from training.augment import distort
from training.config import REDUCED, Config, read_config
from training.datasets.corpus import Corpus, add_data_arguments, open_corpus, tell
from training.lessons import Bank, Standard, TeacherStep, chances, judged_by, standard_of
from training.loop import Checkpoint, Course, loop
from training.model import Student
from training.processes import joined
from training.progress import watched
from training.record import RunRecord, code_version, device_name, digest_of, write_record
from training.teacher import Teacher
from training.weights import save_weights
from training.windows import NormalWindows, held_back, normal_windows, some

BANK_BATCH = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell `parser` what `main` needs."""
    parser.add_argument("--config", type=Path, default=REDUCED, help="TOML file (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/student"), help="folder for weights and run record")
    add_data_arguments(parser)
    parser.add_argument("--with-public", action="store_true", help="with --folder: train on the datasets as well")
    parser.add_argument("--steps", type=int, help="fewer steps than the configuration says, to try things out")


def main(args: argparse.Namespace) -> None:
    """Train and write `weights.npz`, `teacher.npz` and `run.json` to `--out`; what was cut off there goes on."""
    config, layout = read_config(args.config, args.steps), Layout(positions=POSITIONS)
    with joined() as place:
        corpus = open_corpus(args.root, args.folder, layout, with_public=args.with_public)
        if place.leads:
            tell(corpus)
        windows = normal_windows(watched(list(corpus.normal("train")), "cutting windows"), layout)
        lot = Lot(config, layout, windows, place.device, args.out)
        outcome = lot.train()
        if place.leads:
            save_weights(outcome.student, lot.standard, args.out / "weights.npz")
            save_weights(outcome.teacher, lot.standard, args.out / "teacher.npz")
            record = _record(config, corpus, windows, place.device, outcome)
            write_record(record, args.out)
            lot.forget()
            print(f"{args.out}: {record.parameters} parameters, {record.minutes} min, {record.figures}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training gives; both networks on the CPU."""

    student: Student
    teacher: Teacher
    figures: dict[str, float]
    """On what was held back."""
    minutes: float


def _record(
    config: Config, corpus: Corpus, windows: NormalWindows, device: torch.device, outcome: Outcome
) -> RunRecord:
    commit, uncommitted = code_version()
    return RunRecord(
        commit=commit,
        uncommitted=uncommitted,
        config=msgspec.to_builtins(config),
        data=corpus.facts(),
        left_out=corpus.left_out,
        notes=corpus.notes,
        wearers=sorted({str(wearer) for wearer in windows.wearer}),
        device=device_name(device),
        minutes=round(outcome.minutes, 2),
        torch=str(torch.__version__),
        windows=len(windows.wearer),
        parameters=sum(weight.numel() for weight in outcome.student.parameters()),
        figures=outcome.figures,
    )


class Lot:
    """One training: windows, configuration, and where it runs."""

    def __init__(
        self, config: Config, layout: Layout, windows: NormalWindows, device: torch.device, run: Path | None
    ) -> None:
        """`run` is the folder for checkpoints; None = none are kept.

        Raises:
            DataError: too few windows to hold any back.
        """
        self.config, self.layout, self.device, self._run = config, layout, device, run
        shown = held_back(windows, config.held_back, np.random.default_rng(config.seed))
        self.learned, self.shown = some(windows, ~shown), some(windows, shown)
        self.standard = standard_of(self.learned.samples_g, layout.segments)
        self._digest = digest_of(config, windows.samples_g, windows.family, windows.wearer)

    def train(self) -> Outcome:
        """Both loops, one after the other."""
        teacher, first = self._teacher()
        rng = np.random.default_rng(self.config.seed + 1)
        chance = chances(self.learned.family)
        config = self.config.student
        heard = min(config.bank, config.steps * BANK_BATCH)  # the teacher need not judge more than the student hears
        rows = rng.choice(len(chance), heard, p=chance)
        bank = judged_by(teacher, self.learned.samples_g[rows], self.standard, rng, self.device)
        student, second = self._student(bank)
        figures = _figures(student, self.shown.samples_g, self.standard, self.layout.segments)
        return Outcome(student, teacher.cpu(), figures, first.minutes + second.minutes)

    def forget(self) -> None:
        """Remove the checkpoints: the results are written."""
        for name in ("teacher", "student"):
            if checkpoint := self._checkpoint(name):
                checkpoint.discard()

    def _teacher(self) -> tuple[Teacher, Course]:
        config = self.config.teacher
        torch.manual_seed(self.config.seed)
        teacher = Teacher(
            channels=CHANNELS,
            samples=self.layout.window_samples,
            segments=self.layout.segments,
            families=len(self.layout.families),
            width=config.width,
            depth=config.depth,
            members=config.members,
        ).to(self.device)
        step = TeacherStep(teacher, self.learned, self.standard, config.batch, self.config.seed)
        optimizer = torch.optim.AdamW(teacher.parameters(), config.learning_rate, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, config.steps)
        rng = np.random.default_rng(self.config.seed)
        course = loop(
            {"teacher": teacher}, optimizer, schedule, rng, step, config.steps,
            checkpoint=self._checkpoint("teacher"), clip_norm=1.0, name="training the teacher",
        )  # fmt: skip
        return teacher.eval(), course

    def _student(self, bank: Bank) -> tuple[Student, Course]:
        config = self.config.student
        torch.manual_seed(self.config.seed)
        student = Student(segments=self.layout.segments, width=config.width, context=config.context).to(self.device)
        optimizer = torch.optim.AdamW(student.parameters(), config.learning_rate, weight_decay=config.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.steps)
        rng = np.random.default_rng(self.config.seed)
        step = StudentStep(student, self.learned, self.standard, bank, config.batch, config.augmented)
        course = loop(
            {"student": student}, optimizer, schedule, rng, step, config.steps,
            checkpoint=self._checkpoint("student"), name="training the student",
        )  # fmt: skip
        return student.cpu().eval(), course

    def _checkpoint(self, name: str) -> Checkpoint | None:
        return None if self._run is None else Checkpoint(self._run / f"{name}.pt", f"{name} {self._digest}")


class StudentStep:
    """One step of the student: its own windows, and some of the teacher's bank."""

    def __init__(
        self, student: Student, windows: NormalWindows, standard: Standard, bank: Bank, batch: int, augmented: float
    ) -> None:
        """`augmented`: share of the batch that is distorted."""
        self._student, self._windows, self._standard, self._bank = student, windows, standard, bank
        self._batch, self._distorted = batch, round(augmented * batch)
        self._chance = chances(windows.family)

    def __call__(self, rng: np.random.Generator) -> Tensor:
        """The loss of one batch."""
        device = self._student.stem.weight.device
        chosen = self._windows.samples_g[rng.choice(len(self._chance), self._batch, p=self._chance)]
        count = self._distorted
        chosen = np.concatenate([distort(chosen[:count], rng), chosen[count:]])
        target = self._standard.describe(chosen, self._student.segments).to(device)
        lent = torch.from_numpy(rng.integers(0, len(self._bank.spread), BANK_BATCH))
        features = torch.cat([torch.from_numpy(extract(chosen, self._student.segments)), self._bank.features[lent]]).to(
            device
        )
        embedding, expected, log_variance, said, free = self._student.study(features)
        clean, asked = slice(count, self._batch), slice(self._batch, None)
        strangeness = (embedding[asked] - expected[asked]).square().mean(dim=1).clamp(min=1e-3).log()
        return (
            mse_loss(embedding[: self._batch], target)
            + surprise(expected[clean], log_variance[clean], target[clean])
            + 0.1 * mse_loss(said[asked, :1], self._bank.spread[lent].to(device))
            + 0.1 * binary_cross_entropy_with_logits(said[asked, 1:], self._bank.faults[lent].to(device))
            + 0.1 * _relation(free[asked], self._bank.place[lent].to(device))
            + 0.1 * (1 - _correlation(strangeness, self._bank.surprise[lent].to(device)))
        )


def surprise(expected: Tensor, log_variance: Tensor, target: Tensor) -> Tensor:
    """Squared error of the mean, and a Gaussian fit of the variance that does not bend the mean."""
    error = (target - expected).square()
    log_variance = log_variance.clamp(-6.0, 4.0)
    return error.mean() + 0.5 * (log_variance + error.detach() * torch.exp(-log_variance)).mean()


def _relation(free: Tensor, place: Tensor) -> Tensor:
    """How differently student and teacher see which windows are alike (relational: Park et al. 2019, CVPR)."""
    mine, theirs = normalize(free, dim=1), normalize(place, dim=1)
    return mse_loss(mine @ mine.T, theirs @ theirs.T)


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's: the student ranks windows by strangeness as the teacher does."""
    return cosine_similarity(a - a.mean(), b - b.mean(), dim=0)


@torch.no_grad()
def _figures(student: Student, samples_g: np.ndarray, standard: Standard, segments: int) -> dict[str, float]:
    target = standard.describe(samples_g, segments)
    embedding, expected, *_ = student(torch.from_numpy(extract(samples_g, segments)))
    return {
        "imitation": round(mse_loss(embedding, target).item(), 4),
        "context": round(mse_loss(expected, target).item(), 4),
    }
