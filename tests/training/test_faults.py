"""Each kind of fault does what its name says, is labelled as such, and leaves the caller's windows alone."""

import numpy as np
import pytest

from agent.records import FAULTS
from training.faults import _MAKE, corrupt, rotations

SAMPLES = 128


@pytest.fixture
def windows():
    """(200, 3, 128) upright, moving."""
    rng = np.random.default_rng(0)
    waves = np.sin(2 * np.pi * np.arange(SAMPLES) / rng.uniform(15, 40, (200, 3, 1)) + rng.uniform(0, 6, (200, 3, 1)))
    return (0.4 * waves + rng.normal(0, 0.02, waves.shape) + np.array([0, 0, 1])[:, None]).astype(np.float32)


def made(name, windows, seed=1):
    before = windows.copy()
    out = _MAKE[name](windows, np.random.default_rng(seed))
    assert np.array_equal(windows, before, equal_nan=True), "the caller's windows were changed"
    assert out.shape == windows.shape
    assert out.dtype == np.float32
    return out


def test_a_slipped_strap_keeps_every_length_and_turns_from_one_instant_on(windows):
    out = made("rotation", windows)
    assert np.allclose(np.linalg.norm(out, axis=1), np.linalg.norm(windows, axis=1), atol=1e-5)
    apart = (np.abs(out - windows) > 1e-6).any(axis=1)
    first = apart.argmax(axis=1)
    assert apart.any(axis=1).all()
    assert first.max() < SAMPLES * 3 // 4
    for row, start in enumerate(first):
        assert np.array_equal(out[row, :, :start], windows[row, :, :start])
        turn = np.linalg.lstsq(windows[row, :, start:].T, out[row, :, start:].T, rcond=None)[0]
        assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-3)
        assert np.trace(turn) > 1 - 1e-3  # at most a quarter turn


def test_a_wrong_gain_is_one_factor_an_axis_8_to_50_per_cent_off(windows):
    factor = made("gain", windows) / windows
    assert np.ptp(np.where(np.abs(windows) > 0.05, factor, np.nan)[0, 2][np.abs(windows[0, 2]) > 0.05]) < 1e-4
    off = np.abs(np.median(factor, axis=2) - 1)
    assert off.min() > 0.08 - 1e-4
    assert off.max() < 0.5 + 1e-4


def test_an_offset_is_added_to_some_axes_and_stays(windows):
    added = made("offset", windows) - windows
    assert np.ptp(added, axis=2).max() < 1e-5
    size = np.abs(added.mean(axis=2))
    assert size.max() <= 1 + 1e-5
    assert size[size > 1e-6].min() >= 0.15 - 1e-5
    assert (size > 1e-6).any(axis=1).all()
    assert 0.55 < (size > 1e-6).mean() < 0.78


def test_a_dropout_takes_all_axes_for_10_to_45_per_cent_and_touches_nothing_else(windows):
    out = made("dropout", windows)
    gone = np.isnan(out)
    assert np.array_equal(gone[:, 0], gone[:, 1])
    assert np.array_equal(gone[:, 0], gone[:, 2])
    share = gone[:, 0].mean(axis=1)
    assert share.min() >= SAMPLES // 10 / SAMPLES
    assert share.max() < 0.45
    edges = (gone[:, 0] != np.roll(gone[:, 0], 1, axis=1)).sum(axis=1)
    assert (edges == 2).all()  # one run, which may go round the end
    assert np.array_equal(out[~gone], windows[~gone])


def test_clipping_cuts_off_the_tops_at_40_to_90_per_cent_and_keeps_the_rest(windows):
    out = made("clipping", windows)
    top, before = (np.abs(values).max(axis=(1, 2)) for values in (out, windows))
    assert ((top > 0.4 * before - 1e-5) & (top < 0.9 * before + 1e-5)).all()
    below = np.abs(windows) < top[:, None, None] - 1e-5
    assert np.array_equal(out[below], windows[below])
    assert np.allclose(np.abs(out[~below]), np.broadcast_to(top[:, None, None], out.shape)[~below], atol=1e-5)


def test_a_stuck_axis_holds_one_value_to_the_end(windows):
    out = made("stuck", windows)
    moves = np.abs(np.diff(out, axis=2)) > 0
    stuck = ~moves[:, :, -SAMPLES // 4 :].any(axis=2)
    assert stuck.any(axis=1).all()
    for row, axis in np.argwhere(stuck):
        held = out[row, axis, -1]
        start = int((out[row, axis] != windows[row, axis]).argmax())
        assert (out[row, axis, start:] == held).all()
        assert held == windows[row, axis, start - 1]
    assert np.array_equal(out[~stuck], windows[~stuck])


def test_noise_is_white_and_of_a_tenth_to_one_g(windows):
    added = made("noise", windows) - windows
    spread = added.std(axis=(1, 2))
    assert spread.min() > 0.08
    assert spread.max() < 1.15
    assert np.abs((added[..., 1:] * added[..., :-1]).mean(axis=(1, 2)) / spread**2).max() < 0.25


def test_jitter_takes_samples_from_at_most_four_steps_away_alike_on_all_axes(windows):
    marked = np.tile(np.arange(SAMPLES, dtype=np.float32), (5, 3, 1))
    out = made("jitter", marked)
    assert np.abs(out - marked).max() == 4
    assert np.array_equal(out[:, 0], out[:, 2])
    assert (made("jitter", windows) != windows).any()


@pytest.mark.parametrize("name", FAULTS)
def test_windows_with_missing_samples_can_have_any_fault(windows, name):
    windows[:, :, 40:60] = np.nan
    windows[3] = np.nan
    out = made(name, windows)
    assert not np.isinf(out).any()
    assert np.isfinite(out[:, :, :40]).any()


@pytest.mark.parametrize("name", FAULTS)
def test_no_two_rows_get_the_same_fault_and_one_seed_gives_one_result(windows, name):
    same = np.repeat(windows[:1], 20, axis=0)
    out = made(name, same)
    assert len({row.tobytes() for row in out}) > 15
    assert np.array_equal(out, made(name, same), equal_nan=True)
    assert not np.array_equal(out, made(name, same, seed=2), equal_nan=True)


def test_the_labels_say_which_rows_were_changed_and_into_what(windows):
    before = windows.copy()
    out, labels = corrupt(windows, np.random.default_rng(3))
    assert np.array_equal(windows, before)
    assert labels.shape == (200, len(FAULTS))
    assert set(labels.sum(axis=1)) == {0, 1}
    clean = labels.sum(axis=1) == 0
    assert np.array_equal(out[clean], windows[clean])
    assert np.array_equal(np.isnan(out).any(axis=(1, 2)), labels[:, FAULTS.index("dropout")] == 1)
    wrong = labels[:, FAULTS.index("gain")] == 1
    assert (np.ptp(out[wrong] / windows[wrong], axis=2).min(axis=1) < 1e-3).all()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_stated_share_of_the_rows_gets_a_fault_and_all_kinds_alike(share):
    _, labels = corrupt(np.ones((4000, 3, 16), np.float32), np.random.default_rng(4), share)
    assert abs(labels.sum() / 4000 - share) <= 4 * np.sqrt(share * (1 - share) / 4000)
    each = labels.sum(axis=0)
    assert np.abs(each - each.mean()).max() <= 5 * np.sqrt(max(each.mean(), 1))


def test_rotations_are_rotations_in_all_directions_up_to_the_largest_turn():
    turns = rotations(2000, np.random.default_rng(3))
    assert np.allclose(turns @ turns.transpose(0, 2, 1), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(turns), 1)
    small = rotations(2000, np.random.default_rng(3), 0.5)
    angle = np.arccos((np.trace(small, axis1=1, axis2=2) - 1) / 2)
    assert angle.max() <= 0.5
    assert angle.max() > 0.45
    axis = np.stack([turns[:, 2, 1] - turns[:, 1, 2], turns[:, 0, 2] - turns[:, 2, 0], turns[:, 1, 0] - turns[:, 0, 1]])
    assert np.abs(axis.mean(axis=1)).max() < 4 * axis.std() / np.sqrt(2000)
