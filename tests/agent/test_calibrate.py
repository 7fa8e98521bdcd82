"""p-values are ranks among normal half-minutes; positions are merged by a rule that holds however they depend."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.calibrate import BLOCKS_PER_DAY, Calibration, FamilyCalibration
from agent.records import Windows


def family(count, seed=0):
    scores = np.sort(np.random.default_rng(seed).normal(size=count))
    p = (1 + np.arange(count + 1)) / (1 + count)
    return FamilyCalibration(scores, 0.5 * p, np.minimum(1, 2 * p), 3)


CALIBRATION = Calibration((family(99), family(399, 1)))


def windows(owner, families, count=None):
    rows = len(owner)
    count = max(owner) + 1 if count is None else count
    return Windows(
        wearer=np.arange(count),
        end_s=np.arange(count, dtype=float),
        owner=np.array(owner, np.int64),
        stream=np.arange(rows),
        family=np.array(families, np.int64),
        samples_g=np.zeros((rows, 3, 128), np.float32),
    )


def rank(owner, families, score, trusted=None, count=None):
    trusted = np.ones(len(owner), bool) if trusted is None else np.array(trusted)
    return CALIBRATION.rank(windows(owner, families, count), np.array(score, float), trusted)


def test_p_is_the_smoothed_share_of_half_minutes_at_least_as_strange():
    for score in (-5.0, 0.0, 0.3, 5.0):
        p, _, _ = CALIBRATION.p_values(np.array([score]), np.array([0]))
        above = (CALIBRATION.families[0].scores >= score).sum()
        assert p[0] == (1 + above) / 100


def test_a_tie_counts_as_at_least_as_strange():
    known = CALIBRATION.families[0].scores
    p, _, _ = CALIBRATION.p_values(known[[98, 0]], np.array([0, 0]))
    assert p.tolist() == [0.02, 1.0]


def test_a_higher_score_never_has_a_higher_p():
    scores = np.linspace(-4, 4, 500)
    for index in (0, 1):
        values = CALIBRATION.p_values(scores, np.full(500, index))
        assert all((np.diff(value) <= 0).all() for value in values)


def test_a_score_that_is_not_a_number_has_no_p():
    for score in (np.nan, np.inf, -np.inf):
        assert np.isnan(CALIBRATION.p_values(np.array([score]), np.array([0]))).all()


def test_the_smallest_p_and_the_promise_follow_from_the_size_of_the_calibration():
    surprise = rank([0, 1], [0, 1], [99.0, 99.0])
    assert surprise.p_value.tolist() == pytest.approx([1 / 100, 1 / 400])
    assert surprise.smallest_p.tolist() == pytest.approx([1 / 100, 1 / 400])
    promise = surprise.smallest_p * BLOCKS_PER_DAY
    assert promise.tolist() == pytest.approx([BLOCKS_PER_DAY / 100, BLOCKS_PER_DAY / 400])


def test_one_position_alone_pays_nothing_for_others():
    assert rank([0], [0], [0.3]).p_value[0] == CALIBRATION.p_values(np.array([0.3]), np.array([0]))[0][0]


def test_two_positions_are_merged_by_weighted_bonferroni():
    p, _, _ = CALIBRATION.p_values(np.array([1.0, 2.5]), np.array([0, 1]))
    surprise = rank([0, 0], [0, 1], [1.0, 2.5])
    assert surprise.p_value[0] == pytest.approx(min(p[0] / (100 / 500), p[1] / (400 / 500), 1))
    assert surprise.leading_row[0] == 1
    assert surprise.score[0] == 2.5


def test_a_position_whose_measurement_is_certainly_wrong_counts_only_where_no_other_is_right():
    alone, _, _ = CALIBRATION.p_values(np.array([0.3]), np.array([1]))
    both = rank([0, 0], [0, 1], [50.0, 0.3], [False, True])
    assert both.leading_row[0] == 1
    assert both.p_value[0] == alone[0]
    none = rank([0, 0], [0, 1], [50.0, 0.3], [False, False])
    assert none.leading_row[0] in (0, 1)
    assert none.p_value[0] < 0.1


def test_a_position_that_could_not_be_scored_is_left_out():
    surprise = rank([0, 0, 1, 1], [0, 1, 0, 1], [np.nan, 0.3, np.nan, np.nan])
    alone, _, _ = CALIBRATION.p_values(np.array([0.3]), np.array([1]))
    assert surprise.p_value[0] == alone[0]
    assert surprise.leading_row.tolist() == [1, -1]
    for values in (surprise.score, surprise.p_value, surprise.p_low, surprise.p_high):
        assert np.isnan(values[1])
    assert surprise.smallest_p[1] == 1  # nothing can be promised


def test_no_window_gives_nothing():
    assert len(rank([], [], [], count=0).p_value) == 0


def test_a_calibration_without_any_half_minute_promises_nothing():
    empty = Calibration((family(0),))
    surprise = empty.rank(windows([0], [0]), np.array([1e9]), np.array([True]))
    assert surprise.p_value[0] == 1
    assert surprise.smallest_p[0] == 1


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 1), st.floats(-5, 5) | st.just(np.nan), st.booleans()), min_size=1
    )
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_p_lies_in_its_interval_and_in_0_1_for_any_mixture(rows):
    rows.sort(key=lambda row: row[0])
    owner, families, score, trusted = (list(column) for column in zip(*rows, strict=True))
    surprise = rank(owner, families, score, trusted, count=6)
    scored = ~np.isnan(surprise.p_value)
    assert np.array_equal(scored, surprise.leading_row >= 0)
    p, low, high, least = (
        values[scored] for values in (surprise.p_value, surprise.p_low, surprise.p_high, surprise.smallest_p)
    )
    assert ((least > 0) & (least <= p + 1e-12) & (low <= p) & (p <= high) & (high <= 1)).all()
    for window in np.flatnonzero(scored):
        leading = surprise.leading_row[window]
        assert owner[leading] == window
        assert score[leading] == surprise.score[window]
    with_a_score = {o for o, s in zip(owner, score, strict=True) if not np.isnan(s)}
    assert set(np.flatnonzero(scored)) == with_a_score
