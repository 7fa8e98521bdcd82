"""Train the student: configuration -> windows -> loop -> weights. Read it from top to bottom.

The student learns two things: to place a window where the teacher places it (on normal and on distorted windows
alike, so that it stays true for what it has never seen), and to say from three segments of a *normal* window
what the fourth should be. The distance to normal places and the surprise of the fourth are the score.
"""

import argparse
import io
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from agent.errors import first_line
from agent.features import extract
from agent.layout import POSITIONS, Layout
from agent.records import Singles
from training.augment import distort
from training.datasets.corpus import Corpus, add_data_arguments, open_corpus, tell
from training.errors import TrainingError
from training.files import write_atomically
from training.loop import Checkpoint, Course, loop
from training.model import Student
from training.processes import joined
from training.progress import watched
from training.record import RunRecord, code_version, device_name, digest_of, write_record
from training.teacher import describe
from training.windows import NormalWindows, held_back, normal_windows

CONFIG = Path(__file__).parent / "configs" / "student.toml"


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training run; see `configs/student.toml` for the reasons."""

    seed: int
    width: int
    context: int
    batch: int
    steps: int
    learning_rate: float
    weight_decay: float
    augmented: float
    held_back: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=CONFIG, help="TOML file (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/student"), help="folder for weights and run record")
    add_data_arguments(parser)
    parser.add_argument("--with-public", action="store_true", help="with --folder: train on the datasets as well")
    parser.add_argument("--steps", type=int, help="fewer steps than the configuration says, to try things out")


def main(args: argparse.Namespace) -> None:
    """Train and write `weights.npz` (arrays only) and `run.json` to `--out`; what was cut off there goes on."""
    config = read_config(args.config, args.steps)
    layout = Layout(positions=POSITIONS)
    with joined() as place:
        corpus = open_corpus(args.root, args.folder, layout, with_public=args.with_public)
        if place.leads:
            tell(corpus)
        windows = normal_windows(watched(list(corpus.normal("train")), "cutting windows"), layout)
        digest = digest_of(config, windows.samples_g, windows.family, windows.wearer)
        checkpoint = Checkpoint(args.out / "checkpoint.pt", digest)
        student, standard, losses, course = train(windows, layout, config, place.device, checkpoint)
        if place.leads:
            save_weights(student, standard, args.out / "weights.npz")
            record = _record(config, corpus, windows, place.device, student, losses, course)
            write_record(record, args.out)
            checkpoint.discard()
            print(f"{args.out}: {record.parameters} parameters, {record.minutes} min, {losses}")


def _record(
    config: Config,
    corpus: Corpus,
    windows: NormalWindows,
    device: torch.device,
    student: Student,
    losses: dict[str, float],
    course: Course,
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
        minutes=round(course.minutes, 2),
        torch=str(torch.__version__),
        windows=len(windows.wearer),
        parameters=sum(weight.numel() for weight in student.parameters()),
        figures=losses,
    )


def read_config(path: Path, steps: int | None = None) -> Config:
    """Read a configuration.

    Raises:
        TrainingError: missing file, unknown key or wrong type.
    """
    try:
        config = msgspec.toml.decode(path.read_bytes(), type=Config)
    except (OSError, msgspec.DecodeError) as error:
        raise TrainingError(f"configuration {path}: {error}") from error
    return msgspec.structs.replace(config, steps=steps) if steps else config


def train(
    windows: NormalWindows, layout: Layout, config: Config, device: torch.device, checkpoint: Checkpoint | None = None
) -> tuple[Student, dict[str, Singles], dict[str, float], Course]:
    """The loop.

    Returns:
        The student on the CPU, the teacher's standardisation (`mean`, `spread`, each (1, 1, 4, 4)), the losses on what
        was held back, and how it went.
    """
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    shown = held_back(windows, config.held_back, rng)
    standard = _standardisation(windows.samples_g[~shown], layout.segments)
    student = Student(segments=layout.segments, width=config.width, context=config.context).to(device)
    optimizer = torch.optim.AdamW(student.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.steps)
    chance = _chances(windows.family[~shown])
    pool = np.flatnonzero(~shown)
    count = round(config.augmented * config.batch)

    def step(rng: np.random.Generator) -> Tensor:
        chosen = windows.samples_g[rng.choice(pool, config.batch, p=chance)]
        chosen = np.concatenate([distort(chosen[:count], rng), chosen[count:]])
        features, target = _pair(chosen, layout.segments, standard, device)
        embedding, expected, log_variance = student(features)
        return _imitation(embedding, target) + _surprise(expected[count:], log_variance[count:], target[count:])

    course = loop({"student": student}, optimizer, schedule, rng, step, config.steps, checkpoint=checkpoint)
    student = student.cpu().eval()
    return student, standard, _losses(student, windows.samples_g[shown], layout.segments, standard), course


def _standardisation(samples_g: Singles, segments: int) -> dict[str, Singles]:
    """Mean and spread of each descriptor of each axis over all segments."""
    described = describe(samples_g, segments)
    return {
        "mean": described.mean(axis=(0, 1), keepdims=True),
        "spread": described.std(axis=(0, 1), keepdims=True) + 1e-3,
    }


def _chances(family: np.ndarray) -> np.ndarray:
    """Draw families by the square root of their size, so that the waist (80 % of all) does not drown the rest."""
    counts = np.bincount(family)
    weight = 1 / np.sqrt(counts[family])
    return np.asarray(weight / weight.sum())


def _pair(
    samples_g: Singles, segments: int, standard: dict[str, Singles], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Features (n, 8, samples) and the teacher's answer (n, segments * 4 * 4)."""
    target = (describe(samples_g, segments) - standard["mean"]) / standard["spread"]
    return torch.from_numpy(extract(samples_g, segments)).to(device), torch.from_numpy(
        target.reshape(len(target), -1)
    ).to(device)


def _imitation(embedding: Tensor, target: Tensor) -> Tensor:
    return (embedding - target).square().mean()


def _surprise(expected: Tensor, log_variance: Tensor, target: Tensor) -> Tensor:
    """Squared error of the mean, and a Gaussian fit of the variance that does not bend the mean."""
    error = (target - expected).square()
    return error.mean() + 0.5 * (log_variance + error.detach() * torch.exp(-log_variance)).mean()


def _losses(student: Student, samples_g: Singles, segments: int, standard: dict[str, Singles]) -> dict[str, float]:
    features, target = _pair(samples_g, segments, standard, torch.device("cpu"))
    with torch.no_grad():
        embedding, expected, _ = student(features)
    return {
        "imitation": round(_imitation(embedding, target).item(), 4),
        "context": round((target - expected).square().mean().item(), 4),
    }


def save_weights(student: Student, standard: dict[str, Singles], path: Path) -> None:
    """Arrays only: no pickle, so that a weights file can be opened without trust."""
    arrays = {f"student.{name}": value.numpy() for name, value in student.state_dict().items()}
    arrays |= {f"teacher.{name}": value for name, value in standard.items()}
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    write_atomically(path, content.getvalue())


def load_student(path: Path, segments: int) -> Student:
    """The student in `path`, its sizes read from its arrays.

    Raises:
        TrainingError: the file is missing or holds other arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            state = {key[8:]: torch.from_numpy(arrays[key]) for key in arrays if key.startswith("student.")}
        width, context = state["encoder.0.weight"].shape[0], state["look.bias"].shape[0] // segments
        student = Student(segments=segments, width=width, context=context)
        student.load_state_dict(state)
    except (OSError, EOFError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise TrainingError(
            f"weights {path}: {first_line(error)}; make them with `python -m training train`"
        ) from error
    return student.eval()
