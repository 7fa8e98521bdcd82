"""The run record: what a training was made from and with, beside its weights; enough to make it again, or to doubt it.

`run.json` of an older Veille lacks what was added since; it is read with defaults.
"""

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from training.datasets.facts import DataFacts
from training.errors import TrainingError
from training.files import write_atomically

RECORD = "run.json"
_CODE = Path(__file__).parent


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`run.json`."""

    commit: str
    """Of the code; `unknown` outside a checkout."""
    uncommitted: bool = False
    """The code differed from that commit."""
    config: dict[str, Any]
    data: list[DataFacts] = []
    left_out: dict[str, int] = {}
    """Why parts of a user's folder were not used -> how many."""
    notes: list[str] = []
    """What the data do not allow, and what was done instead."""
    wearers: list[str]
    """Everyone in the part that trains."""
    device: str
    minutes: float
    torch: str
    windows: int
    parameters: int
    figures: dict[str, float] = {}
    """Measured on training wearers that were held back."""

    @property
    def seed(self) -> int:
        """The one that the configuration gives."""
        return int(self.config["seed"])


def write_record(record: RunRecord, run: Path) -> None:
    """Write `run.json` into the run's folder, whole or not at all."""
    text = msgspec.json.format(msgspec.json.encode(record), indent=1)
    write_atomically(run / RECORD, text + b"\n")


def read_record(run: Path) -> RunRecord:
    """The record in a run's folder.

    Raises:
        TrainingError: it is missing or is none.
    """
    try:
        return msgspec.json.decode((run / RECORD).read_bytes(), type=RunRecord)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"run record {run / RECORD}: {error}; make it with `python -m training train`") from error


def code_version() -> tuple[str, bool]:
    """The commit of this code, and whether the code differs from it; not of the folder that the command runs in."""
    commit = _git("rev-parse", "HEAD")
    return commit or "unknown", bool(commit and _git("status", "--porcelain", "--untracked-files=no"))


def _git(*words: str) -> str:
    try:
        answer = subprocess.run(["git", *words], cwd=_CODE, capture_output=True, text=True, check=False)
    except OSError:  # no git on this machine
        return ""
    return answer.stdout.strip()


def device_name(device: torch.device) -> str:
    """As its maker calls it, for a GPU; else `cpu` with the number of threads, on which the last bits depend."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} thread{'s' * (torch.get_num_threads() > 1)}"


def digest_of(config: object, *arrays: NDArray[Any]) -> str:
    """SHA-256 of a configuration and of what is trained on: the key of a checkpoint (`training.loop`)."""
    whole = hashlib.sha256(msgspec.json.encode(config))
    for array in arrays:
        whole.update(f"{array.dtype.str} {array.shape}".encode())
        whole.update(np.ascontiguousarray(array).data)
    return whole.hexdigest()
