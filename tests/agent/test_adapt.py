"""The level follows the alarms, within bounds; the honest bound holds."""

import numpy as np
import pytest
from scipy.stats import beta

from agent.adapt import GAIN, LOWEST, AdaptiveLevel
from agent.calibrate import BLOCKS_PER_DAY

LEVEL, WEIGHT = 1 / 120, 30.0
ONE = np.zeros(1, np.int64)


def test_it_starts_at_the_budget():
    assert AdaptiveLevel(LEVEL, WEIGHT).of(np.array([0, 5])).tolist() == [LEVEL, LEVEL]


def test_an_alarm_costs_a_fiftieth_and_as_much_quiet_as_the_budget_allows_gives_it_back():
    level = AdaptiveLevel(LEVEL, WEIGHT)
    level.learn(ONE, np.array([True]))
    assert level.of(ONE)[0] == pytest.approx(LEVEL * (1 - GAIN * (1 - LEVEL)))
    for _ in range(119):
        level.learn(ONE, np.array([False]))
    assert level.of(ONE)[0] == pytest.approx(LEVEL)
    level.learn(ONE, np.array([False]))
    assert level.of(ONE)[0] == LEVEL  # never above the budget


def test_no_run_of_alarms_makes_it_deaf():
    level = AdaptiveLevel(LEVEL, WEIGHT)
    for _ in range(1000):
        level.learn(ONE, np.array([True]))
    assert level.of(ONE)[0] == LOWEST * LEVEL


def test_wearers_do_not_share_a_level():
    level = AdaptiveLevel(LEVEL, WEIGHT)
    level.learn(np.array([1, 1]), np.array([True, False]))
    assert level.of(np.array([0]))[0] == LEVEL
    assert level.of(np.array([1]))[0] < LEVEL
    assert level.judged.tolist()[:2] == [0, 2]


def test_the_honest_bound_comes_down_to_the_budget_with_wear_and_up_with_alarms():
    level = AdaptiveLevel(LEVEL, WEIGHT)
    first = level.at_most_per_day(ONE)[0]
    assert first > 24
    assert first >= BLOCKS_PER_DAY * beta.ppf(0.95, WEIGHT * LEVEL, WEIGHT * (1 - LEVEL))
    for n in range(2880):
        level.learn(ONE, np.array([n % 120 == 0]))
    after = level.at_most_per_day(ONE)[0]
    assert 24 < after < 36
    exact = BLOCKS_PER_DAY * beta.ppf(0.95, WEIGHT * LEVEL + 24, WEIGHT * (1 - LEVEL) + 2880 - 24)
    assert after == pytest.approx(exact, rel=0.01)
