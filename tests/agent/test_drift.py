"""The watch for drift: what counts, what is learnt, when it speaks, and that it goes on after a restart."""

import numpy as np
import pytest

from agent.drift import LATELY, Drift
from agent.reference import (
    BATCH,
    CAPACITY,
    DAY_UNITS,
    EDGES_G,
    LEAST_BATCHES,
    LEAST_OF_KIND,
    NO_KIND,
    UNIT_S,
    Reference,
    kind_of,
    unknown,
)
from agent.shift import EFFECTS, THRESHOLD, Bets, gains

HOP_S = 0.5
FIRST = LEAST_BATCHES * BATCH + 200
"""Units after which drift is watched for."""


def live(drift: Drift, values, *, first: int = 0, wearer: int = 0, kind: int = 3):
    """One wearer's units, one after the other."""
    turns = []
    for number, value in enumerate(values):
        at_s = np.array([(first + number + 1) * UNIT_S])
        turns += drift.take(np.array([wearer]), at_s, np.array([value]), np.array([kind]))
    return turns


@pytest.fixture
def settled(request) -> Drift:
    """A watch that has seen some hours of one wearer."""
    drift = Drift(HOP_S)
    assert live(drift, np.random.default_rng(3).normal(size=FIRST)) == []
    return drift


def windows(unit: int, count: int = 20, wearer: int = 0):
    """Ends of the windows of one unit, and whose they are."""
    return np.full(count, wearer), unit * UNIT_S + HOP_S * np.arange(count)


def see(drift: Drift, unit: int, score: float, *, count: int = 20, disturbed: bool = False, movement: float = 0.15):
    wearer, end_s = windows(unit, count)
    return drift.see(wearer, end_s, np.full(count, score), np.full(count, movement), np.full(count, disturbed))


def test_a_shift_is_told_with_its_size_and_when_it_began_and_so_is_the_return(settled):
    rng = np.random.default_rng(4)
    (start,) = live(settled, rng.normal(size=120) + 2, first=FIRST)
    assert (start.phase, start.revision, start.wearer) == ("start", 0, 0)
    assert start.low < 2 < start.high
    assert abs(start.since_s - FIRST * UNIT_S) <= 3 * UNIT_S
    assert start.statistic >= THRESHOLD
    assert settled.widened(np.array([0])) > 1
    (end,) = [turn for turn in live(settled, rng.normal(size=4 * LATELY), first=FIRST + 120) if turn.phase == "end"]
    assert end.since_s == start.since_s
    assert settled.widened(np.array([0])) == 0


def test_less_strange_is_a_shift_too(settled):
    (start,) = live(settled, np.random.default_rng(5).normal(size=120) - 2, first=FIRST)
    assert start.size < -1


def test_nothing_is_learnt_while_a_drift_is_open(settled):
    live(settled, np.random.default_rng(6).normal(size=60) + 3, first=FIRST)
    seen = settled.reference.memory["seen"][0]
    live(settled, np.full(50, 3.0), first=FIRST + 60)
    assert settled.reference.memory["seen"][0] == seen


def test_a_drift_that_lasts_a_day_is_told_as_a_habit_and_widens_no_more(settled):
    rng = np.random.default_rng(7)
    turns = live(settled, rng.normal(size=DAY_UNITS + 200) + 2.5, first=FIRST)
    habit = [turn for turn in turns if turn.habit]
    assert [turn.phase for turn in habit] == ["update"]
    assert settled.widened(np.array([0])) == 0
    assert settled.memory["open"][0] == 1
    assert habit[0].size > 2, "the distance to the first day is still told"


def test_a_unit_with_anything_unusual_in_it_is_left_out_and_counted():
    drift = Drift(HOP_S)
    for unit, facts in enumerate([{}, {"disturbed": True}, {"count": 5}, {}, {}]):
        see(drift, unit, 0.0, **facts)
    assert drift.memory["left_out"][0] == 2
    assert drift.reference.memory["seen"][0] == 2  # the last one is still under way


def test_windows_that_could_not_be_scored_do_not_count():
    drift = Drift(HOP_S)
    see(drift, 0, np.nan)
    see(drift, 1, 0.0)
    assert (drift.memory["left_out"][0], drift.reference.memory["seen"][0]) == (1, 0)


def test_how_windows_are_batched_changes_nothing():
    rng = np.random.default_rng(8)
    count, wearers = 4000, 3
    end_s = np.repeat(np.arange(count) * HOP_S, wearers)
    wearer = np.tile(np.arange(wearers), count)
    score, movement = rng.normal(size=len(wearer)), rng.uniform(0, 0.5, len(wearer))
    disturbed = rng.uniform(size=len(wearer)) < 0.001
    found = []
    for pieces in (1, 7, 1000):
        drift = Drift(HOP_S)
        for part in np.array_split(np.arange(len(wearer)), pieces):
            drift.see(wearer[part], end_s[part], score[part], movement[part], disturbed[part])
        found.append([drift.state(slot) for slot in range(wearers)])
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            for name, values in one.items():
                np.testing.assert_allclose(same[name], values, rtol=1e-6, err_msg=name)


def test_a_new_kind_of_movement_is_not_judged_by_another():
    drift = Drift(HOP_S)
    live(drift, np.random.default_rng(9).normal(size=FIRST))
    assert live(drift, np.full(LEAST_OF_KIND, 9.0), first=FIRST, kind=5) == []
    assert drift.memory["uncompared"][0] >= LEAST_OF_KIND


def test_the_reference_is_bounded_holds_the_whole_day_and_then_stays_as_it_is():
    reference = Reference()
    reference.memory = unknown(1)
    for number in range(DAY_UNITS + 50):
        one = np.array([0])
        reference.learn(one, np.array([float(number)]), np.array([2]), np.array([np.nan]))
    memory = reference.memory[0]
    assert (memory["kept"], memory["seen"], memory["stride"]) == (CAPACITY, DAY_UNITS, 8)
    np.testing.assert_array_equal(memory["values"], np.arange(0, DAY_UNITS, 8))
    assert (memory["kinds"] != NO_KIND).all()


def test_ranks_of_a_reference_among_itself_are_standard_normal_and_bets_on_them_gain_nothing():
    for n in (LEAST_OF_KIND, 100, CAPACITY):
        reference = Reference()
        reference.memory = unknown(1)
        reference.memory["values"][0, :n], reference.memory["kinds"][0, :n] = np.arange(n), 1
        places = np.arange(n + 1) - 0.5
        z, _ = reference.rank(np.zeros(n + 1, int), places, np.ones(n + 1, int))
        assert abs(z.mean()) < 1e-6
        mean_e = np.exp(gains(z, np.zeros(n + 1), np.ones(n + 1))).mean(axis=0)
        assert mean_e.max() <= 1 + 1e-9, "each rank is as likely as the next: no stake may gain on average"


def test_bouts_raise_the_variance_and_too_little_wear_says_nothing():
    rng, found = np.random.default_rng(10), {}
    for length in (1, 20):
        drift = Drift(HOP_S)
        live(drift, np.repeat(rng.normal(size=4000 // length), length))
        found[length] = drift.reference.variance(np.array([0]))[0]
    assert 1 <= found[1] < 2
    assert 10 < found[20] < 60
    young = Drift(HOP_S)
    live(young, rng.normal(size=BATCH))
    assert np.isinf(young.reference.variance(np.array([0]))[0])


def test_no_stake_gains_by_errors_within_the_tolerance():
    tolerance, variance = np.array([0.3]), np.array([2.0])
    assert (gains(tolerance + 0.2, tolerance, variance) <= 1e-12).all()
    assert (gains(-tolerance - 0.2, tolerance, variance) <= 1e-12).all()


def test_wealth_is_followed_as_defined():
    bets = Bets()
    bets.memory = np.zeros(1, bets.memory.dtype)
    z, expected = np.random.default_rng(11).normal(size=30), np.zeros(len(EFFECTS))
    for number, value in enumerate(z):
        bets.place(np.array([0]), np.array([float(number)]), np.array([value]), np.array([0.1]), np.array([1.5]))
        expected = (1 + expected) * np.exp(gains(np.array([value]), np.array([0.1]), np.array([1.5])))[0]
    np.testing.assert_allclose(bets.memory["wealth"][0], expected)


def test_it_goes_on_after_a_restart_as_if_nothing_had_happened(settled):
    rng = np.random.default_rng(12)
    live(settled, rng.normal(size=20) + 1, first=FIRST)
    other = Drift(HOP_S)
    other.restore(0, settled.state(0))
    rest = rng.normal(size=200) + 1
    assert live(settled, rest, first=FIRST + 20) == live(other, rest, first=FIRST + 20) != []


def test_a_stop_ends_what_is_open_and_the_next_start_tells_it_again(settled):
    rng = np.random.default_rng(13)
    (start,) = live(settled, rng.normal(size=60) + 3, first=FIRST)
    (end,) = settled.pause(1e6)
    assert (end.phase, end.revision, end.since_s) == ("end", 1, start.since_s)
    assert settled.pause(1e6) == []
    other = Drift(HOP_S)
    other.restore(0, settled.state(0))
    (again,) = live(other, [3.0], first=FIRST + 60)
    assert (again.phase, again.revision, again.since_s) == ("update", 2, start.since_s)


def test_a_drift_that_was_open_at_a_kill_is_told_again_for_its_end_was_told_at_the_start(settled):
    (start,) = live(settled, np.random.default_rng(13).normal(size=60) + 3, first=FIRST)
    other = Drift(HOP_S)
    other.restore(0, settled.state(0))
    (again,) = live(other, [3.0], first=FIRST + 60)
    assert (again.phase, again.since_s) == ("update", start.since_s)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("wealth", lambda old: old + np.inf),
        ("stride", lambda old: old * 0),
        ("open", lambda old: old + 7),
        ("values", lambda old: old[:, :-1]),
        ("seen", lambda old: old + 10 * DAY_UNITS),
    ],
)
def test_a_state_that_cannot_be_is_refused_whole(settled, name, change):
    state = settled.state(0)
    state[name] = change(state[name])
    fresh = Drift(HOP_S)
    with pytest.raises(ValueError, match=r"cannot be|shape"):
        fresh.restore(0, state)
    assert len(fresh.memory) == 0
    with pytest.raises(KeyError, match=name):
        fresh.restore(0, {key: value for key, value in settled.state(0).items() if key != name})


def test_memory_of_a_wearer_is_below_eight_kilobytes(settled):
    assert sum(values[0].nbytes for values in settled.state(0).values()) <= 8000


def test_kinds_are_ordered_by_movement():
    np.testing.assert_array_equal(kind_of(np.array([0.0, *EDGES_G])), np.arange(len(EDGES_G) + 1))
