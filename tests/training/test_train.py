"""Training on a little simulated movement: repeatable, it learns, and its weights need no trust to be opened."""

import pickle
from dataclasses import replace

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is absent: training is NOT tested")

from agent.batch import cut_recording  # noqa: E402
from agent.layout import POSITIONS, Layout  # noqa: E402
from agent.simulate import simulate  # noqa: E402
from training.errors import TrainingError  # noqa: E402
from training.teacher import describe  # noqa: E402
from training.train import CONFIG, _chances, load_student, read_config, save_weights, train  # noqa: E402
from training.windows import NormalWindows, held_back  # noqa: E402

LAYOUT = Layout(positions=POSITIONS)
CPU = torch.device("cpu")
torch.set_num_threads(1)  # small work; more threads only wait for each other


@pytest.fixture(scope="module")
def windows():
    parts = [cut_recording(simulate(np.random.default_rng(seed))[0], LAYOUT) for seed in range(3)]
    wearer = np.concatenate([np.full(len(part.family), f"w{n}") for n, part in enumerate(parts)])
    samples = np.concatenate([part.samples_g for part in parts])
    family = np.concatenate([part.family for part in parts])
    return NormalWindows(samples, family, wearer, wearer, np.zeros(len(wearer)))


def config(**fields):
    small = {"seed": 3, "width": 8, "context": 8, "batch": 32, "steps": 6, "held_back": 0.34}
    return msgspec.structs.replace(read_config(CONFIG), **small | fields)


@pytest.fixture(scope="module")
def trained(windows):
    return train(windows, LAYOUT, config(), CPU)


def test_two_trainings_with_one_seed_agree_to_the_bit(windows, trained):
    again, standard, losses, _ = train(windows, LAYOUT, config(), CPU)
    for (name, one), (_, two) in zip(trained[0].state_dict().items(), again.state_dict().items(), strict=True):
        assert torch.equal(one, two), name
    assert all(np.array_equal(trained[1][key], standard[key]) for key in standard)
    assert trained[2] == losses


def test_another_seed_gives_other_weights(windows, trained):
    other, _, _, _ = train(windows, LAYOUT, config(seed=4), CPU)
    assert not torch.equal(other.gain, trained[0].gain)


def test_the_loss_falls(windows, trained):
    _, _, losses, _ = train(windows, LAYOUT, config(steps=60, learning_rate=1e-2), CPU)
    assert losses["imitation"] < 0.85 * trained[2]["imitation"]
    assert all(np.isfinite(list(losses.values())))


def test_the_teacher_is_standardised_on_the_wearers_that_train(trained):
    assert {key: value.shape for key, value in trained[1].items()} == {"mean": (1, 1, 4, 4), "spread": (1, 1, 4, 4)}
    assert (trained[1]["spread"] > 0).all()


def test_the_teacher_describes_each_segment_and_axis_alone(windows):
    samples_g = windows.samples_g[:5].copy()
    changed = samples_g.copy()
    changed[:, 0, 70:90] += 0.5  # inside the third segment
    differs = (describe(samples_g, 4) != describe(changed, 4)).any(axis=(0, 3))
    assert {tuple(place) for place in np.argwhere(differs).tolist()} == {(2, 0), (2, 3)}


def test_families_are_drawn_by_the_square_root_of_their_size():
    chance = _chances(np.repeat([0, 1], [900, 100]))
    assert chance.sum() == pytest.approx(1)
    assert chance[:900].sum() / chance[900:].sum() == pytest.approx(3)


def test_weights_round_trip_without_pickle(trained, tmp_path):
    student, standard, _, _ = trained
    save_weights(student, standard, tmp_path / "weights.npz")
    again = load_student(tmp_path / "weights.npz", LAYOUT.segments)
    features = torch.randn(4, 8, 128)
    with torch.no_grad():
        for one, two in zip(student(features), again(features), strict=True):
            assert torch.equal(one, two)
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as arrays:
        assert all(arrays[key].dtype != object for key in arrays)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 no archive", pickle.dumps({"student.gain": 1}), b"\x93NUMPY\x01\x00"]
)
def test_weights_that_are_none_are_refused_in_one_line(tmp_path, content):
    (tmp_path / "weights.npz").write_bytes(content)
    with pytest.raises(TrainingError, match=r"weights\.npz") as caught:
        load_student(tmp_path / "weights.npz", 4)
    assert "\n" not in str(caught.value)


def test_weights_of_another_shape_or_none_are_refused(trained, tmp_path):
    with pytest.raises(TrainingError):
        load_student(tmp_path / "nowhere.npz", 4)
    student, standard, _, _ = trained
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


def alone(windows, rows=slice(None)):
    wearer = np.full(len(windows.family), "w")[rows]
    return NormalWindows(
        windows.samples_g[rows], windows.family[rows], wearer, windows.session[rows], windows.end_s[rows]
    )


def test_a_single_wearer_is_held_back_by_time(windows):
    ends = np.concatenate([np.arange(np.sum(windows.session == name)) for name in ("w0", "w1", "w2")]).astype(float)
    own = alone(replace(windows, end_s=ends))
    shown = held_back(own, 0.1, np.random.default_rng(0))
    assert 0.05 < shown.mean() < 0.15
    for name in ("w0", "w1", "w2"):
        mine = own.session == name
        assert ends[mine & shown].min() > ends[mine & ~shown].max()
    assert train(own, LAYOUT, config(), CPU)[2]["imitation"] > 0


def test_a_single_window_is_not_enough_and_says_so(windows):
    with pytest.raises(TrainingError, match="too few"):
        train(alone(windows, slice(1)), LAYOUT, config(), CPU)


def test_wearers_are_held_back_whole(windows):
    shown = held_back(windows, 0.34, np.random.default_rng(0))
    assert len(set(windows.wearer[shown])) == 1
    assert not set(windows.wearer[shown]) & set(windows.wearer[~shown])
