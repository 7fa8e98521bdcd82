"""Train the student: configuration -> windows -> loop -> weights. Read it from top to bottom.

The student learns two things: to place a window where the teacher places it (on normal and on distorted windows
alike, so that it stays true for what it has never seen), and to say from three segments of a *normal* window
what the fourth should be. The distance to normal places and the surprise of the fourth are the score.
"""

import argparse
import json
import subprocess
import time
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from agent.errors import first_line
from agent.features import extract
from agent.layout import POSITIONS, Layout
from agent.records import Singles
from training.augment import distort
from training.errors import TrainingError
from training.model import Student
from training.teacher import describe
from training.windows import NormalWindows, normal_recordings, normal_windows

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
    parser.add_argument("--root", type=Path, help="folder of the datasets (default: $VEILLE_DATA or ../shared/data)")
    parser.add_argument("--steps", type=int, help="fewer steps than the configuration says, to try things out")


def main(args: argparse.Namespace) -> None:
    """Train and write `weights.npz` (arrays only) and `run.json` to `--out`."""
    config = read_config(args.config, args.steps)
    layout = Layout(positions=POSITIONS)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    recordings = track(list(normal_recordings("train", args.root)), "cutting windows")
    windows = normal_windows(recordings, layout)
    start = time.monotonic()
    student, standard, losses = train(windows, layout, config, device)
    args.out.mkdir(parents=True, exist_ok=True)
    save_weights(student, standard, args.out / "weights.npz")
    record = {
        "config": msgspec.to_builtins(config),
        "commit": _commit(),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "minutes": round((time.monotonic() - start) / 60, 2),
        "torch": torch.__version__,
        "windows": len(windows.wearer),
        "wearers": sorted({str(wearer) for wearer in windows.wearer}),
        "parameters": sum(weight.numel() for weight in student.parameters()),
        "losses": losses,
    }
    (args.out / "run.json").write_text(json.dumps(record, indent=1) + "\n")
    print(f"{args.out}: {record['parameters']} parameters, {record['minutes']} min, {losses}")


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
    windows: NormalWindows, layout: Layout, config: Config, device: torch.device
) -> tuple[Student, dict[str, Singles], dict[str, float]]:
    """The loop.

    Returns:
        The student on the CPU, the teacher's standardisation (`mean`, `spread`, each (1, 1, 4, 4)), and the losses
        on the wearers held back.

    Raises:
        TrainingError: fewer than two wearers.
    """
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    wearers = rng.permutation(np.unique(windows.wearer))
    if len(wearers) < 2:
        raise TrainingError("one wearer alone cannot both train and be held back; add recordings of another")
    shown = np.isin(windows.wearer, wearers[: max(1, round(config.held_back * len(wearers)))])
    standard = _standardisation(windows.samples_g[~shown], layout.segments)
    student = Student(segments=layout.segments, width=config.width, context=config.context).to(device)
    optimizer = torch.optim.AdamW(student.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.steps)
    chance = _chances(windows.family[~shown])
    pool = np.flatnonzero(~shown)
    for _ in track(range(config.steps), "training"):
        chosen = windows.samples_g[rng.choice(pool, config.batch, p=chance)]
        count = round(config.augmented * config.batch)
        chosen = np.concatenate([distort(chosen[:count], rng), chosen[count:]])
        features, target = _pair(chosen, layout.segments, standard, device)
        embedding, expected, log_variance = student(features)
        loss = _imitation(embedding, target) + _surprise(expected[count:], log_variance[count:], target[count:])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call] # torch
        optimizer.step()
        schedule.step()
    student = student.cpu().eval()
    return student, standard, _losses(student, windows.samples_g[shown], layout.segments, standard)


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
    np.savez(path, allow_pickle=False, **arrays, **{f"teacher.{name}": value for name, value in standard.items()})


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


def _commit() -> str:
    answer = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"
