"""A small convolutional auto-encoder on raw windows: the usual first try with a network."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from agent.records import Floats, Singles

BATCH = 64


class AutoEncoder:
    """Mean squared error (g^2) of rebuilding a window from 16 x 16 numbers, of 3 x 128."""

    def __init__(self, steps: int = 1000, seed: int = 0) -> None:
        """`steps` of a batch each, drawn with replacement; begun and drawn from `seed`."""
        self._steps, self._seed = steps, seed
        self._network: Any = None

    def fit(self, windows: Singles) -> None:
        """See `Peer`."""
        with torch.random.fork_rng(devices=[]), one_thread():  # whoever calls keeps their own chance
            torch.manual_seed(self._seed)
            self._network = network()
            self._train(torch.from_numpy(np.ascontiguousarray(windows, dtype=np.float32)))

    def _train(self, windows: torch.Tensor) -> None:
        optimiser = torch.optim.Adam(self._network.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=self._steps)
        for _ in range(self._steps):
            batch = windows[torch.randint(len(windows), (BATCH,))]
            optimiser.zero_grad()
            nn.functional.mse_loss(self._network(batch), batch).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()

    @torch.no_grad()
    def score(self, windows: Singles) -> Floats:
        """See `Peer`."""
        known = torch.from_numpy(np.ascontiguousarray(windows, dtype=np.float32))
        parts = (known[at : at + 64 * BATCH] for at in range(0, len(known), 64 * BATCH))
        errors = [((self._network(part) - part) ** 2).mean(dim=(1, 2)) for part in parts]
        return torch.cat(errors).numpy().astype(np.float64)


@contextmanager
def one_thread() -> Iterator[None]:
    """Small batches gain nothing from more threads, and their number changes the last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def network() -> nn.Module:
    """(n, 3, samples) -> the same; `samples` a multiple of 8."""
    return nn.Sequential(
        nn.Conv1d(3, 16, 7, stride=2, padding=3),
        nn.ReLU(),
        nn.Conv1d(16, 32, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv1d(32, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.ConvTranspose1d(16, 32, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose1d(32, 16, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose1d(16, 3, 4, stride=2, padding=1),
    )
