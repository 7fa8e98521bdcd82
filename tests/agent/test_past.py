"""What a stream showed before: the same however its windows are batched, unknown where nothing was, and bounded."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.past import LAGS, Past

HOP_S = 0.5
WIDTH = 3


def recalled(past, stream, end_s, values):
    """`recall` with plain lists; a window's values are told by one number."""
    before, known = past.recall(
        np.array(stream, np.int64), np.array(end_s, float), np.tile(np.float32(values)[:, None], (1, WIDTH))
    )
    assert (before == before[..., :1]).all()
    return before[..., 0], known


def naive(windows):
    """What came one, two, three hops before each window, looked up one by one; 0 = nothing."""
    heard = {(stream, hop): float(value) for stream, hop, value in windows}
    return np.array([[heard.get((s, hop - lag), 0.0) for lag in range(1, LAGS + 1)] for s, hop, _ in windows])


@given(
    heard=st.lists(st.lists(st.integers(0, 25), unique=True, max_size=20), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 26), max_size=12),
    start_s=st.sampled_from([0.0, 0.31, 1_732_350_000.06]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_batches_give_what_came_exactly_one_two_and_three_hops_before(heard, cuts, start_s, seed):
    windows = [
        (stream, hop, n + 1) for n, (stream, hop) in enumerate((s, h) for s, hops in enumerate(heard) for h in hops)
    ]
    expected = naive(windows)
    rng = np.random.default_rng(seed)
    past = Past(WIDTH, HOP_S)
    bounds = sorted({0, *cuts, 26})
    for low, high in itertools.pairwise(bounds):
        rows = rng.permutation([n for n, (_, hop, _) in enumerate(windows) if low <= hop < high]).astype(int)
        stream, hop, value = (np.array([windows[n][field] for n in rows]) for field in range(3))
        before, known = recalled(past, stream, start_s + HOP_S * hop, value)
        assert np.array_equal(before, expected[rows].reshape(before.shape))
        assert np.array_equal(known, expected[rows].reshape(before.shape) > 0)


def test_the_nearest_comes_first():
    before, known = recalled(Past(WIDTH, HOP_S), [0] * 4, [1.0, 1.5, 2.0, 2.5], [1, 2, 3, 4])
    assert before[3].tolist() == [3, 2, 1]
    assert known.sum(axis=1).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("late_s", [0.13, 0.25, 0.37, 10.0, 3e7])
def test_after_a_gap_that_is_no_whole_hop_or_long_nothing_is_known(late_s):
    past = Past(WIDTH, HOP_S)
    recalled(past, [0] * 4, np.arange(4) * HOP_S, [1, 2, 3, 4])
    before, known = recalled(past, [0], [1.5 + HOP_S + late_s], [5])
    assert not known.any()
    assert not before.any()


def test_a_missing_window_leaves_its_place_unknown_and_the_others_where_they_were():
    before, known = recalled(Past(WIDTH, HOP_S), [0] * 3, [0.0, 0.5, 1.5], [1, 2, 3])
    assert known[2].tolist() == [False, True, True]
    assert before[2].tolist() == [0, 2, 1]


def test_the_trembling_of_a_clock_does_not_hide_what_came_before():
    _, known = recalled(Past(WIDTH, HOP_S), [0] * 3, [0.0, 0.51, 0.99], [1, 2, 3])
    assert known[2].tolist() == [True, True, False]


def test_streams_do_not_see_each_other_and_new_ones_find_room():
    past = Past(WIDTH, HOP_S)
    for number, stream in enumerate([0, 1, 7, 300]):
        before, known = recalled(past, [stream], [HOP_S * (number + 1)], [number + 1])
        assert not known.any()
        assert not before.any()
    before, known = recalled(past, [300, 0], [2.5, 2.5], [8, 9])
    assert known.tolist() == [[True, False, False], [False, False, False]]
    assert before[0].tolist() == [4, 0, 0]


def test_memory_grows_with_the_streams_and_not_with_time():
    past, sizes = Past(WIDTH, HOP_S), []
    for hop in range(200):
        recalled(past, range(10), [HOP_S * hop] * 10, [1] * 10)
        sizes.append(past._values.nbytes + past._end_s.nbytes)
    assert len(set(sizes)) == 1
    assert sizes[0] <= 2 * 10 * LAGS * (4 * WIDTH + 8)


def test_slots_that_come_one_by_one_are_made_in_few_steps():
    past, sizes = Past(WIDTH, HOP_S), set()
    for stream in range(500):
        recalled(past, [stream], [0.0], [1])
        sizes.add(len(past._end_s))
    assert len(sizes) <= 10
    assert max(sizes) <= 2 * 500


def test_no_row_changes_nothing():
    past = Past(WIDTH, HOP_S)
    recalled(past, [0], [0.0], [1])
    before, known = recalled(past, [], [], [])
    assert before.shape == known.shape == (0, LAGS)
    assert recalled(past, [0], [HOP_S], [2])[0][0].tolist() == [1, 0, 0]
