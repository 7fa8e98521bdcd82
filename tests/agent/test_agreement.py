"""Limbs that agree make each other stranger; nobody is made strange, or calm, by another."""

import numpy as np
import pytest

from agent.agreement import ALIKE, together

TWO = np.sqrt(2 * (1 + ALIKE))


def said(own, owner=None, heard=None):
    own = np.asarray(own, dtype=np.float64)
    owner = np.zeros(len(own), np.int64) if owner is None else np.asarray(owner)
    return together(own, owner, np.ones(len(own), np.bool_) if heard is None else np.asarray(heard))


def test_a_limb_alone_says_what_it_says_to_the_last_bit():
    own = np.random.default_rng(0).normal(size=100)
    whole, slope = said(own, np.arange(100))
    assert np.array_equal(whole, own)
    assert (slope == 1).all()


@pytest.mark.parametrize("seed", range(5))
def test_it_is_its_own_word_or_the_sum_of_the_smaller_ones_by_the_spread_of_such_a_sum(seed):
    rng = np.random.default_rng(seed)
    own, owner, heard = rng.normal(size=60).round(1), rng.integers(0, 15, 60), rng.random(60) < 0.8
    whole, slope = said(own, owner, heard)
    step = said(own + 1e-7, owner, heard)[0]
    for row in range(60):
        others = own[heard & (owner == owner[row])] if heard[row] else own[[row]]
        spread = np.sqrt(len(others) * (1 + (len(others) - 1) * ALIKE))
        assert whole[row] == pytest.approx(max(own[row], np.minimum(others, own[row]).sum() / spread))
        assert slope[row] == 1 or 1 / spread - 1e-9 <= slope[row] <= len(others) / spread + 1e-9
    assert np.isfinite(step).all()


def test_what_agrees_counts_for_more_and_who_is_calm_calms_nobody():
    assert said([3, 3])[0] == pytest.approx([6 / TWO] * 2)
    assert said([3, 0])[0] == pytest.approx([3, 0])


def test_a_limb_that_is_strange_by_itself_makes_no_calm_one_strange():
    for wild in (5.0, 500.0):
        assert said([1.0, wild])[0][0] == pytest.approx(2 / TWO)
    assert -0.5 <= said([-0.5, 500.0])[0][0] < 0


def test_who_is_not_heard_speaks_for_himself_and_counts_for_nobody():
    whole, slope = said([1, 2, 9], heard=[True, True, False])
    assert whole == pytest.approx([2 / TWO, 2, 9])
    assert slope[2] == 1


def test_other_people_and_the_order_of_rows_change_no_bit():
    rng = np.random.default_rng(3)
    own, owner = rng.normal(size=40), rng.integers(0, 12, 40)
    whole, _ = said(own, owner)
    order = rng.permutation(40)
    assert np.array_equal(said(own[order], owner[order])[0], whole[order])
    for window in np.unique(owner):
        rows = owner == window
        assert np.array_equal(said(own[rows], owner[rows])[0], whole[rows])


def test_no_rows_are_no_trouble():
    whole, slope = said([])
    assert whole.shape == slope.shape == (0,)
