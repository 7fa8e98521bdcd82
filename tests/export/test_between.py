"""The weight of the population follows from how much wearers differ."""

import numpy as np
import pytest

from export.between import WEIGHTS, concentration


def family(weight, wearers, each, seed):
    """Half-minutes of wearers whose own share of strange ones is drawn with that weight."""
    rng = np.random.default_rng(seed)
    share = rng.beta(weight * 0.1, weight * 0.9, wearers)
    blocks = np.concatenate([np.where(rng.random(each) < own, 2.0, 1.0) + 0.1 * rng.random(each) for own in share])
    return blocks, np.repeat([f"w{n}" for n in range(wearers)], each)


@pytest.mark.parametrize("weight", [15.0, 30.0, 60.0])
def test_it_finds_how_much_wearers_differ(weight):
    families = [family(weight, 60, 200, seed) for seed in range(12)]
    assert concentration(families) == pytest.approx(weight, rel=0.35)


def test_it_stays_within_bounds_whatever_the_wearers():
    alike = np.tile(np.arange(40.0), 20), np.repeat([f"w{n}" for n in range(20)], 40)
    assert concentration([alike]) == WEIGHTS[-1]
    apart = np.repeat(np.arange(20.0), 40), np.repeat([f"w{n}" for n in range(20)], 40)
    assert concentration([apart]) == WEIGHTS[0]


def test_a_family_without_half_minutes_says_nothing():
    known = family(30.0, 20, 100, 0)
    nobody = np.empty(0), np.empty(0, dtype=np.str_)
    assert concentration([known, nobody]) == concentration([known])
