"""Features keep intensity and posture, stay finite, and each axis and segment keeps to itself."""

import numpy as np
import pytest

from agent.features import CHANNELS, extract, fill_missing

SEGMENTS = 4


@pytest.fixture
def windows():
    rng = np.random.default_rng(0)
    return (rng.normal(0, 0.5, (6, 3, 128)) + np.array([0, 0, 1])[:, None]).astype(np.float32)


def test_the_shape_and_type_are_what_the_network_eats(windows):
    features = extract(windows, SEGMENTS)
    assert features.shape == (6, CHANNELS, 128)
    assert features.dtype == np.float32
    assert extract(windows[:0], SEGMENTS).shape == (0, CHANNELS, 128)


def test_one_window_gives_the_same_in_any_batch(windows):
    alone = np.concatenate([extract(windows[n : n + 1], SEGMENTS) for n in range(6)])
    assert np.array_equal(extract(windows, SEGMENTS), alone)


def test_level_is_asinh_of_g_and_magnitude_is_the_length(windows):
    features = extract(windows, SEGMENTS)
    assert np.allclose(np.sinh(features[:, 0:6:2]), windows, atol=1e-5)
    assert np.allclose(np.sinh(features[:, 6]), np.linalg.norm(windows, axis=1), atol=1e-5)


def test_fine_shows_5_mg_and_does_not_saturate_at_16_g():
    tremor, impact = np.zeros((2, 1, 3, 128), np.float32)
    tremor[0, 0] = 0.005 * np.sin(np.arange(128))
    impact[0, 0, 60] = 16.0
    assert extract(tremor, SEGMENTS)[0, 1].std() > 0.1
    assert np.abs(extract(impact, SEGMENTS)).max() < 8.5


def test_fine_does_not_see_posture(windows):
    moved = windows.copy()
    moved[:, 0] += 0.7
    assert np.allclose(extract(moved, SEGMENTS)[:, 1], extract(windows, SEGMENTS)[:, 1], atol=1e-3)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("segment", [0, 1, 2, 3])
def test_a_change_in_one_axis_and_segment_shows_there_and_in_the_magnitude_alone(windows, axis, segment):
    changed = windows.copy()
    changed[:, axis, segment * 32 : segment * 32 + 32] += np.linspace(0, 1, 32, dtype=np.float32)
    differs = (
        (extract(changed, SEGMENTS) != extract(windows, SEGMENTS)).reshape(6, 4, 2, SEGMENTS, 32).any(axis=(0, 2, 4))
    )
    expected = np.zeros((4, SEGMENTS), bool)
    expected[[axis, 3], segment] = True
    assert np.array_equal(differs, expected)


def test_missing_samples_are_held_from_the_last_before_and_at_the_start_from_the_first_after(windows):
    holed = windows[:1].copy()
    holed[0, :, :5] = np.nan
    holed[0, :, 50:60] = np.nan
    holed[0, :, 120:] = np.nan
    filled = fill_missing(holed)
    assert np.array_equal(filled[0, :, :5], np.repeat(windows[0, :, 5:6], 5, axis=1))
    assert np.array_equal(filled[0, :, 50:60], np.repeat(windows[0, :, 49:50], 10, axis=1))
    assert np.array_equal(filled[0, :, 120:], np.repeat(windows[0, :, 119:120], 8, axis=1))
    present = np.isfinite(holed)
    assert np.array_equal(filled[present], holed[present])


def test_a_window_without_any_sample_is_finite(windows):
    empty = np.full((1, 3, 128), np.nan, np.float32)
    assert not fill_missing(empty).any()
    assert np.isfinite(extract(np.concatenate([windows, empty]), SEGMENTS)).all()


def test_the_caller_keeps_its_samples(windows):
    windows[0, :, 3] = np.nan
    before = windows.copy()
    extract(windows, SEGMENTS)
    assert np.array_equal(windows, before, equal_nan=True)
