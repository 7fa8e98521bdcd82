"""What is usual is the mean of the stream's own moving past, drawn towards 0, the same however it is cut into ticks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.usual import DRAWN, FORGET, Usual


def recall(usual, values, stream=0, start=0, counted=True):
    values = np.asarray(values, float)
    end_s = (start + np.arange(len(values))) / 2
    return usual.recall(np.full(len(values), stream), end_s, values, np.full(len(values), counted))


def test_a_new_stream_is_drawn_towards_0_and_in_time_becomes_what_it_shows():
    found = recall(Usual(), np.full(20_000, -0.8))
    assert found[0] == 0
    assert found[1] == pytest.approx(-0.8 / (DRAWN + 1))
    assert found[240] == pytest.approx(-0.4, abs=0.01)
    assert found[-1] == pytest.approx(-0.8, abs=0.03)
    assert (np.diff(found) < 0).all()


def test_the_window_itself_and_what_does_not_count_change_nothing():
    usual = Usual()
    recall(usual, np.full(50, 1.0))
    before = recall(usual, [100.0], start=50, counted=False)
    assert recall(usual, [5.0], start=51)[0] == before[0]
    assert recall(Usual(), [7.0])[0] == 0


def test_streams_do_not_hear_each_other():
    usual = Usual()
    recall(usual, np.full(100, 3.0), stream=4)
    assert recall(usual, [0.0], stream=1)[0] == 0
    assert recall(usual, [0.0], stream=4, start=100)[0] > 0.5


def test_what_was_long_ago_is_forgotten():
    found = recall(Usual(), np.r_[np.full(20_000, 1.0), np.full(20_000, -1.0)])
    assert found[20_000] > 0.9
    assert found[20_000 + int(FORGET)] < 0
    assert found[-1] < -0.8


@given(seed=st.integers(0, 2**32), cuts=st.sets(st.integers(0, 29), max_size=6))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_any_ticks_and_any_order_within_one_give_the_same(seed, cuts):
    rng = np.random.default_rng(seed)
    time, stream = (index.ravel() for index in np.indices((30, 3)))
    heard = rng.random(90) < 0.8
    time, stream = time[heard], stream[heard]
    value, counted = rng.normal(size=len(time)), rng.random(len(time)) < 0.7
    whole = Usual().recall(stream, time / 2, value, counted)
    usual, found = Usual(), np.zeros(len(time))
    tick = np.searchsorted(sorted(cuts), time, side="right")
    for number in np.unique(tick):
        rows = rng.permutation(np.flatnonzero(tick == number))
        found[rows] = usual.recall(stream[rows], time[rows] / 2, value[rows], counted[rows])
    assert np.array_equal(found, whole)


def test_no_row_has_nothing_usual():
    assert recall(Usual(), []).shape == (0,)
