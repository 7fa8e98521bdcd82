import itertools

import numpy as np
import pytest

from agent.batch import cut_recording
from agent.layout import POSITIONS, Layout
from agent.limbs.gait import PLACE, Gait
from agent.limbs.steps import Feet, Steps
from agent.recording import Recording
from agent.records import Windows

LAYOUT = Layout(positions=POSITIONS)
LEGS = ("left_ankle", "right_ankle")
PLACES = np.array([0, 1])


@pytest.fixture
def walk(stepping):
    """Two legs: one minute standing, then walking; contacts of both, and the recording."""

    def make(seconds=60, stride_s=1.1, left_step_s=0.55, swing_s=(0.42, 0.42), shock_g=(2.5, 2.5), rest_s=10, lost=0.0):
        times = np.arange((rest_s + seconds + rest_s) * 50) / 50
        rng = np.random.default_rng(5)  # no two strides are alike, and samples fall anywhere in them
        right = np.arange(rest_s + 1.0, rest_s + seconds, stride_s)
        left = right + left_step_s + rng.normal(0, 0.01, len(right))
        right = right + rng.normal(0, 0.01, len(right))
        sides = {
            name: stepping(times, contacts, swing, shock, seed)
            for seed, (name, contacts, swing, shock) in enumerate(
                zip(LEGS, (left, right), swing_s, shock_g, strict=True)
            )
        }
        if lost:
            gone = np.random.default_rng(0).random(len(times) // 25) < lost
            for samples in sides.values():
                samples[np.repeat(gone, 25)[: len(times)]] = np.nan
        return (left, right), Recording("walk", "anna", times, sides)

    return make


def _measured(recording, **packets):
    return Gait(LAYOUT).measure(cut_recording(recording, LAYOUT, **packets), PLACES)


def _total(pace, name):
    return float(pace.sums[:, PLACE[name]].sum())


@pytest.mark.parametrize("stride_s", [0.8, 1.1, 1.5, 2.6])
def test_every_contact_is_counted_at_any_pace(walk, stride_s):
    (left, right), recording = walk(stride_s=stride_s, left_step_s=stride_s / 2)
    pace = _measured(recording)
    assert _total(pace, "steps_left") == len(left)
    assert _total(pace, "steps_right") == len(right)
    assert _total(pace, "stride_s_left") / _total(pace, "strides_left") == pytest.approx(stride_s, abs=0.01)
    assert _total(pace, "paced_s") == pytest.approx(stride_s * (len(left) - 1), rel=0.02)


def test_contacts_are_told_at_their_time(walk):
    truth, recording = walk()
    _, feet = Gait(LAYOUT).see(cut_recording(recording, LAYOUT), PLACES)
    for side in (0, 1):
        late_s = np.sort(feet.at_s[feet.side == side]) - truth[side]
        assert late_s.std() < 0.01
        assert abs(late_s.mean()) < 0.03


@pytest.mark.parametrize("left_step_s", [0.45, 0.55, 0.62])
def test_step_times_of_a_limping_walk_are_within_ten_milliseconds(walk, left_step_s):
    _, recording = walk(left_step_s=left_step_s)
    pace = _measured(recording)
    told = [_total(pace, f"step_s_{side}") / _total(pace, f"paired_{side}") for side in ("left", "right")]
    assert told == pytest.approx([left_step_s, 1.1 - left_step_s], abs=0.01)


def test_a_leg_that_swings_longer_and_one_that_lands_softly_show(walk):
    _, recording = walk(swing_s=(0.50, 0.40), shock_g=(1.5, 3.0))
    pace = _measured(recording)
    swing, peak = ([_total(pace, f"{what}_{side}") for side in ("left", "right")] for what in ("swing_s", "impact_g"))
    assert swing[0] / swing[1] == pytest.approx(0.50 / 0.40, rel=0.06)
    assert peak[0] < 0.75 * peak[1]
    assert _total(pace, "load_left") < _total(pace, "load_right")


def test_feet_that_take_turns_are_out_of_step_and_two_sensors_on_one_leg_are_in_step(walk):
    _, recording = walk()
    pace = _measured(recording)
    assert _total(pace, "in_step") / _total(pace, "strides_left") < -0.9
    one = recording.positions["left_ankle"]
    both = Recording("one leg", "anna", recording.times_s, {"left_ankle": one, "right_ankle": one.copy()})
    pace = _measured(both)
    assert _total(pace, "in_step") / _total(pace, "strides_left") > 0.9


def test_who_stands_or_lies_still_takes_no_step(walk):
    times = np.arange(3000) / 50
    rest = np.random.default_rng(3).normal(0, 0.004, (3000, 3)).astype(np.float32) + np.float32([0, 0, 1])
    pace = _measured(Recording("rest", "anna", times, {name: rest.copy() for name in LEGS}))
    assert not pace.sums[:, [PLACE["steps_left"], PLACE["paced_s"]]].any()
    assert pace.still[3:, :2].all()


def test_a_live_stream_gives_what_the_whole_recording_gives(walk):
    windows = cut_recording(walk(seconds=40)[1], LAYOUT)
    whole, live = Gait(LAYOUT).measure(windows, PLACES), Gait(LAYOUT)
    marks = [0, 1, 2, 5, 50, 51, 90, len(windows.end_s)]
    ticks = []
    for first, last in itertools.pairwise(marks):
        rows = (windows.owner >= first) & (windows.owner < last)
        fields = (windows.owner[rows] - first, windows.stream[rows], windows.family[rows], windows.samples_g[rows])
        ticks.append(live.measure(Windows(windows.wearer[first:last], windows.end_s[first:last], *fields), PLACES))
    for name in whole.__dataclass_fields__:
        assert np.array_equal(np.concatenate([getattr(tick, name) for tick in ticks]), getattr(whole, name)), name


def test_packet_sizes_do_not_matter(walk):
    recording = walk(seconds=40)[1]
    assert np.array_equal(_measured(recording, packet_s=0.5).sums, _measured(recording, packet_s=5.0).sums)


def test_a_tenth_of_the_packets_lost_costs_few_steps_and_bends_symmetry_by_a_twentieth_at_most(walk):
    (left, _), recording = walk(seconds=300, lost=0.1)
    pace = _measured(recording)
    assert _total(pace, "steps_left") > 0.8 * len(left)
    told = [_total(pace, f"step_s_{side}") / _total(pace, f"paired_{side}") for side in ("left", "right")]
    assert told[0] / told[1] == pytest.approx(1, abs=0.05)


def test_a_gap_is_no_stride():
    def landed(*at_s):
        sums, n = np.zeros((len(at_s), len(PLACE))), len(at_s)
        feet = Feet(np.arange(n), np.zeros(n, np.int64), np.array(at_s), np.full(n, 0.4), np.ones(n))
        Steps().follow(feet, np.zeros(n, np.int64), sums)
        return sums.sum(axis=0)[[PLACE["steps_left"], PLACE["strides_left"]]].tolist()

    assert landed(0.0, 1.0, 2.0) == [3, 2]
    assert landed(0.0, 1.0, 9.0, 10.0) == [4, 2]
    assert landed(0.0) == [0, 0]
    assert landed(0.0, 1.0, 1.1, 2.0) == [3, 2]  # a foot does not land twice within a tenth of a second


def test_a_trunk_alone_tells_steps_and_evenness():
    times = np.arange(60 * 50) / 50
    for limp, even in ((0.0, 0.95), (0.5, 0.8)):
        bounce = 0.25 * np.sin(2 * np.pi * 1.8 * times) + limp * 0.25 * np.sin(2 * np.pi * 0.9 * times + 0.7)
        samples = np.stack([0 * times, 0 * times, 1 + bounce], axis=1).astype(np.float32)
        windows = cut_recording(Recording("trunk", "anna", times, {"lower_back": samples}), LAYOUT)
        pace = Gait(LAYOUT).measure(windows, np.array([2]))
        walked = _total(pace, "trunk_paced_s")
        assert walked == pytest.approx(54, abs=3)
        assert _total(pace, "trunk_steps") / walked == pytest.approx(1.8, rel=0.03)
        evenness = _total(pace, "evenness_s") / walked
        assert (evenness > even) == (limp == 0)
        assert _total(pace, "trunk_load") > 0


@pytest.mark.parametrize(("broken_s", "moves", "turned"), [(2, True, True), (4, False, False), (4, True, False)])
def test_a_trunk_that_turns_has_walked_through_it_and_one_that_stands_has_not(broken_s, moves, turned):
    times = np.arange(60 * 50) / 50
    noise = np.random.default_rng(4).normal(0, 0.2 if moves else 0.005, len(times))
    steady = 0.25 * np.sin(2 * np.pi * 1.8 * times) * (np.abs(times - 30) < 16 + broken_s / 2)
    length = 1 + np.where(np.abs(times - 30) < broken_s / 2, noise, steady)
    samples = np.stack([0 * times, 0 * times, length], axis=1).astype(np.float32)
    windows = cut_recording(Recording("trunk", "anna", times, {"lower_back": samples}), LAYOUT)
    pace = Gait(LAYOUT).measure(windows, np.array([2]))
    assert (pace.sums[:, PLACE["trunk_paced_s"]].max() > 1) == turned
    if turned:
        assert _total(pace, "trunk_paced_s") == pytest.approx(32 + broken_s, abs=2)
        assert _total(pace, "trunk_steps") / _total(pace, "trunk_paced_s") == pytest.approx(1.8, rel=0.03)
