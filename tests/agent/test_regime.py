"""What the wearer was doing before decides, not what is judged."""

import numpy as np

from agent.records import Windows
from agent.regime import MOVING, STILL, VIGOROUS, Regimes, movement

HOP_S, SAMPLES = 0.5, 128
WAVE = np.sin(np.arange(SAMPLES) / 3)


def ticks(strengths, start=0):
    """One wearer, one position; the length of the acceleration swings by each strength in turn."""
    strengths = np.asarray(strengths, float)
    count = len(strengths)
    samples = np.zeros((count, 3, SAMPLES), np.float32)
    samples[:, 2] = 1 + strengths[:, None] * WAVE
    zero = np.zeros(count, np.int64)
    return Windows(zero, (start + np.arange(count)) * HOP_S, np.arange(count), zero, zero, samples)


def test_nothing_known_of_the_time_before_counts_as_moving():
    assert (Regimes(HOP_S).of(ticks([0.0] * 6)) == MOVING).all()


def test_rest_walking_and_hopping_are_told_apart():
    for strength, regime in ((0.005, STILL), (0.2, MOVING), (1.0, VIGOROUS)):
        assert (Regimes(HOP_S).of(ticks([strength] * 30))[6:] == regime).all()


def test_a_fall_does_not_choose_its_own_regime():
    found = Regimes(HOP_S).of(ticks([0.0] * 20 + [2.0] * 5))
    assert (found[6:] == STILL).all()


def test_it_is_the_same_in_whatever_batches_the_windows_come():
    strengths = np.random.default_rng(0).uniform(0, 0.6, 60)
    at_once = Regimes(HOP_S).of(ticks(strengths))
    one_by_one = Regimes(HOP_S)
    found = np.concatenate([one_by_one.of(ticks(strengths[n : n + 1], n)) for n in range(60)])
    assert np.array_equal(found, at_once)


def test_missing_samples_and_positions_are_left_out_of_the_movement():
    windows = ticks([0.3, 0.3])
    windows.samples_g[0, :, 60:] = np.nan
    windows.samples_g[1] = np.nan
    moved = movement(windows)
    assert abs(moved[0] - 0.3 / np.sqrt(2)) < 0.02
    assert np.isnan(moved[1])
