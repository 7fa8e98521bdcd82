"""A tiny training in a process of its own; see `test_loop.child` for what `ASKED` may hold.

Writes the final weights to <folder>/weights-<rank>.npz. Kills itself with SIGKILL where it is told to.
"""

import os
import signal
from pathlib import Path

import numpy as np
import torch

from training import processes
from training.loop import Checkpoint, loop

asked = globals()["ASKED"]
folder, kill_at, kill_in_save = Path(asked["folder"]), asked.get("kill_at"), asked.get("kill_in_save")
os.environ.update(asked.get("environment", {}))
torch.set_num_threads(1)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


if kill_in_save:
    saves, replace = [], Path.replace

    def replace_or_die(self, target):
        saves.append(target)
        return die() if len(saves) == kill_in_save else replace(self, target)

    Path.replace = replace_or_die

with processes.joined() as place:
    torch.manual_seed(5)
    layers = [torch.nn.Linear(6, 16), torch.nn.BatchNorm1d(16), torch.nn.Dropout(0.2), torch.nn.Linear(16, 2)]
    network = torch.nn.Sequential(*layers)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 60)
    calls = []

    def step(rng):
        calls.append(1)
        if len(calls) == kill_at:
            die()
        x = torch.from_numpy(rng.normal(size=(8, 6)).astype(np.float32))
        return (network(x) - x[:, :2]).square().mean()

    checkpoint = Checkpoint(folder / "checkpoint.pt", "d", every=10)
    rng = np.random.default_rng(9)
    course = loop({"network": network}, optimizer, schedule, rng, step, 60, checkpoint=checkpoint, clip_norm=1.0)
    arrays = {name: value.numpy() for name, value in network.state_dict().items()}
    told = {"resumed_at": course.resumed_at, "losses": course.losses, "steps": len(calls)}
    np.savez(folder / f"weights-{place.rank}.npz", **arrays, **{f"told.{k}": np.array(v) for k, v in told.items()})
