"""An explanation adds up to the score, and names the limb, the axis and the time that raised it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.explain import DESCRIPTOR_WORDS, explain, strongest
from agent.records import AXES

WINDOW_S = 2.56


def shares(seed=0):
    return np.random.default_rng(seed).exponential(0.1, (4, 4, 4)).astype(np.float32)


def explained(share, above=None, positions=("left_wrist", "waist"), leading=0, offset=-1.5):
    above = np.ones((4, 4, 4), np.float32) if above is None else above
    return explain(positions=positions, leading=leading, shares=share, above=above, offset=offset, window_s=WINDOW_S)


@given(seed=st.integers(0, 2**32), offset=st.floats(-10, 0), leading=st.integers(0, 2))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_contributions_and_offset_add_up_to_the_score(seed, offset, leading):
    share = shares(seed)
    score = float(share.sum(dtype=np.float64)) + offset
    found = explained(share, positions=("a", "b", "c"), leading=leading, offset=offset)
    assert float(found.contributions.sum(dtype=np.float64)) + found.offset == pytest.approx(score, abs=1e-4)


def test_only_the_position_that_set_the_score_contributes():
    found = explained(shares(), leading=1)
    assert found.contributions.shape == (2, 4, 4)
    assert not found.contributions[0].any()
    assert found.contributions[1].all()


@pytest.mark.parametrize("axis", range(4))
@pytest.mark.parametrize("segment", range(4))
def test_the_sentence_names_where_and_when(axis, segment):
    share = shares() * 0.01
    share[axis, segment, 1] = 5.0
    sentence = explained(share).sentence
    assert sentence.startswith("left wrist, ")
    assert ("over all axes (" if AXES[axis] == "magnitude" else f"mostly along {AXES[axis]} (") in sentence
    begin = (4 - segment) * WINDOW_S / 4
    assert f"{begin:.1f} to {begin - WINDOW_S / 4:.1f} s before the window's end" in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("descriptor", range(4))
@pytest.mark.parametrize("below", [False, True])
def test_the_sentence_names_in_what_way(descriptor, below):
    share = shares() * 0.01
    share[2, 3, descriptor] = 5.0
    above = np.full((4, 4, 4), -1.0 if below else 1.0, np.float32)
    assert DESCRIPTOR_WORDS[descriptor][int(below)] in explained(share, above).sentence


def test_the_sentence_says_what_share_the_axis_has():
    share = np.zeros((4, 4, 4), np.float32)
    share[0, 1], share[1, 1] = 0.75 / 4, 0.25 / 4
    assert "mostly along x (75%)" in explained(share).sentence


def test_the_strongest_places_come_first_with_times_before_the_end():
    share = shares() * 0.001
    share[1, 0], share[3, 3] = 1.0, 0.5
    first, second, third = strongest(explained(share))
    assert first[:2] == ("left_wrist", "y")
    assert first[2:4] == (-2.56, -1.92)
    assert second[1:4] == ("magnitude", -0.64, 0.0)
    assert first[4] > second[4] > third[4]
    assert 0 <= sum(place[4] for place in (first, second, third)) <= 1.0001


def test_what_lowered_the_score_is_not_told_and_takes_no_share():
    share = np.zeros((4, 4, 4), np.float32)
    share[0, 1], share[2, 3], share[1, 0] = 0.75 / 4, 0.25 / 4, -5.0
    found = explained(share)
    assert [(place[1], place[4]) for place in strongest(found)] == [("x", 0.75), ("z", 0.25)]
    assert "mostly along x (75%)" in found.sentence
    assert float(found.contributions.sum()) == pytest.approx(1 - 20)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_shares_are_parts_of_what_raised_the_score_whatever_lowered_it(seed):
    share = np.random.default_rng(seed).normal(size=(4, 4, 4)).astype(np.float32)
    told = [place[4] for place in strongest(explained(share), count=16)]
    assert all(0 <= one <= 1 for one in told)
    assert sum(told) == pytest.approx(1, abs=1e-3)


def test_a_score_made_of_nothing_is_still_explained_in_words():
    found = explained(np.zeros((4, 4, 4), np.float32))
    assert found.sentence
    assert all(place[4] == 0 for place in strongest(found))
