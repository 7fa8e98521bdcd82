"""Training on a little simulated movement: repeatable, resumable, it learns, and its weights can be opened safely."""

import pickle
from dataclasses import fields, replace

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is absent: training is NOT tested")

from agent.batch import cut_recording  # noqa: E402
from agent.layout import POSITIONS, Layout  # noqa: E402
from agent.simulate import simulate  # noqa: E402
from training import train  # noqa: E402
from training.config import REDUCED, read_config  # noqa: E402
from training.errors import DataError, TrainingError  # noqa: E402
from training.loop import Checkpoint  # noqa: E402
from training.train import Lot, surprise  # noqa: E402
from training.weights import load_student, save_weights  # noqa: E402
from training.windows import NormalWindows, held_back, some  # noqa: E402

LAYOUT = Layout(positions=POSITIONS)
CPU = torch.device("cpu")
torch.set_num_threads(1)  # small work; more threads only wait for each other


@pytest.fixture(scope="module")
def windows():
    """Of three wearers, a quarter of all."""
    cut = [cut_recording(simulate(np.random.default_rng(seed))[0], LAYOUT) for seed in range(3)]
    wearer = np.concatenate([np.full(len(part.family), f"w{n}") for n, part in enumerate(cut)])
    samples, family, stream = (
        np.concatenate([getattr(part, name) for part in cut]) for name in ("samples_g", "family", "stream")
    )
    end_s = np.concatenate([part.end_s[part.owner] for part in cut])
    worn = np.array(["right_wrist", "waist"])[stream]
    session = np.array([f"{name}/day/{position}" for name, position in zip(wearer, worn, strict=True)])
    count = len(wearer)
    everything = NormalWindows(
        samples, family, wearer, session, end_s, np.arange(count), np.zeros(count, np.int8), np.ones(count, np.bool_)
    )
    return some(everything, np.round(end_s * 2).astype(int) % 4 == 0)


def config(*, seed=3, **student):
    """A tiny teacher, and a student with these fields."""
    change, whole = msgspec.structs.replace, read_config(REDUCED)
    teacher = change(whole.teacher, width=8, depth=1, members=2, batch=8, steps=4)
    tiny = {"width": 8, "context": 8, "batch": 16, "steps": 6, "bank": 64} | student
    return change(whole, seed=seed, held_back=0.34, teacher=teacher, student=change(whole.student, **tiny))


def lot(windows, *, run=None, **chosen):
    return Lot(config(**chosen), LAYOUT, windows, CPU, run)


@pytest.fixture(scope="module")
def trained(windows):
    one = lot(windows)
    return one.train(), one.standard


def weights(outcome):
    """All arrays of both networks."""
    networks = {"student": outcome.student, "teacher": outcome.teacher}
    return {f"{key}.{name}": value for key in networks for name, value in networks[key].state_dict().items()}


def assert_same(one, two):
    first, second = weights(one), weights(two)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    assert one.figures == two.figures


def test_two_trainings_with_one_seed_agree_to_the_bit(windows, trained):
    again = lot(windows)
    assert_same(again.train(), trained[0])
    for field in fields(again.standard):
        assert np.array_equal(getattr(again.standard, field.name), getattr(trained[1], field.name))


def test_another_seed_gives_other_weights(windows, trained):
    other = lot(windows, seed=4).train()
    assert not torch.equal(other.student.stem.weight, trained[0].student.stem.weight)
    assert not torch.equal(other.teacher.order, trained[0].teacher.order)


class Cut(Exception):  # noqa: N818 # not an error: someone pulled the plug
    """The training was cut off."""


@pytest.mark.parametrize(("which", "after"), [("TeacherStep", 3), ("StudentStep", 4)])
def test_a_training_that_was_cut_off_in_either_loop_goes_on_to_the_same_weights(
    windows, trained, tmp_path, monkeypatch, capsys, which, after
):
    whole, calls = getattr(train, which), []
    monkeypatch.setattr(train, "Checkpoint", lambda path, digest: Checkpoint(path, digest, every=2))

    class Pulled(whole):
        def __call__(self, rng):
            calls.append(1)
            if len(calls) > after:
                raise Cut
            return super().__call__(rng)

    monkeypatch.setattr(train, which, Pulled)
    with pytest.raises(Cut):
        lot(windows, run=tmp_path).train()
    monkeypatch.setattr(train, which, whole)
    torch.manual_seed(99)  # whatever happened in between
    assert_same(lot(windows, run=tmp_path).train(), trained[0])
    assert f"going on from step {after // 2 * 2}" in capsys.readouterr().err


def test_checkpoints_are_kept_until_they_are_forgotten(windows, tmp_path):
    one = lot(windows, run=tmp_path)
    one.train()
    assert {path.name for path in tmp_path.iterdir()} == {"teacher.pt", "student.pt"}
    one.forget()
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_another_seed_is_not_taken_up(windows, tmp_path):
    lot(windows, run=tmp_path).train()
    with pytest.raises(TrainingError, match="another configuration"):
        lot(windows, run=tmp_path, seed=4).train()


def test_the_student_learns(windows, trained):
    figures = lot(windows, steps=60, learning_rate=1e-2).train().figures
    assert figures["imitation"] < 0.85 * trained[0].figures["imitation"]
    assert all(np.isfinite(list(figures.values())))


def test_the_teacher_judges_no_more_windows_than_the_student_will_hear(windows, monkeypatch):
    judged, judge = [], train.judged_by

    def counted(teacher, samples_g, *rest):
        judged.append(len(samples_g))
        return judge(teacher, samples_g, *rest)

    monkeypatch.setattr(train, "judged_by", counted)
    for steps, bank in ((1, 1000), (6, 40)):
        lot(windows, steps=steps, bank=bank).train()
    assert judged == [train.BANK_BATCH, 40]


def test_the_variance_is_fitted_without_bending_the_mean():
    target, log_variance = torch.zeros(1, 4), torch.full((1, 4), -3.0, requires_grad=True)
    expected = torch.ones(1, 4, requires_grad=True)
    surprise(expected, log_variance, target).backward()
    assert expected.grad.tolist() == [[0.5] * 4]  # of the squared error alone
    assert bool((log_variance.grad < 0).all())  # the error is larger than was expected: the variance grows


def test_the_description_is_standardised_on_the_wearers_that_train(windows, trained):
    one = lot(windows)
    assert not set(one.learned.wearer) & set(one.shown.wearer)
    assert trained[1].mean.shape == trained[1].spread.shape == (1, 1, 4, 4)
    assert (trained[1].spread > 0).all()
    described = one.standard.describe(one.learned.samples_g, LAYOUT.segments).numpy().reshape(-1, 16)
    assert np.abs(described.mean(axis=0)).max() < 0.1


def test_weights_round_trip_without_pickle(trained, tmp_path):
    outcome, standard = trained
    student = outcome.student
    save_weights(student, standard, tmp_path / "weights.npz")
    again = load_student(tmp_path / "weights.npz", LAYOUT.segments)
    features = torch.randn(4, 8, 128)
    with torch.no_grad():
        for one, two in zip(student(features), again(features), strict=True):
            assert torch.equal(one, two)
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as arrays:
        assert all(arrays[key].dtype != object for key in arrays)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 no archive", pickle.dumps({"student.stem": 1}), b"\x93NUMPY\x01\x00"]
)
def test_weights_that_are_none_are_refused_in_one_line(tmp_path, content):
    (tmp_path / "weights.npz").write_bytes(content)
    with pytest.raises(TrainingError, match=r"weights\.npz") as caught:
        load_student(tmp_path / "weights.npz", 4)
    assert "\n" not in str(caught.value)


def test_weights_of_another_shape_or_none_are_refused(trained, tmp_path):
    with pytest.raises(TrainingError):
        load_student(tmp_path / "nowhere.npz", 4)
    outcome, standard = trained
    student = outcome.student
    save_weights(student, standard, tmp_path / "weights.npz")
    with pytest.raises(TrainingError):
        load_student(tmp_path / "weights.npz", 3)
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(TrainingError):
        load_student(tmp_path / "other.npz", 4)


@pytest.mark.parametrize("text", ["", "seed = 'seven'", "seed = 7\nunknown = 1", "not toml ="])
def test_a_wrong_configuration_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(TrainingError) as caught:
        read_config(tmp_path / "c.toml")
    assert "\n" not in str(caught.value)


def alone(windows):
    """As if one wearer had worn them all."""
    return replace(windows, wearer=np.full(len(windows.family), "w"))


def test_a_single_wearer_is_held_back_by_time(windows):
    own = alone(windows)
    shown = held_back(own, 0.1, np.random.default_rng(0))
    assert 0.05 < shown.mean() < 0.15
    for name in np.unique(own.session):
        mine = own.session == name
        assert own.end_s[mine & shown].min() > own.end_s[mine & ~shown].max()
    assert lot(own).train().figures["imitation"] > 0


def test_a_single_window_is_not_enough_and_says_so(windows):
    with pytest.raises(DataError, match="too few"):
        lot(some(alone(windows), np.arange(len(windows.family)) == 0))


def test_wearers_are_held_back_whole(windows):
    shown = held_back(windows, 0.34, np.random.default_rng(0))
    assert len(set(windows.wearer[shown])) == 1
    assert not set(windows.wearer[shown]) & set(windows.wearer[~shown])


def test_fewer_steps_can_be_asked_for_of_both_networks():
    few = read_config(REDUCED, 3)
    assert (few.teacher.steps, few.student.steps) == (3, 3)
    assert read_config(REDUCED).student.steps > 3
