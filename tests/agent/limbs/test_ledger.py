import numpy as np
import pytest

from agent.limbs.columns import AT, COLUMNS
from agent.limbs.figures import arm_day
from agent.limbs.ledger import Ledger
from agent.limbs.measure import Seconds
from agent.limbs.tally import Tally, tally

DAY_S = 86_400


def _seconds(left, right, *, start_s=0.0, still=None, heard=None, wearer=0):
    """Counts of each second of both arms."""
    counts = np.stack([left, right], axis=1).astype(float)
    n = len(counts)
    heard = np.ones((n, 2), np.bool_) if heard is None else heard
    still = np.zeros((n, 2), np.bool_) if still is None else still
    used = counts >= 2
    gravity = np.tile([0.0, 0.0, 1.0], (n, 2, 1))
    who, end_s = np.full(n, wearer), start_s + 1 + np.arange(n)
    return Seconds(who, end_s, heard, still, counts, used, used, used, 0.5 * used, np.zeros(n, np.bool_), gravity)


def _booked(seconds, ticks=1, each_s=1):
    """Each second stands for `each_s` of them."""
    ledger, spans = Ledger(), tally(seconds)
    for part in np.array_split(np.arange(len(seconds)), ticks):
        fields = (spans.heard[part], spans.still[part], each_s * spans.sums[part], each_s * spans.ratios[part])
        ledger.add(Tally(spans.wearer[part], each_s * spans.end_s[part], each_s, *fields))
    return ledger


def test_a_day_holds_what_its_seconds_hold():
    rng = np.random.default_rng(0)
    left, right = rng.poisson(3, 1800), rng.poisson(5, 1800)
    day = _booked(_seconds(left, right), each_s=10).day(0)
    assert day.total("worn_s") == 18_000
    assert day.total("counts_left_s") == 10 * (left >= 2).sum()
    assert day.total("right") == 10 * right.sum()
    figures = arm_day(day, watched=0)
    assert figures.use_ratio["counts"].value == pytest.approx((left >= 2).sum() / (right >= 2).sum())
    apart = np.log(left[(left > 0) & (right > 0)] / right[(left > 0) & (right > 0)])
    assert figures.magnitude_ratio == pytest.approx(np.median(apart), abs=0.25)
    assert figures.variation_ratio == pytest.approx(left.std() / right.std(), rel=1e-9)
    assert figures.bilateral_magnitude == pytest.approx((left + right).sum() / ((left + right) > 0).sum())


def test_the_watched_side_turns_all_ratios_round():
    rng = np.random.default_rng(1)
    day = _booked(_seconds(rng.poisson(2, 1800), rng.poisson(6, 1800)), each_s=10).day(0)
    one, other = arm_day(day, watched=0), arm_day(day, watched=1)
    assert one.use_ratio["counts"].value == pytest.approx(1 / other.use_ratio["counts"].value)
    assert one.magnitude_ratio == pytest.approx(-other.magnitude_ratio)
    assert one.variation_ratio == pytest.approx(1 / other.variation_ratio)


def test_ticks_do_not_matter():
    rng = np.random.default_rng(2)
    seconds = _seconds(rng.poisson(3, 900), rng.poisson(3, 900), still=rng.random((900, 2)) < 0.9)
    whole, piecemeal = _booked(seconds, each_s=20), _booked(seconds, ticks=213, each_s=20)
    for name in Ledger.FIELDS:
        assert np.array_equal(getattr(whole, name), getattr(piecemeal, name)), name


def test_an_arm_at_rest_for_twenty_minutes_was_worn():
    still = np.zeros((60, 2), np.bool_)
    still[10:30, 0] = True
    left = np.where(still[:, 0], 0, 5)
    day = _booked(_seconds(left, np.full(60, 5), still=still), each_s=60).day(0)
    assert day.total("worn_s") == 3600
    assert day.total("counts_right_s") == 3600


def test_a_sensor_on_the_table_is_not_an_unused_arm():
    still = np.zeros((240, 2), np.bool_)
    still[60:180, 0] = True  # two hours off
    left = np.where(still[:, 0], 0, 5)
    day = _booked(_seconds(left, np.full(240, 5), still=still), each_s=60).day(0)
    assert day.total("worn_s") == 2 * 3600
    assert day.total("counts_left_s") == day.total("counts_right_s") == 2 * 3600
    assert day.total("aside_right_s") == 2 * 3600
    assert day.total("aside_left_s") == 0


def test_a_flat_battery_at_noon_takes_the_afternoon_out_for_both_arms():
    heard = np.ones((360, 2), np.bool_)
    heard[180:, 1] = False
    day = _booked(_seconds(np.full(360, 5), np.full(360, 5), heard=heard), each_s=60).day(0)
    assert arm_day(day, 0).withheld == "too_little_wear"
    assert day.total("worn_s") == day.total("aside_left_s") == 3 * 3600


def test_seconds_lost_from_one_side_are_left_out_for_both_and_an_arm_at_rest_goes_on_waiting():
    still, heard = np.zeros((60, 2), np.bool_), np.ones((60, 2), np.bool_)
    still[10:30, 0] = True
    heard[12:30:3, 0] = False  # a weak radio while it rests: six minutes
    left = np.where(still[:, 0], 0, 5)
    day = _booked(_seconds(left, np.full(60, 5), still=still, heard=heard), each_s=60).day(0)
    assert day.total("worn_s") == day.total("counts_right_s") == 54 * 60
    assert day.total("counts_left_s") == 40 * 60
    assert day.total("aside_right_s") == 6 * 60


def test_a_sensor_on_the_table_that_falls_silent_is_off_all_the_same():
    still, heard = np.zeros((120, 2), np.bool_), np.ones((120, 2), np.bool_)
    still[10:, 0], heard[20:, 0] = True, False
    left = np.where(still[:, 0], 0, 5)
    day = _booked(_seconds(left, np.full(120, 5), still=still, heard=heard), each_s=60).day(0)
    assert day.total("worn_s") == day.total("counts_right_s") == 10 * 60


def test_days_close_at_their_end_and_the_next_begins_empty():
    ledger = Ledger(day_begins_s=3 * 3600.0)
    start = DAY_S + 3 * 3600 - 100
    spans = tally(_seconds(np.full(300, 5), np.full(300, 5), start_s=start))
    (closed,) = ledger.add(spans)
    assert (closed.hour, closed.day.number) == (23, 0)
    assert closed.day.total("worn_s") == closed.sums[AT["worn_s"]] == 100
    assert ledger.day(0).total("worn_s") == 200


def test_wearers_have_books_of_their_own():
    ledger = Ledger()
    for wearer, level in ((0, 5), (2, 0)):
        ledger.add(tally(_seconds(np.full(50, level), np.full(50, level), wearer=wearer)))
    assert [ledger.day(slot).total("counts_left_s") for slot in (0, 2)] == [50, 0]


@pytest.mark.parametrize(("odd", "sync_s", "expected"), [("one_arm", 0, "one_arm"), ("", 0.8, "clocks_apart")])
def test_what_cannot_be_compared_is_withheld_with_its_reason(odd, sync_s, expected):
    day = _booked(_seconds(np.full(1800, 5), np.full(1800, 5)), each_s=10).day(0)
    figures = arm_day(day, 0, sync_s, odd)
    assert figures.withheld == expected
    assert figures.magnitude_ratio is None
    assert bool(figures.use_ratio) == (expected == "clocks_apart")  # hours against hours bear a second


def test_every_column_has_its_place():
    assert sorted(AT.values()) == list(range(len(COLUMNS)))
