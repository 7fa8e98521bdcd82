"""Distorted windows are still accelerations, no two alike; the same wear with other sensors is still the same wear."""

import numpy as np
import pytest

from training.augment import _impacts, _smoothed, distort, worn_otherwise


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


RATE_HZ = 50.0
SESSIONS = np.repeat(["a", "b", "c"], 100)


def worn(windows, seed=0, most_rad=np.pi, sessions=SESSIONS):
    before = windows.copy()
    out = worn_otherwise(windows, sessions, RATE_HZ, np.random.default_rng(seed), most_rad)
    assert np.array_equal(windows, before, equal_nan=True)
    assert out.shape == windows.shape
    assert out.dtype == np.float32
    return out


def tone(hz):
    return np.sin(2 * np.pi * hz * np.arange(128) / RATE_HZ).astype(np.float32)


def test_all_windows_of_one_session_are_worn_alike_and_sessions_are_not(windows):
    same = np.repeat(windows[:1], 300, axis=0)
    out = worn(same)
    for session in ("a", "b", "c"):
        own = out[session == SESSIONS]
        assert np.array_equal(own, np.repeat(own[:1], len(own), axis=0))
    assert len({out[row].tobytes() for row in (0, 100, 200)}) == 3


def test_one_session_is_worn_alike_wherever_its_rows_stand(windows):
    order = np.random.default_rng(1).permutation(300)
    assert np.array_equal(worn(windows)[order], worn(windows[order], sessions=SESSIONS[order]))


def test_a_turned_sensor_measures_the_same_lengths_but_for_its_gain(windows):
    for seed in range(20):
        still = np.repeat(windows[:, :, :1], 128, axis=2)  # a low-pass leaves what is constant
        ratio = np.linalg.norm(worn(still, seed), axis=1) / np.linalg.norm(still, axis=1)
        for session in ("a", "b", "c"):
            assert np.ptp(ratio[session == SESSIONS]) < 1e-3
        assert 0.75 < ratio.min() <= ratio.max() < 1.3


def test_a_loose_strap_turns_no_further_than_it_can(windows):
    still = np.repeat(windows[:, :, :1], 128, axis=2)
    turned = []
    for seed in range(30):
        out = worn(still, seed, most_rad=0.5)
        cosine = (out * still).sum(axis=1) / np.linalg.norm(out, axis=1) / np.linalg.norm(still, axis=1)
        turned.append(np.arccos(np.clip(cosine, -1, 1)).max())
    assert max(turned) <= 0.5 + 1e-3
    assert max(turned) > 0.3


def test_a_slow_sensor_loses_a_tone_of_12_hz_and_keeps_one_of_1_hz():
    both = np.stack([np.tile(tone(hz), (3, 1)) for hz in (12, 1)]).astype(float)
    out = _smoothed(both, np.array([7.0, 7.0]), RATE_HZ)
    middle = slice(20, -20)
    assert np.abs(out[0][:, middle]).max() < 0.25
    assert np.abs(out[1] - both[1])[:, middle].max() < 0.03
    at_the_edge = _smoothed(both[:1], np.array([12.0]), RATE_HZ)[0][:, middle]
    assert at_the_edge.std() / both[0][:, middle].std() == pytest.approx(np.sqrt(0.5), rel=0.02)


def test_a_sensor_as_fast_as_ours_loses_nothing():
    samples = np.random.default_rng(2).normal(size=(4, 3, 128))
    assert np.array_equal(_smoothed(samples, np.full(4, RATE_HZ), RATE_HZ), samples)


def test_some_sessions_are_slow_and_some_are_not():
    fast = np.tile(tone(20), (300, 3, 1))
    kept = worn(fast, sessions=np.arange(300).astype(str)).std(axis=(1, 2)) / fast.std()
    assert 0.3 < (kept > 0.5).mean() < 0.5  # two in five


def test_missing_samples_become_finite_in_other_sensors_too(windows):
    windows[:, :, 40:60] = np.nan
    assert np.isfinite(worn(windows)).all()
