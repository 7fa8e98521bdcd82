"""Weights on disk: arrays only, no pickle, so that a file can be opened without trust."""

import io
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from agent.errors import first_line
from agent.features import CHANNELS
from training.errors import TrainingError
from training.files import write_atomically
from training.lessons import Standard
from training.model import Student
from training.teacher import PATCHES, Teacher


def save_weights(network: nn.Module, standard: Standard, path: Path) -> None:
    """A network's arrays and the standardisation of its embedding, whole or not at all."""
    arrays = {f"network.{name}": value.numpy() for name, value in network.state_dict().items()}
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays, mean=standard.mean, spread=standard.spread)
    write_atomically(path, content.getvalue())


def load_student(path: Path, segments: int) -> Student:
    """The student in `path`, its sizes read from its arrays.

    Raises:
        TrainingError: the file is missing or holds other arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            state = {key[8:]: torch.from_numpy(arrays[key]) for key in arrays if key.startswith("network.")}
        width, context = state["stem.weight"].shape[0], state["look.bias"].shape[0] // segments
        student = Student(segments=segments, width=width, context=context)
        student.load_state_dict(state)
    except (OSError, EOFError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise TrainingError(
            f"weights {path}: {first_line(error)}; make them with `python -m training train`"
        ) from error
    return student.eval()


def load_teacher(path: Path) -> tuple[Teacher, Standard]:
    """The teacher in `path` and the standardisation of its descriptors, its sizes read from its arrays.

    Raises:
        TrainingError: the file is missing or holds other arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            state = {key[8:]: torch.from_numpy(arrays[key]) for key in arrays if key.startswith("network.")}
            standard = Standard(arrays["mean"].astype(np.float32), arrays["spread"].astype(np.float32))
        width, size = state["read.weight"].shape
        each = state["fill.0.0.weight"].shape[1] // width
        teacher = Teacher(
            channels=CHANNELS,
            samples=PATCHES * size // CHANNELS,
            segments=PATCHES // each,
            families=len(state["limb.weight"]),
            width=width,
            depth=sum(name.endswith("linear1.bias") for name in state),
            members=sum(name.startswith("fill.") and name.endswith(".0.bias") for name in state),
        )
        teacher.load_state_dict(state)
    except (OSError, EOFError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise TrainingError(
            f"weights {path}: {first_line(error)}; make them with `python -m training train`"
        ) from error
    return teacher.eval(), standard
