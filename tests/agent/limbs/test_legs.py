import numpy as np
import pytest

from agent.events import Topics, decode, encode
from agent.languages import FRENCH
from agent.limbs import words
from agent.limbs.columns import AT, SIDES
from agent.limbs.watch import places
from agent.limbs.weeks import recovery, relapse
from agent.limbs.weeks_legs import LegCourse, simulate_legs
from agent.records import Packet
from agent.windows import Cutter

ANKLES = ("left_ankle", "right_ankle")
START = 20_000


@pytest.fixture
def legs(watch):
    """Limbs of one athlete with both ankles heard, on the way back from an injury of the left one."""

    def make(side="left", positions=ANKLES, language="en"):
        return watch(side, positions, "return_to_play", language)

    return make


def _course(days=25, swing=0.97, impact=0.92, **trouble):
    return LegCourse(np.broadcast_to(swing, days), np.broadcast_to(impact, days), **trouble)


def _days_of(limbs, course, seed=0):
    return simulate_legs(np.random.default_rng(seed), course, watched=limbs.person(0)[0].watched, start_day=START)


def _lived(limbs, course, seed=0, spoil=lambda number, day: None):
    events = []
    for number, day in enumerate(_days_of(limbs, course, seed)):
        spoil(number, day)
        events += limbs.book(day, float(day.end_s[-1]))
    return events + limbs.look((START + len(course.swing)) * 86_400.0 + 700)


def _of(events, kind):
    return [event.data for event in events if event.data.kind == kind]


def _days(events):
    return [data.summary.legs for data in _of(events, "summary") if data.summary.period == "day"]


@pytest.mark.parametrize("side", SIDES)
def test_every_day_has_its_figures_and_they_are_the_truth(legs, side):
    days = _days(_lived(legs(side), _course(10, spread=0.0)))
    assert len(days) == 10
    for day in days:
        assert day.withheld == ""
        assert day.ratios["swing_time"].value == pytest.approx(0.97, abs=0.01)
        assert day.ratios["step_time"].value == pytest.approx(0.97**0.5, abs=0.01)
        assert day.ratios["impact"].value == pytest.approx(0.92, abs=0.01)
        assert day.ratios["swing_time"].low < 0.97 < day.ratios["swing_time"].high
        assert day.cadence == pytest.approx(120 / 1.1, rel=0.01)
        assert day.steps.low < day.steps.value <= day.steps.high


@pytest.mark.parametrize(
    ("course", "measure"),
    [
        ({"swing": relapse(26, 18, 0.97)}, {"swing_symmetry", "step_symmetry"}),
        ({"impact": relapse(26, 18, 0.92)}, {"impact_symmetry"}),
    ],
    ids=["swing", "impact"],
)
@pytest.mark.parametrize("side", SIDES)
def test_a_relapse_of_a_fifth_is_found_within_three_days_with_its_side(legs, side, course, measure):
    changes = _of(_lived(legs(side), _course(26, **course)), "asymmetry_change")
    assert changes
    assert {data.limbs.measure for data in changes} <= measure
    found = next(data for data in changes if data.limbs.measure in {"swing_symmetry", "impact_symmetry"})
    assert found.limbs.watched == side
    assert found.limbs.size == pytest.approx(-0.2, abs=0.06)
    assert found.limbs.interval[0] <= -0.2 <= found.limbs.interval[1]
    assert found.limbs.since.startswith("2024-10-22")  # day 20,018
    assert found.limbs.days <= 3
    assert found.limbs.hours
    assert f"{side} leg" in found.sentence
    assert "than on the wearer's own days before" in found.sentence


def test_a_limp_is_told_once_against_healthy_people_and_an_even_walk_never(legs):
    limping, even = (_of(_lived(legs(), _course(14, swing=swing)), "asymmetry_change") for swing in (0.75, 0.98))
    assert [data.limbs.reference for data in limping] == ["healthy"]
    assert limping[0].limbs.value == pytest.approx(0.75, abs=0.03)
    assert "below what healthy people show" in limping[0].sentence
    assert not even


def test_recovery_is_told_as_more(legs):
    changes = _of(_lived(legs(), _course(40, impact=recovery(40, 0.6, 0.95))), "asymmetry_change")
    assert changes
    assert all(data.limbs.size > 0 for data in changes)


@pytest.mark.parametrize(
    "trouble",
    [
        {"off": {15: (9.0, 14.0), 18: (7.0, 12.0)}},
        {"silent": {15: (12.0, 24.0), 16: (12.0, 24.0)}},
        {"shifted_h": {15: 8.0}},
        {"shifted_h": {10: -9.0, 17: 0.0}},
    ],
    ids=["sensor off", "flat battery at noon", "flight east", "there and back"],
)
def test_what_happens_to_sensors_and_travellers_is_no_change_of_the_leg(legs, trouble):
    events = _lived(legs(), _course(**trouble), seed=5)
    assert not _of(events, "asymmetry_change")
    days = _days(events)
    assert len(days) == 25
    for day in days:
        assert day.ratios["swing_time"].value == pytest.approx(0.97, abs=0.12)


def test_a_sensor_left_off_all_day_gives_the_reason_and_no_figures(legs):
    day = _days(_lived(legs(), _course(12, off={8: (0.0, 24.0)})))[8]
    assert day.withheld == "too_little_wear"
    assert not day.ratios
    assert day.one_sided_h > 10


def _exchange(number, day):
    if number in (14, 15):
        swap = np.arange(day.sums.shape[1])
        for name, place in AT.items():
            swap[place] = AT[name.replace("left", "?").replace("right", "left").replace("?", "right")]
        day.sums[:] = day.sums[:, swap]


def test_exchanged_sensors_are_told_and_no_change_of_the_leg(legs):
    events = _lived(legs(), _course(20, impact=0.6), spoil=_exchange)
    assert [d.phase for d in _of(events, "sensor_fault")] == ["start", "end"]
    assert "exchanged" in _of(events, "sensor_fault")[0].sentence
    assert "compares the legs" in _of(events, "sensor_fault")[0].sentence
    assert [day.withheld for day in _days(events)[14:16]] == ["sides_swapped"] * 2
    assert not _of(events, "asymmetry_change")


def test_sensors_that_are_misplaced_in_another_way_end_the_first_and_are_told_in_french(legs):
    def misplaced(number, day):
        _exchange(number, day)
        if number == 16:
            day.sums[:, AT["in_step"]] *= -1

    events = _lived(legs(language="fr"), _course(20, swing=0.75, impact=0.6), spoil=misplaced)
    faults = [event for event in events if event.data.kind == "sensor_fault"]
    assert [event.data.phase for event in faults] == ["start", "end", "start", "end"]
    assert faults[0].id == faults[1].id != faults[2].id == faults[3].id
    assert "semblent inversés ; ce qui compare les jambes" in faults[0].data.sentence
    assert "sur la même jambe" in faults[2].data.sentence
    (change,) = _of(events, "asymmetry_change")
    assert change.sentence == words.tell_change(change.limbs, FRENCH)
    assert "durée en l'air de la jambe gauche" in change.sentence
    assert "pas en" in _of(events, "summary")[0].sentence


def test_two_sensors_on_one_leg_are_told(legs):
    def one_leg(number, day):
        day.sums[:, AT["in_step"]] *= -1

    events = _lived(legs(), _course(3), spoil=one_leg)
    assert {day.withheld for day in _days(events)} == {"one_leg"}
    assert len(_of(events, "sensor_fault")) == 1


def test_one_leg_alone_gives_the_reason(legs):
    silent = dict.fromkeys(range(3), (0.0, 24.0))
    events = _lived(legs(positions=("left_ankle",)), _course(3, silent=silent))
    assert {day.withheld for day in _days(events)} == {"one_side"}
    assert "only one leg has a sensor" in _of(events, "summary")[-1].sentence


def test_clocks_apart_withhold_step_times_and_nothing_else(legs):
    limbs = legs()
    limbs.streams.clocks("anna", [ANKLES[0]])[0].offset_s += 0.05
    (day,) = _days(_lived(limbs, _course(1)))
    assert day.withheld == "clocks_apart"
    assert set(day.ratios) == {"swing_time", "impact"}


def test_load_of_a_week_over_that_of_four_is_context_and_never_an_event(legs):
    def twice(number, day):
        if number >= 28:
            for side in SIDES:
                day.sums[:, AT[f"load_{side}"]] *= 2

    events = _lived(legs(), _course(34, activity=0.05), spoil=twice)
    ratios = [day.acute_chronic for day in _days(events)]
    assert ratios[0] is None
    assert ratios[27] == pytest.approx(1, abs=0.1)
    assert ratios[33] > 1.4
    assert not _of(events, "asymmetry_change")


def test_a_restart_in_the_middle_changes_nothing(legs):
    course = _course(24, impact=relapse(24, 16, 0.92))
    expected = _lived(legs(), course, seed=1)
    first, second, events = legs(), legs(), []
    for number, day in enumerate(_days_of(first, course, 1)):
        limbs = first if number < 17 else second
        if number == 17:
            second.restore(0, first.state(0))
        events += limbs.book(day, float(day.end_s[-1]))
    events += second.look((START + 24) * 86_400.0 + 700)
    assert [encode(e) for e in events] == [encode(e) for e in expected]


def test_a_state_of_another_shape_is_refused_and_nothing_is_taken(legs):
    limbs = legs()
    before = limbs.person(0)
    with pytest.raises(ValueError, match="shape"):
        limbs.restore(0, limbs.state(0) | {"legs_shifts": np.zeros(3)})
    assert limbs.person(0) is before


def test_events_are_what_the_contract_says_and_go_where_it_says(legs):
    topics = Topics("site", "gateway")
    events = _lived(legs(), _course(22, impact=relapse(22, 16, 0.92, 0.4)))
    for event in events:
        assert decode(encode(event)) == event
    assert {topics.of(event).split("/wearer/anna/")[1] for event in events} == {
        "summary/day",
        "summary/hour",
        "event/asymmetry_change",
    }


def test_the_pair_that_is_heard_on_both_sides_counts_and_the_nearest_to_the_ground_first():
    worn = ["left_ankle", "left_thigh", "right_thigh", "lower_back", "chest"]
    told = places(worn, np.zeros(5, np.int64))
    assert told.legs.tolist() == [-1, 0, 1, 2, -1]
    assert told.names == {0: ("left_thigh", "right_thigh")}
    both = places([*worn, "right_ankle"], np.zeros(6, np.int64))
    assert both.legs.tolist() == [0, -1, -1, 2, -1, 1]
    assert places(["left_wrist", "right_wrist"], np.array([0, 1])).arms.tolist() == [0, 1]


def _walked(limbs, stepping, minutes, jump_at=None, jump_s=0.0, gateway_jump_s=0.0):
    """Packets of two ankles that walk every other minute; a clock leaps on the way."""
    cutter, events, start_s = Cutter(limbs.streams), [], (START + 0.4) * 86_400.0
    for minute in range(minutes):
        leapt = jump_at is not None and minute >= jump_at
        t = 60.0 * minute + np.arange(3000) / 50
        first = 60.0 * minute + 0.6
        steps = [np.arange(first + 0.55 * side, first + 58, 1.1)[: None if minute % 2 == 0 else 0] for side in (0, 1)]
        samples = [stepping(t, one, seed=minute) for one in steps]
        for part in range(12):
            rows = slice(250 * part, 250 * part + 250)
            now_s = start_s + float(t[rows][-1]) + 0.02 + (gateway_jump_s if leapt else 0.0)
            for side, position in enumerate(ANKLES):
                device_s = start_s + t[rows] + (jump_s if leapt and side == 0 else 0.0)
                limbs.streams.put(Packet("anna", position, device_s, samples[side][rows], now_s))
            events += limbs.follow(cutter.cut(), now_s) + limbs.look(now_s)
    return events + limbs.finish(now_s)


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_a_device_s_clock_that_jumps_by_an_hour_costs_a_moment_and_bends_nothing(legs, stepping, jump_s):
    quiet = _days(_walked(legs(positions=()), stepping, 13))[-1]
    limbs = legs(positions=())
    events = _walked(limbs, stepping, 13, jump_at=7, jump_s=jump_s)
    assert not _of(events, "asymmetry_change")
    assert not _of(events, "sensor_fault")
    (day,) = _days(events)
    assert day.steps.value == pytest.approx(quiet.steps.value, rel=0.05)
    assert day.ratios["swing_time"].value == pytest.approx(quiet.ratios["swing_time"].value, rel=0.03)


def test_the_gateway_s_clock_that_jumps_by_an_hour_tells_nothing_false(legs, stepping):
    events = _walked(legs(positions=()), stepping, 13, jump_at=7, gateway_jump_s=3600.0)
    assert not _of(events, "asymmetry_change")
    assert not _of(events, "sensor_fault")
    for day in _days(events):
        assert day.ratios["swing_time"].value == pytest.approx(1, abs=0.05)
