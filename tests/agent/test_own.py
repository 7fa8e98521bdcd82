"""A wearer's own calibration: from the population's word to his own, predict before it learns, bounded."""

import numpy as np
import pytest

from agent.own import HELD, RING, Cells, Own, cell_of
from agent.records import Surprise

WEIGHT, BLOCK, LEVEL = 30.0, 4, 0.02


def weight(own):
    """Of the population's word: fades in a straight line to 1 at a full memory."""
    return WEIGHT - (WEIGHT - 1) * own / RING


def share_of(p0, above, own):
    return (weight(own) * p0 + above) / (weight(own) + own)


def population(score, p, smallest=0.01):
    score, p = np.broadcast_arrays(np.asarray(score, float), np.asarray(p, float))
    whole = np.zeros(len(p), np.int64)
    return Surprise(score, whole, p, p / 2, np.minimum(1, 2 * p), np.full(len(p), smallest), p, whole)


def own():
    return Own(WEIGHT, BLOCK, LEVEL)


def wear(one, scores, p=0.5, cell=0):
    """One closed half-minute for each score."""
    for score in np.atleast_1d(scores):
        cells = np.full(BLOCK, cell)
        one.make_room(cells)
        one.learn(cells, np.full(BLOCK, float(score)), np.full(BLOCK, p), np.zeros(BLOCK, bool))


def p_of(one, score, p0=0.2, cell=0, strength=1.0, smallest=0.01):
    found = one.rank(population([score], [p0], smallest), np.array([cell]), np.array([strength]))
    return found.p_value[0]


def test_a_wearer_of_whom_nothing_is_known_gets_the_populations_word():
    seen = population([1.0, np.nan], [0.2, np.nan])
    found = own().rank(seen, np.array([0, 1]), np.ones(2))
    for name in ("p_value", "p_low", "p_high", "smallest_p"):
        assert getattr(found, name) == pytest.approx(getattr(seen, name), nan_ok=True), name
    assert found.own.tolist() == [0, 0]


def test_his_own_half_minutes_count_beside_the_populations():
    one = own()
    wear(one, [1.0, 2.0, 3.0, 4.0])
    assert p_of(one, 2.5) == pytest.approx(share_of(0.2, 2, 4))
    assert p_of(one, 9.0) == pytest.approx(share_of(0.2, 0, 4))


def test_what_is_as_strange_counts_as_strange():
    one = own()
    wear(one, [2.0])
    assert p_of(one, 2.0) > p_of(one, 2.0001)


def test_ten_minutes_of_wear_bring_the_p_value_of_the_strange_down_by_two_fifths():
    one = own()
    wear(one, np.zeros(20))
    assert p_of(one, 5.0, p0=0.1) == pytest.approx(0.1 * 30 / 50, rel=0.01)


def test_no_p_value_undercuts_what_all_half_minutes_together_can_carry():
    one = own()
    wear(one, np.zeros(500))
    assert p_of(one, 5.0, p0=0.01, smallest=0.01) == pytest.approx(1 / (100 + 500))
    found = one.rank(population([5.0], [0.01]), np.array([0]), np.ones(1))
    assert found.smallest_p[0] == pytest.approx(1 / 600)


def test_each_regime_learns_for_itself():
    one = own()
    wear(one, np.zeros(20), cell=0)
    assert p_of(one, 5.0, cell=1) == 0.2
    assert one.half_minutes(0).tolist() == [20, 0, 0]
    assert one.half_minutes(7).tolist() == [0, 0, 0]


def test_a_half_minute_counts_only_once_it_has_closed():
    one = own()
    cells = np.zeros(BLOCK - 1, np.int64)
    one.make_room(cells)
    closed, _ = one.learn(cells, np.zeros(BLOCK - 1), np.ones(BLOCK - 1), np.zeros(BLOCK - 1, bool))
    assert len(closed) == 0
    assert p_of(one, 5.0) == 0.2
    closed, alarmed = one.learn(np.zeros(1, np.int64), np.ones(1), np.ones(1), np.ones(1, bool))
    assert (closed.tolist(), alarmed.tolist()) == ([0], [True])
    assert p_of(one, 0.5) == pytest.approx(share_of(0.2, 1, 1))


def test_a_fall_is_not_learnt_as_normal():
    one = own()
    wear(one, np.zeros(5))
    wear(one, 6.0, p=0.003)
    assert p_of(one, 6.0) == p_of(one, 99.0)
    assert one.half_minutes(0)[0] == 5


def test_of_the_alarms_as_many_are_learnt_as_are_plausibly_false_the_least_strange_first():
    one = own()
    wear(one, [6.0, 3.0, 5.0], p=LEVEL)
    assert p_of(one, 2.0) == pytest.approx(0.2)  # nothing is plausible yet
    wear(one, np.zeros(20))
    assert p_of(one, 4.0) == pytest.approx(share_of(0.2, 0, 21))  # .4 expected, 2.0 standard deviations above: 1.97
    assert p_of(one, 2.0) == pytest.approx(share_of(0.2, 1, 21))  # the 3 counts
    wear(one, np.zeros(20))
    assert p_of(one, 4.0) == pytest.approx(share_of(0.2, 2, 43))  # .8 expected, 3.2: all of them


def test_nothing_suspicious_is_learnt_in_the_first_seven_minutes_and_118_a_day_at_the_most():
    one = Own(WEIGHT, BLOCK, 1 / 120)
    wear(one, np.full(200, 9.0), p=0.001)
    wear(one, np.zeros(14))
    assert p_of(one, 5.0) == pytest.approx(share_of(0.2, 0, 14))
    wear(one, np.zeros(RING - 14))
    assert p_of(one, 5.0) == pytest.approx((1 * 0.2 + 118) / (1 + RING + 118))


def test_someone_calmer_than_the_population_gets_his_share_of_alarms_once_his_memory_is_full():
    one = own()
    wear(one, np.arange(RING) / RING)
    assert p_of(one, 0.995, p0=0.5) == pytest.approx(0.005, abs=1 / RING)


def test_where_all_is_normal_the_tail_is_not_cut_off():
    """Were alarms never learnt, they would multiply; learnt as far as they are plausibly false, they stay what they
    are."""
    rng = np.random.default_rng(3)
    hits, late = 0, 4000
    one = own()
    for n in range(2 * late):
        score = rng.exponential()
        p = p_of(one, score, p0=max(np.exp(-score), 0.01))
        hits += n >= late and p <= LEVEL
        wear(one, score, p)
    assert 0.7 < hits / (late * LEVEL) < 1.3


def test_memory_is_bounded_and_the_oldest_is_forgotten():
    one = own()
    wear(one, 9.0)
    wear(one, np.zeros(RING - 1))
    assert p_of(one, 5.0, 0.0101, smallest=0.0001) > p_of(one, 10.0, 0.0101, smallest=0.0001)
    wear(one, 0.0)
    assert p_of(one, 5.0, 0.0101, smallest=0.0001) == p_of(one, 10.0, 0.0101, smallest=0.0001)
    assert one.half_minutes(0)[0] == RING
    wear(one, np.linspace(5, 9, 3 * HELD), p=0.001)
    assert np.isfinite(one.cells.held[0]).sum() == HELD
    assert one.cells.held[0].max() < 7  # the strangest gave way


def test_what_was_held_apart_is_forgotten_with_the_rest():
    one = own()
    wear(one, 3.0, p=0.001)
    wear(one, np.zeros(RING + 1))
    assert p_of(one, 2.0, smallest=1e-5) == p_of(one, 99.0, smallest=1e-5)
    wear(one, 4.0, p=0.001)
    assert np.isfinite(one.cells.held[0]).tolist() == [True] + [False] * (HELD - 1)


def test_under_suspicion_of_drift_the_wearers_own_half_minutes_count_for_less():
    one = own()
    wear(one, np.zeros(60))
    strengths = [p_of(one, 5.0, 0.02, strength=strength) for strength in (0.0, 0.25, 1.0)]
    assert strengths == sorted(strengths, reverse=True)
    assert strengths[0] == 0.02


def test_p_lies_in_its_interval_which_narrows_with_wear():
    one, rng, widths = own(), np.random.default_rng(1), []
    for _ in range(6):
        wear(one, rng.normal(size=50))
        found = one.rank(population([0.5], [0.3]), np.array([0]), np.ones(1))
        assert 0 <= found.p_low[0] <= found.p_value[0] <= found.p_high[0] <= 1
        widths.append(found.p_high[0] - found.p_low[0])
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize(("level", "smallest"), [(1 / 120, 0.02), (1 / 2880, 0.003), (0.05, 0.01), (1e-5, 0.01)])
def test_it_says_how_much_more_wear_the_budget_needs(level, smallest):
    one = own()
    needed = one.needed(population([9.0], [smallest], smallest), np.zeros(1, np.int64), level)[0]
    if np.isinf(needed):
        assert 1 / (1 / smallest + RING) > level
        return
    if needed:
        wear(one, np.zeros(int(needed) - 1))
        assert p_of(one, 9.0, smallest, smallest=smallest) > level
        wear(one, 0.0)
    assert p_of(one, 9.0, smallest, smallest=smallest) <= level


def test_a_turn_ends_where_a_half_minute_of_the_wearer_closes():
    one = own()
    wearer, cell = np.zeros(10, np.int64), np.array([0, 0, 1, 0, 0, 1, 1, 1, 2, 0])
    assert one.turns(wearer, cell, np.ones(10, bool)).tolist() == [0] * 5 + [1] * 3 + [2] * 2
    assert one.turns(wearer, cell, np.arange(10) > 0).tolist() == [0] * 8 + [1] * 2
    two = np.array([0, 3] * 5)
    assert one.turns(two // 3, two, np.ones(10, bool)).tolist() == [0] * 8 + [1] * 2


def test_cells_hold_three_regimes_a_wearer_in_46_kilobytes():
    assert cell_of(np.array([2]), np.array([1])).tolist() == [7]
    size = sum(values.nbytes for values in vars_of(Cells.empty(3)))
    assert size < 46_000


def vars_of(cells):
    return [getattr(cells, name) for name in cells.__dataclass_fields__]
