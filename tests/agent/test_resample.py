"""The grid holds what the sensor measured, to the bit the same however the samples were cut into packets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.resample import LONGEST_BRIDGE_S, Resampler

UNIX_S = 1_732_350_000.0
STARTS_S = [0.0, 0.013, 1000.0, UNIX_S, UNIX_S + 0.123]


def resampled(times_s, samples_g, cuts=(), rate_hz=50.0):
    """First cell and all cells (n, 3) of a stream that comes in pieces."""
    resampler = Resampler(rate_hz)
    pieces = zip(np.split(times_s, cuts), np.split(samples_g, cuts), strict=True)
    parts = [resampler.push(times, samples) for times, samples in pieces if len(times)]
    return parts[0][0], np.concatenate([cells for _, cells in parts])


def noise_g(count, seed=0):
    return np.random.default_rng(seed).normal(0, 1, (count, 3)).astype(np.float32)


@pytest.mark.parametrize("start_s", STARTS_S)
@pytest.mark.parametrize("rate_hz", [20.0, 25.0, 31.25, 50.0, 64.0, 100.0, 128.0])
def test_the_cells_do_not_depend_on_the_packets(start_s, rate_hz):
    times_s = start_s + np.arange(400) / rate_hz
    samples_g = noise_g(400)
    first, whole = resampled(times_s, samples_g)
    for cuts in (range(1, 400), [1, 2, 3], [399], [200], range(7, 400, 7)):
        found, cells = resampled(times_s, samples_g, list(cuts))
        assert found == first
        assert np.array_equal(cells, whole, equal_nan=True)


@given(data=st.data(), rate_hz=st.floats(20, 130), start_s=st.sampled_from(STARTS_S))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_the_cells_do_not_depend_on_the_packets_at_any_rate_with_gaps(data, rate_hz, start_s):
    steps = np.full(150, 1 / rate_hz)
    for at in data.draw(st.lists(st.integers(1, 149), max_size=3)):
        steps[at] += data.draw(st.floats(0.01, 5))
    times_s = start_s + np.cumsum(steps)
    cuts = sorted(data.draw(st.sets(st.integers(1, 149), max_size=20)))
    first, whole = resampled(times_s, noise_g(150))
    found, cells = resampled(times_s, noise_g(150), cuts)
    assert found == first
    assert np.array_equal(cells, whole, equal_nan=True)


def test_samples_on_the_grid_keep_their_place():
    times_s = np.arange(100) / 50
    samples_g = np.zeros((100, 3), np.float32)
    samples_g[40] = 1
    first, cells = resampled(times_s, samples_g)
    assert first == 0
    assert cells[:, 0].argmax() == 40
    assert cells[:, 0].sum() == pytest.approx(1)  # averaging spreads, but nothing is lost


@pytest.mark.parametrize("rate_hz", [20.0, 50.0, 97.0, 128.0])
def test_a_straight_line_stays_a_straight_line(rate_hz):
    times_s = np.arange(0, 10, 1 / rate_hz)
    first, cells = resampled(times_s, np.tile(times_s[:, None], 3).astype(np.float32))
    expected = (first + np.arange(len(cells))) / 50
    assert np.allclose(cells[1:, 0], expected[1:], atol=1e-4)


def test_a_faster_device_is_averaged_so_that_what_the_grid_cannot_show_is_damped():
    times_s = np.arange(2000) / 200
    tone = np.tile(np.sin(2 * np.pi * 49 * times_s)[:, None], 3).astype(np.float32)
    _, cells = resampled(times_s, tone)
    assert cells.std() < 0.1 * tone.std()


@pytest.mark.parametrize("start_s", STARTS_S)
def test_a_value_that_repeats_repeats_exactly_so_that_a_stuck_sensor_is_seen(start_s):
    times_s = start_s + 0.007 + np.arange(500) / 50
    samples_g = np.tile(np.array([0.123, -0.456, 0.987], np.float32), (500, 1))
    _, cells = resampled(times_s, samples_g)
    assert np.abs(np.diff(cells, axis=0)).max() < 1e-6


def test_a_short_gap_is_bridged_and_a_long_one_is_missing():
    steps = np.full(200, 0.02)
    steps[50], steps[100] = LONGEST_BRIDGE_S - 0.01, 1.0
    times_s = np.cumsum(steps)
    first, cells = resampled(times_s, noise_g(200))
    missing = np.flatnonzero(np.isnan(cells[:, 0]))
    assert np.array_equal(missing, np.arange(missing[0], missing[-1] + 1))  # one gap, not two
    edges_s = (first + missing[[0, -1]] + [-0.5, 0.5]) / 50
    assert edges_s[0] == pytest.approx(times_s[99], abs=0.021)
    assert edges_s[1] == pytest.approx(times_s[100], abs=0.021)


def test_one_sample_gives_no_cell_and_the_second_completes_the_first():
    resampler = Resampler(50.0)
    assert len(resampler.push(np.array([10.0]), noise_g(1))[1]) == 0
    first, cells = resampler.push(np.array([10.02]), noise_g(1))
    assert first == 500
    assert len(cells) == 1


def test_memory_stays_small_whatever_comes():
    resampler = Resampler(50.0)
    for second in range(500):
        resampler.push(second + np.arange(100) / 100, noise_g(100))
        assert len(resampler._times_s) < 10


@pytest.mark.parametrize("jitter", [0.1, 0.4])
def test_irregular_times_lose_no_more_than_their_jitter(jitter):
    rng = np.random.default_rng(3)
    times_s = np.arange(1000) / 50 + rng.uniform(-jitter, jitter, 1000) / 50
    tone = np.tile(np.sin(2 * np.pi * times_s)[:, None], 3).astype(np.float32)
    first, cells = resampled(times_s, tone)
    expected = np.sin(2 * np.pi * (first + np.arange(len(cells))) / 50)
    assert np.abs(cells[1:, 0] - expected[1:]).max() < 0.01
