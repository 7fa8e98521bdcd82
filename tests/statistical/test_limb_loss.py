"""Use ratio with clocks apart and packets lost: within 0.03 of the truth, from packets to the day's books."""

import numpy as np
import pytest

from tests.statistical.limb_packets import Trouble, arms


@pytest.mark.slow
@pytest.mark.parametrize("lost", [(0.1, 0.1), (0.1, 0.0), (0.0, 0.1)], ids=["both", "watched", "other"])
def test_a_use_ratio_bears_clocks_a_tenth_of_a_second_apart_and_a_tenth_of_the_packets_lost(lost):
    apart = []
    for seed in range(4):
        true, told = arms(0.6, 90, Trouble(0.1, lost), seed)
        apart.append(told.use_h["counts"][0] / told.use_h["counts"][1] - true)
    assert abs(np.mean(apart)) <= 0.03


def test_uncalibrated_sensors_do_not_bend_the_ratio():
    true, told = arms(0.6, 30, Trouble(gain=(1.08, 0.94)))
    assert told.use_h["counts"][0] / told.use_h["counts"][1] == pytest.approx(true, abs=0.03)
