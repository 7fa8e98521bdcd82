"""The loop that every training runs in: it can be cut off at any instant and goes on as if nothing had been.

    course = loop({"student": student}, optimizer, schedule, rng, step, steps, checkpoint=Checkpoint(path, digest))

`step(rng)` draws a batch with `rng` and returns the loss. The loop does the rest: gradients, schedule, several
processes, half precision on a GPU, progress bar, checkpoints. On a CPU a training that was cut off and resumed ends
with the same weights, bit for bit, as one that was not.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from training import processes
from training.checkpoint import Checkpoint, State
from training.errors import TrainingError

__all__ = ["Checkpoint", "Course", "loop"]

Step = Callable[[np.random.Generator], Tensor]
"""Draws a batch and returns the loss, a scalar. Must not depend on anything else that changes from step to step."""
EVERY = 500
"""Steps between two reports where no checkpoint says otherwise."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a training went."""

    losses: list[float]
    """Mean loss of each interval between two checkpoints, over all processes, from the first step on."""
    minutes: float
    """Spent in the loop, before and after all interruptions."""
    resumed_at: int
    """Step from which this process went on; 0 = from the beginning."""


def loop(
    modules: Mapping[str, nn.Module],
    optimizer: Optimizer,
    schedule: LRScheduler,
    rng: np.random.Generator,
    step: Step,
    steps: int,
    *,
    checkpoint: Checkpoint | None = None,
    clip_norm: float | None = None,
    name: str = "training",
) -> Course:
    """Run `steps` steps, or what is left of them; a training that is already done returns at once.

    Args:
        modules: every network whose weights or buffers change, on one device.
        optimizer: over their parameters.
        schedule: advanced once a step.
        rng: the only source of randomness of `step`, beside torch's own; a PCG64, as `default_rng` gives.
        step: see `Step`. Runs under bfloat16 autocast on a GPU, in full precision on a CPU.
        steps: of the whole training.
        checkpoint: where the state is kept; None = it is not.
        clip_norm: longest gradient, all parameters together; None = any.
        name: what the progress bar says.

    Raises:
        TrainingError: the checkpoint belongs to another training or cannot be read, or the loss is no longer finite.
    """
    _spread(modules)
    state = State(modules, optimizer, schedule, processes.own_generator(rng))
    if checkpoint and checkpoint.load_into(state):
        _say(f"{name}: going on from step {state.step} of {steps} ({checkpoint.path})")
    resumed_at, every = state.step, checkpoint.every if checkpoint else EVERY
    with _bar(name, steps, state.step) as show:
        while state.step < steps:
            until = min(steps, (state.step // every + 1) * every)
            _run(state, step, until, clip_norm, show)
            if checkpoint:
                checkpoint.save(state)
    return Course(list(state.losses), state.seconds / 60, resumed_at)


def _run(state: State, step: Step, until: int, clip_norm: float | None, show: Callable[[int, str], None]) -> None:
    """From the state's step to `until`; the mean loss on the way is added to the state."""
    device, start = next(iter(state.parameters())).device, time.monotonic()
    total, first = torch.zeros((), device=device), state.step
    while state.step < until:
        total += _one_step(state, step, device, clip_norm)
        state.step += 1
        show(state.step, f"loss {state.losses[-1]:.4g}" if state.losses else "")
    processes.average([total])
    mean = total.item() / (until - first)
    if not np.isfinite(mean):  # asked once an interval: asking every step would make a GPU wait
        raise TrainingError(f"the loss is {mean} before step {until}; lower the learning rate in the configuration")
    state.losses.append(mean)
    state.seconds += time.monotonic() - start


def _one_step(state: State, step: Step, device: torch.device, clip_norm: float | None) -> Tensor:
    """The loss, detached, of this process's batch."""
    with _precision(device):
        loss = step(state.rng)
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call] # torch
    processes.average(parameter.grad for parameter in state.parameters())
    if clip_norm is not None:
        nn.utils.clip_grad_norm_(state.parameters(), clip_norm)
    state.optimizer.step()
    state.schedule.step()
    processes.follow_leader(state.buffers())
    return loss.detach()


def _precision(device: torch.device) -> AbstractContextManager[object]:
    """Half the bits on a GPU; on a CPU all of them, where half would be slower and not the same twice."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()


def _spread(modules: Mapping[str, nn.Module]) -> None:
    """All processes begin with the leader's weights, and each with random numbers of its own."""
    for module in modules.values():
        processes.follow_leader(tensor.detach() for tensor in (*module.parameters(), *module.buffers()))
    if processes.rank():
        torch.manual_seed(torch.initial_seed() + processes.rank())


@contextmanager
def _bar(name: str, steps: int, done: int) -> Iterator[Callable[[int, str], None]]:
    """`show(step, text)`: a progress bar where the error stream is a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    quiet = not console.is_terminal or bool(processes.rank())
    with Progress(*columns, TextColumn("{task.fields[said]}"), console=console, disable=quiet) as progress:
        task = progress.add_task(name, total=steps, completed=done, said="")
        yield lambda step, said: progress.update(task, completed=step, said=said)


def _say(text: str) -> None:
    if processes.rank() == 0:
        print(text, file=sys.stderr)
