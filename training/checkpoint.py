"""The state of a training on disk: everything that the next step depends on, and whose training it is.

Written whole or not at all; read without running anything that it contains (`weights_only`).
"""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from agent.errors import first_line
from training import processes
from training.errors import TrainingError
from training.files import write_atomically

SCHEMA = "veille-checkpoint/1"


@dataclass(slots=True)
class State:
    """What a training consists of between two steps."""

    modules: Mapping[str, nn.Module]
    optimizer: Optimizer
    schedule: LRScheduler
    rng: np.random.Generator
    step: int = 0
    """Steps done."""
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    """Spent so far."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """Of all modules."""
        return (parameter for module in self.modules.values() for parameter in module.parameters())

    def buffers(self) -> Iterator[Tensor]:
        """Of all modules."""
        return (buffer for module in self.modules.values() for buffer in module.buffers())


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where the state of one training is kept."""

    path: Path
    digest: str
    """Of the configuration and the data: a state is only ever loaded into the training that it came from."""
    every: int = 500
    """Steps between two saves."""

    def save(self, state: State) -> None:
        """Write the state; of several processes the leader writes, with what all of them hold."""
        chances = processes.of_all(_chance(state.rng))
        if processes.rank() == 0:
            content = io.BytesIO()
            torch.save(self._payload(state, chances), content)
            write_atomically(self.path, content.getvalue())

    def load_into(self, state: State) -> bool:
        """Take up the saved state; False where there is none.

        Raises:
            TrainingError: it belongs to another training, to another number of processes, or cannot be read.
        """
        if not self.path.exists():
            return False
        saved = self._read()
        try:
            for name, module in state.modules.items():
                module.load_state_dict(saved["modules"][name])
            state.optimizer.load_state_dict(saved["optimizer"])
            state.schedule.load_state_dict(saved["schedule"])
            state.step, state.losses, state.seconds = saved["step"], list(saved["losses"]), saved["seconds"]
            _take_chance(saved["chances"], state.rng)
            torch.set_num_threads(saved["threads"])  # another number adds up in another order: other last bits
        except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
            raise TrainingError(f"{self.path}: does not fit: {first_line(error)}; {self._remedy()}") from error
        return True

    def discard(self) -> None:
        """Remove it: the training is done and its result is written."""
        if processes.rank() == 0:
            self.path.unlink(missing_ok=True)

    def _payload(self, state: State, chances: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "digest": self.digest,
            "modules": {name: module.state_dict() for name, module in state.modules.items()},
            "optimizer": state.optimizer.state_dict(),
            "schedule": state.schedule.state_dict(),
            "chances": chances,
            "step": state.step,
            "losses": state.losses,
            "seconds": state.seconds,
            "threads": torch.get_num_threads(),
        }

    def _read(self) -> dict[str, Any]:
        try:
            saved: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            schema, digest, world = saved["schema"], saved["digest"], len(saved["chances"])
        except Exception as error:  # zipfile, pickle and torch each have errors of their own for a damaged file
            raise TrainingError(f"{self.path}: cannot be read: {first_line(error)}; {self._remedy()}") from error
        if schema != SCHEMA or digest != self.digest:
            raise TrainingError(f"{self.path}: belongs to another configuration or other data; {self._remedy()}")
        if world != len(processes.of_all(None)):
            raise TrainingError(f"{self.path}: was saved by {world} processes; start as many, or {self._remedy()}")
        return saved

    def _remedy(self) -> str:
        return "delete it to start anew, or name another folder with --out"


def _chance(rng: np.random.Generator) -> dict[str, Any]:
    """Where the random numbers of this process stand."""
    gpu = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return {"numpy": json.dumps(rng.bit_generator.state), "torch": torch.get_rng_state(), "cuda": gpu}


def _take_chance(chances: list[dict[str, Any]], rng: np.random.Generator) -> None:
    own = chances[processes.rank()]
    rng.bit_generator.state = json.loads(own["numpy"])
    torch.set_rng_state(own["torch"])
    if own["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(own["cuda"])
