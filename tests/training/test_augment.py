"""Distorted windows are still accelerations: finite, of a plausible size, and no two alike."""

import numpy as np
import pytest

from training.augment import _impacts, _rotations, distort


@pytest.fixture
def windows():
    rng = np.random.default_rng(0)
    return (rng.normal(0, 0.2, (300, 3, 128)) + np.array([0, 0, 1])[:, None]).astype(np.float32)


def test_the_shape_and_type_stay(windows):
    out = distort(windows, np.random.default_rng(1))
    assert out.shape == windows.shape
    assert out.dtype == np.float32
    assert np.isfinite(out).all()


def test_one_seed_gives_one_result_and_another_seed_another(windows):
    one, same, other = (distort(windows, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_callers_windows_stay_as_they_are(windows):
    before = windows.copy()
    distort(windows, np.random.default_rng(1))
    assert np.array_equal(windows, before)


def test_missing_samples_become_finite(windows):
    windows[:, :, 40:60] = np.nan
    assert np.isfinite(distort(windows, np.random.default_rng(1))).all()


def test_rotations_are_rotations_in_all_directions():
    turns = _rotations(2000, np.random.default_rng(3))
    assert np.allclose(turns @ turns.transpose(0, 2, 1), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(turns), 1)
    up = turns @ np.array([0, 0, 1.0])
    assert np.abs(up.mean(axis=0)).max() < 4 * np.sqrt(1 / 3 / 2000)  # four standard errors
    assert np.allclose(np.cov(up.T), np.eye(3) / 3, atol=0.05)


def test_impacts_hit_a_third_of_the_windows_and_stay_below_what_a_sensor_measures():
    knocks = _impacts(3000, 128, np.random.default_rng(4))
    hit = np.abs(knocks).max(axis=(1, 2)) > 0
    assert abs(hit.mean() - 0.33) < 4 * np.sqrt(0.33 * 0.67 / 3000)
    assert np.quantile(np.abs(knocks[hit]).max(axis=(1, 2)), 0.99) < 20


def test_an_impact_has_nothing_before_it_and_dies_away():
    knocks = np.linalg.norm(_impacts(500, 128, np.random.default_rng(5)), axis=1)
    for knock in knocks[knocks.max(axis=1) > 0.1]:
        began = np.flatnonzero(knock)[0]
        assert knock[began] == pytest.approx(knock.max(), rel=1e-9)


def test_most_windows_come_out_as_another_posture(windows):
    out = distort(windows, np.random.default_rng(6))
    before, after = windows.mean(axis=2), out.mean(axis=2)
    cosine = (before * after).sum(axis=1) / np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)
    assert (cosine < 0.9).mean() > 0.7
