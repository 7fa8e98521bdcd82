"""The loop: cut off by a real kill -9 and resumed, it ends bit for bit where it would have; several at once, too."""

import multiprocessing
import os
import pickle
import runpy
import signal
import socket
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is absent: the training loop is NOT tested")

from training.errors import TrainingError  # noqa: E402
from training.files import write_atomically  # noqa: E402
from training.loop import Checkpoint, loop  # noqa: E402

CHILD = Path(__file__).with_name("loop_child.py")
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def child():
    """Start a real process a call: `child(folder, kill_at=step, kill_in_save=n, environment={...})`."""
    server = multiprocessing.get_context("forkserver")  # torch, slow to load, is loaded once for all
    server.set_forkserver_preload(["torch", "torch._dynamo", "rich.progress", "msgspec"])

    def start(folder, **asked):
        folder.mkdir(exist_ok=True)
        process = server.Process(target=runpy.run_path, args=(str(CHILD), {"ASKED": {"folder": folder, **asked}}))
        process.start()
        return process

    return start


def ended(*started):
    """Exit statuses, negative = killed by that signal."""
    for process in started:
        process.join(120)
    return [process.exitcode for process in started]


def weights(folder, rank=0):
    with np.load(folder / f"weights-{rank}.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def same(one, two):
    return all(np.array_equal(one[name], two[name]) for name in one if not name.startswith("told."))


@pytest.fixture(scope="module")
def uninterrupted(child, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert ended(child(folder)) == [0]
    return weights(folder)


def test_killed_in_a_step_and_while_saving_it_ends_with_the_same_weights(child, tmp_path, uninterrupted):
    killed = -signal.SIGKILL
    assert ended(child(tmp_path, kill_at=37)) == [killed]
    assert ended(child(tmp_path, kill_in_save=2)) == [killed]  # step 50 is lost, 40 holds
    assert ended(child(tmp_path)) == [0]
    resumed = weights(tmp_path)
    assert (resumed["told.resumed_at"], resumed["told.steps"]) == (40, 20)
    assert same(resumed, uninterrupted)
    assert np.array_equal(resumed["told.losses"], uninterrupted["told.losses"])


def test_two_processes_end_with_one_set_of_weights_and_resume_to_it(child, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert ended(*two(child, whole)) == [0, 0]
    assert ended(*two(child, cut, kill_at=37)) == [-signal.SIGKILL] * 2
    assert ended(child(cut)) != [0]  # one process cannot go on where two stopped
    assert ended(*two(child, cut)) == [0, 0]
    assert same(weights(whole, 0), weights(whole, 1))
    assert same(weights(cut, 0), weights(whole, 0))
    assert weights(cut)["told.resumed_at"] == 30


def two(child, folder, **asked):
    """As `torchrun` starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    own = [place | {"RANK": rank, "LOCAL_RANK": rank} for rank in "01"]
    return [child(folder, environment=environment, **asked) for environment in own]


class Fixture:
    """A line that is fitted, in this process."""

    def __init__(self, seed=0):
        torch.manual_seed(seed)
        self.network = torch.nn.Linear(3, 1)
        self.optimizer = torch.optim.SGD(self.network.parameters(), 0.05)
        self.schedule = torch.optim.lr_scheduler.StepLR(self.optimizer, 10)
        self.steps = 0

    def step(self, rng):
        self.steps += 1
        x = torch.from_numpy(rng.normal(size=(4, 3)).astype(np.float32))
        return (self.network(x) - x.sum(dim=1, keepdim=True)).square().mean()

    def run(self, steps=20, step=None, **options):
        rng = np.random.default_rng(1)
        modules = {"line": self.network}
        return loop(modules, self.optimizer, self.schedule, rng, step or self.step, steps, **options)


def test_the_loss_of_each_interval_is_told_and_falls(tmp_path):
    course = Fixture().run(20, checkpoint=Checkpoint(tmp_path / "c.pt", "d", every=8))
    assert len(course.losses) == 3
    assert course.losses[-1] < course.losses[0]
    assert course.resumed_at == 0


def test_a_training_that_is_done_returns_at_once_with_its_weights(tmp_path, capsys):
    checkpoint = Checkpoint(tmp_path / "c.pt", "d", every=8)
    first, again = Fixture(), Fixture(seed=3)
    course = first.run(checkpoint=checkpoint)
    assert again.run(checkpoint=checkpoint).losses == course.losses
    assert again.steps == 0
    assert torch.equal(again.network.weight, first.network.weight)
    assert "going on from step 20 of 20" in capsys.readouterr().err
    checkpoint.discard()
    assert not (tmp_path / "c.pt").exists()


def test_another_configuration_or_other_data_are_refused_in_one_line(tmp_path):
    Fixture().run(checkpoint=Checkpoint(tmp_path / "c.pt", "one"))
    with pytest.raises(TrainingError, match="another configuration or other data; delete it") as caught:
        Fixture().run(checkpoint=Checkpoint(tmp_path / "c.pt", "two"))
    assert "\n" not in str(caught.value)


class Trap:
    """What a hostile file would run."""

    def __reduce__(self):
        return (os.abort, ())


@pytest.mark.parametrize("make", [lambda: b"", lambda: b"PK\x03\x04", lambda: pickle.dumps(Trap(), protocol=2)])
def test_a_checkpoint_that_is_none_is_refused_and_never_run(tmp_path, make):
    (tmp_path / "c.pt").write_bytes(make())
    with pytest.raises(TrainingError, match="cannot be read"):
        Fixture().run(checkpoint=Checkpoint(tmp_path / "c.pt", "d"))


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    Fixture().run(checkpoint=Checkpoint(tmp_path / "c.pt", "d"))
    other = Fixture()
    other.network = torch.nn.Linear(4, 1)
    with pytest.raises(TrainingError, match="does not fit"):
        other.run(checkpoint=Checkpoint(tmp_path / "c.pt", "d"))


def test_a_loss_that_explodes_stops_the_training_and_is_never_saved(tmp_path):
    one = Fixture()
    with pytest.raises(TrainingError, match="lower the learning rate"):
        one.run(step=lambda rng: one.step(rng) * float("nan"), checkpoint=Checkpoint(tmp_path / "c.pt", "d"))
    assert not (tmp_path / "c.pt").exists()


def test_a_file_is_replaced_as_a_whole(tmp_path):
    for content in (b"old", b"new"):
        write_atomically(tmp_path / "deep" / "file", content)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["file"]
    assert (tmp_path / "deep" / "file").read_bytes() == b"new"
