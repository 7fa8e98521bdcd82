"""Several processes that train one model, as `torchrun` starts them; a process alone runs the same code.

Gradients are averaged by hand and not by wrapping each network in `DistributedDataParallel`: a step may then call any
method of several networks, as often as it likes, and reads the same for one process and for many. What the wrapper
would gain, sending while it computes, is worth nothing for networks of a few megabytes.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, distributed

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Place:
    """Which of how many processes this is, and what it computes on."""

    rank: int
    world: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """One process writes files and speaks for all."""
        return self.rank == 0


@contextmanager
def joined() -> Iterator[Place]:
    """Join the processes that `torchrun` started on this machine; without it, be the only one.

    `torchrun --nproc-per-node 4 -m training train` gives each process a GPU of its own, or a share of the CPU.
    """
    gpu, local = torch.cuda.is_available(), int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield Place(0, 1, device)
        return
    distributed.init_process_group("nccl" if gpu else "gloo")
    try:
        yield Place(distributed.get_rank(), distributed.get_world_size(), device)
    finally:
        distributed.destroy_process_group()


def rank() -> int:
    """This process's number; 0 where it is alone."""
    return distributed.get_rank() if _several() else 0


def own_generator(rng: np.random.Generator) -> np.random.Generator:
    """The leader keeps `rng`; every other process gets a stream of its own, and so another part of the data."""
    return rng if rank() == 0 else rng.spawn(distributed.get_world_size())[rank()]


def average(tensors: Iterable[Tensor | None]) -> None:
    """Make each tensor the mean over all processes, in place, in one message; what is None in one is so in all."""
    present = [tensor for tensor in tensors if tensor is not None]
    if not _several() or not present:
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in present])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    sizes = [tensor.numel() for tensor in present]
    for tensor, part in zip(present, torch.split(flat, sizes), strict=True):
        tensor.copy_(part.view_as(tensor))


def follow_leader(tensors: Iterable[Tensor]) -> None:
    """Give each tensor the leader's values, in place."""
    if _several():
        for tensor in tensors:
            distributed.broadcast(tensor, 0)


def of_all(thing: Thing) -> list[Thing]:
    """What each process holds, by rank."""
    if not _several():
        return [thing]
    found: list[Thing] = [thing] * distributed.get_world_size()
    distributed.all_gather_object(found, thing)
    return found


def _several() -> bool:
    return distributed.is_available() and distributed.is_initialized()
