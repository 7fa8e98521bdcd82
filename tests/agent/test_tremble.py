"""The freeze index is high where something trembles, low where it steps, near 0 where nothing moves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.tremble import FLOOR, MOVING, SHARES, STEPPING_HZ, TREMBLING_HZ, freeze_bands, held, moving

RATE_HZ = 50.0
SAMPLES = 128
TIMES_S = np.arange(SAMPLES) / RATE_HZ


def swing(hz, size_g=0.5, axis=0):
    """(1, 3, samples) upright, swinging along one axis."""
    samples_g = np.tile(np.float32([0.0, 0.0, 1.0])[:, None], (1, SAMPLES))
    samples_g[axis] += np.float32(size_g * np.sin(2 * np.pi * hz * TIMES_S))
    return samples_g[None]


def index(samples_g):
    return freeze_bands(np.asarray(samples_g, np.float32), RATE_HZ).sum(axis=2)


@pytest.mark.parametrize("axis", range(3))
def test_a_tremble_of_5_hz_is_above_stepping_at_1_5_hz(axis):
    trembling, stepping = index(swing(5, axis=axis))[0, axis], index(swing(1.5, axis=axis))[0, axis]
    assert trembling > 1
    assert stepping < -1


def test_axes_that_do_not_move_say_nothing():
    assert np.abs(index(swing(5))[0, [1, 2]]).max() < 1e-6
    assert index(swing(5, axis=2))[0, 3] > 1  # along gravity: the magnitude trembles too


@pytest.mark.parametrize("samples_g", [np.zeros((1, 3, SAMPLES)), swing(5, size_g=0.0), swing(5, size_g=0.02)])
def test_stillness_and_the_noise_of_a_sensor_are_near_0(samples_g):
    noise = np.random.default_rng(0).normal(0, 0.005, samples_g.shape)
    assert np.abs(index(samples_g)).max() < 0.05
    assert np.abs(index(samples_g + noise)).max() < 0.05


@pytest.mark.parametrize("hz", [9.0, 15.0, 0.0, 0.1])
def test_what_is_neither_stepping_nor_trembling_hardly_counts(hz):
    assert np.abs(index(swing(hz, size_g=0.3))).max() < 0.5


def test_a_stronger_tremble_has_a_higher_index():
    found = [index(swing(5, size))[0, 0] for size in (0.05, 0.1, 0.3, 1.0, 3.0)]
    assert found == sorted(found)


def test_missing_samples_are_held_and_none_spreads():
    holed = swing(5)
    holed[:, :, 40:44] = np.nan
    assert index(holed)[0, 0] > 1
    both = np.concatenate([holed, swing(1.5)])
    assert np.array_equal(index(both)[1], index(swing(1.5))[0])
    assert index(np.full((1, 3, SAMPLES), np.nan)).tolist() == [[0.0] * 4]


def test_no_row_has_no_index():
    assert index(np.zeros((0, 3, SAMPLES))).shape == (0, 4)


def by_hand(values, rate_hz):
    """The definition, one sine at a time: a direct Fourier sum of one axis."""
    samples = len(values)
    window = np.sin(np.pi * np.arange(1, samples + 1) / (samples + 1)) ** 2
    moving = (values - values.mean()) * window
    power = {"low": 0.0, "high": 0.0}
    for k in range(samples // 2 + 1):
        wave = np.exp(-2j * np.pi * k * np.arange(samples) / samples)
        hz, found = k * rate_hz / samples, abs((moving * wave).sum()) ** 2 / samples
        power["low"] += found * (STEPPING_HZ[0] <= hz < STEPPING_HZ[1])
        power["high"] += found * (TREMBLING_HZ[0] <= hz < TREMBLING_HZ[1])
    return np.log(power["high"] + FLOOR) - np.log(power["low"] + FLOOR)


@given(
    seed=st.integers(0, 2**32),
    samples=st.sampled_from([64, 99, 128, 201]),
    rate_hz=st.sampled_from([25.0, 50.0, 100.0]),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_it_agrees_with_a_fourier_sum_by_hand_for_odd_and_even_windows(seed, samples, rate_hz):
    samples_g = np.random.default_rng(seed).normal(0, 0.5, (2, 3, samples)).astype(np.float32)
    found = freeze_bands(samples_g, rate_hz).sum(axis=2)
    for row in range(2):
        four = [*samples_g[row].astype(float), np.linalg.norm(samples_g[row].astype(float), axis=0)]
        assert found[row] == pytest.approx([by_hand(values, rate_hz) for values in four], abs=1e-4)


def test_stepping_and_trembling_move_and_a_still_sensor_does_not():
    noise = np.random.default_rng(1).normal(0, 0.005, (1, 3, SAMPLES))
    rows = np.concatenate([swing(1.5, axis=2), swing(5, axis=2), swing(5, size_g=0.0) + noise]).astype(np.float32)
    assert moving(freeze_bands(rows, RATE_HZ) * SHARES).tolist() == [True, True, False]
    assert MOVING > 0


def pairs(now, before, known):
    lasts, share = held(np.array([now]), np.array([before], float), np.array([known], bool))
    return lasts[0], share[0]


@pytest.mark.parametrize(
    ("now", "before", "known", "lasts", "share"),
    [
        (1.0, [0, 0, 0], [0, 0, 0], 1.0, 1.0),  # a stream's first window stands for itself
        (1.0, [3, 0, 0], [1, 0, 0], 3.0, 0.0),  # so does the oldest that is known
        (4.0, [2, 0, 0], [1, 1, 1], 3.0, 0.5),
        (0.0, [0, 4, 2], [1, 1, 1], 3.0, 0.0),  # a freeze holds on while the latest windows look calm
        (2.0, [9, 9, 1], [0, 0, 1], 2.0, 1.0),  # what is not known has no say
    ],
)
def test_the_strongest_pair_of_neighbours_decides(now, before, known, lasts, share):
    assert pairs(now, before, known) == (lasts, share)


def test_a_lone_jolt_counts_half():
    assert pairs(2.0, [0, 0, 0], [1, 1, 1])[0] == 1.0
