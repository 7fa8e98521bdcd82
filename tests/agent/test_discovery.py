"""The share of false ones among a gateway's alarms, and the level that keeps it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from agent.discovery import HALF_S, HOLD_S, TEST_S, Discovery


def test_without_a_share_the_level_is_the_one_asked_for():
    assert Discovery().level(0.0, 0.01, 50) == 0.01


def test_the_share_is_expected_false_alarms_over_alarms_told():
    discovery = Discovery()
    assert discovery.share() == 0.0
    discovery.tested(0.0, 0.5)
    assert discovery.share() == 0.5  # one alarm is always granted
    discovery.told(0.0, 4)
    assert discovery.share() == 0.125


def test_what_was_long_ago_counts_half():
    discovery = Discovery()
    discovery.tested(0.0, 1.0)
    discovery.told(0.0, 4)
    discovery.told(HALF_S, 2)
    assert discovery.share() == pytest.approx(0.5 / 4)


def test_a_clock_that_is_set_back_forgets_nothing_and_sets_a_new_level():
    discovery = Discovery(0.1)
    discovery.level(1e6, 1.0, 1)
    discovery.tested(1e6, 0.1)
    assert discovery.level(0.0, 1.0, 1) == 0.0


def test_an_alarm_counts_towards_the_level_from_the_next_hold_on():
    discovery = Discovery(0.1)
    before = discovery.level(0.0, 1.0, 10)
    discovery.told(10.0, 50)
    assert discovery.level(20.0, 1.0, 10) == before
    assert discovery.level(HOLD_S, 1.0, 10) > 10 * before


@given(
    some.floats(0.01, 0.5),
    some.lists(some.tuples(some.integers(1, 40), some.integers(0, 3), some.floats(1.0, 4000.0)), max_size=60),
)
def test_the_estimate_never_exceeds_the_share_that_is_wanted(wanted, ticks):
    discovery, now_s = Discovery(wanted), 0.0
    for wearers, alarms, step_s in ticks:
        now_s += max(step_s, TEST_S)
        level = discovery.level(now_s, 1 / 288, wearers)
        assert 0 <= level <= 1 / 288
        discovery.tested(now_s, level * wearers)
        discovery.told(now_s, alarms)
        assert discovery.share() <= wanted + 1e-9


def test_it_goes_on_after_a_restart():
    discovery = Discovery(0.1)
    discovery.level(0.0, 0.01, 3)
    discovery.tested(0.0, 0.05)
    discovery.told(0.0, 2)
    other = Discovery(0.1)
    other.restore(discovery.state())
    assert other.share() == discovery.share()
    assert other.level(HOLD_S, 1.0, 3) == discovery.level(HOLD_S, 1.0, 3)


@pytest.mark.parametrize(
    "state", [{}, {"tested": -1.0, "told": 0.0, "at_s": 0.0}, {"tested": math.nan, "told": 0, "at_s": 0}]
)
def test_what_cannot_be_is_not_believed(state):
    with pytest.raises(ValueError, match="start it afresh"):
        Discovery().restore(state)
