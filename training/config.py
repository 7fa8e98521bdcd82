"""The configuration of a run; see `configs/student.toml` for the reasons."""

from pathlib import Path
from typing import Annotated

import msgspec

from training.errors import TrainingError

Count = Annotated[int, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Rate = Annotated[float, msgspec.Meta(gt=0)]

REDUCED = Path(__file__).parent / "configs" / "student.toml"


class TeacherConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Size and course of the teacher."""

    width: Count
    depth: Count
    members: Annotated[int, msgspec.Meta(ge=2)]
    batch: Count
    steps: Count
    learning_rate: Rate


class StudentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Size and course of the student."""

    width: Count
    context: Count
    batch: Count
    steps: Count
    learning_rate: Rate
    weight_decay: float
    augmented: Share
    bank: Count


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training run."""

    seed: int
    held_back: Share
    teacher: TeacherConfig
    student: StudentConfig


def read_config(path: Path, steps: int | None = None) -> Config:
    """Read a configuration.

    Args:
        path: TOML file.
        steps: of the teacher and of the student, in place of the file's; to try things out.

    Raises:
        TrainingError: missing file, unknown key, wrong type or range.
    """
    try:
        config = msgspec.toml.decode(path.read_bytes(), type=Config)
    except (OSError, msgspec.DecodeError) as error:
        raise TrainingError(f"configuration {path}: {error}") from error
    if not steps:
        return config
    fewer = msgspec.structs.replace
    teacher, student = fewer(config.teacher, steps=steps), fewer(config.student, steps=steps)
    return fewer(config, teacher=teacher, student=student)
