"""An explanation is true: it adds up, its places are where things happened, and what it says would help does help."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from agent.account import extent
from agent.attribute import REST
from agent.batch import cut_recording
from agent.explain import Explainer, Why, strongest
from agent.intervene import BEFORE
from agent.judge import Judge, Judged
from agent.recording import Recording
from agent.records import CAUSES, NOISE, NORMAL, NOVELTY
from agent.simulate import simulate

ALPHA = 24 / 2880


@dataclass(frozen=True)
class Told:
    """A recording, judged, and whoever explains it."""

    recording: Recording
    judge: Judge
    judged: Judged
    explainer: Explainer

    def why(self, window: int) -> Why:
        rows = np.flatnonzero(self.judged.windows.owner == window)
        names = list(self.recording.positions)
        return self.explainer.explain(self.judged, window, [names[slot] for slot in self.judged.windows.stream[rows]])

    def windows(self, kept) -> list[int]:
        return np.flatnonzero(kept(self.judged.verdicts.labels)).tolist()


@pytest.fixture(scope="module")
def told(shipped, recent_of):
    def of(recording, alpha=ALPHA):
        judge = Judge(shipped.model, alpha)
        judged = judge.judge(cut_recording(recording, shipped.model.layout))
        return Told(recording, judge, judged, Explainer(judge, recent_of(recording)))

    return of


@pytest.fixture(scope="module")
def demo(told, simulated):
    return told(simulated)


def alarms(labels):
    return labels[:, NOVELTY] & ~labels[:, NORMAL] & ~labels[:, NOISE]


def doubts(labels):
    return labels.sum(axis=1) > 1


def adds_up(why, judged, window):
    found = why.decomposition
    return abs(found.places.sum(dtype=np.float64) + found.rest.sum() - judged.surprise.score[window]) < 1e-4


def test_every_window_that_was_scored_adds_up_to_its_score(demo):
    for window in range(0, len(demo.judged.windows.end_s), 9):
        why = demo.why(window)
        assert (why.decomposition is None) == np.isnan(demo.judged.surprise.score[window])
        assert why.decomposition is None or adds_up(why, demo.judged, window)


def test_the_fall_is_told_at_the_waist_while_it_lasts(demo):
    found = demo.windows(alarms)
    assert found
    for window in found:
        why, end_s = demo.why(window), demo.judged.windows.end_s[window]
        assert why.account.position == "waist"
        if why.account.aspect != "echo":
            start, stop = end_s + why.account.start_s, end_s + why.account.end_s
            assert start < 66
            assert stop > 62


def test_what_the_verdict_hangs_on_changes_it_when_it_is_replaced_and_nothing_smaller_does(demo):
    for window in demo.windows(alarms):
        why = demo.why(window)
        assert why.intervention is not None
        assert why.intervention.labels[NORMAL]
        assert why.intervention.p_value > ALPHA
        retrial = demo.explainer.retrial(demo.judged, window)
        assert retrial.reproduced()
        assert not retrial.answer(retrial.rescored(retrial.stretches_g[None])).verdicts.labels[0, NORMAL]


def test_asking_what_would_have_been_changes_nothing(demo):
    before = [np.copy(part) for part in (demo.judge.prudence.own.cells.ring, demo.judge.prudence.own.cells.learnt)]
    past = np.copy(demo.judge.scorer._past._values)
    for window in (*demo.windows(alarms)[:2], *demo.windows(doubts)[:2]):
        demo.why(window)
    after = (demo.judge.prudence.own.cells.ring, demo.judge.prudence.own.cells.learnt)
    assert all(np.array_equal(one, other[: len(one)]) for one, other in zip(before, after, strict=True))
    assert np.array_equal(past, demo.judge.scorer._past._values)


@pytest.mark.parametrize("alpha", [1 / 2880, 8 / 2880])
def test_every_abstention_has_a_way_out_that_leaves_one_label(told, simulated, alpha):
    here = told(simulated, alpha)
    found = here.windows(doubts)
    assert found
    for window in found[::3]:
        resolution = here.why(window).resolution
        assert resolution is not None
        assert resolution.labels.sum() == 1
        if resolution.needs == "wear":
            assert resolution.minutes > 0


@pytest.mark.parametrize("cause", range(1, len(CAUSES)))
def test_each_cause_of_doubt_has_a_way_out_even_where_nothing_could_be_scored(demo, cause):
    verdicts = replace(demo.judged.verdicts, cause=np.full(len(demo.judged.verdicts.cause), cause),
                       labels=np.ones_like(demo.judged.verdicts.labels))  # fmt: skip
    nothing = np.full(len(demo.judged.surprise.score), np.nan)
    blank = replace(demo.judged.surprise, score=nothing, p_value=nothing, leading_row=np.full(len(nothing), -1))
    for surprise in (demo.judged.surprise, blank):
        why = replace(demo, judged=replace(demo.judged, verdicts=verdicts, surprise=surprise)).why(20)
        assert why.resolution.labels.sum() == 1


def silent(recording, position, start_s, stop_s):
    """The same, with nothing of one position for a while."""
    samples = recording.positions[position].copy()
    samples[(recording.times_s >= start_s) & (recording.times_s < stop_s)] = np.nan
    return replace(recording, positions={**recording.positions, position: samples})


def test_a_missing_position_takes_no_part_and_the_other_is_still_explained(told, simulated):
    here = told(silent(simulated, "right_wrist", 55, 75))
    for window in here.windows(alarms):
        why = here.why(window)
        assert why.account.position == "waist"
        assert adds_up(why, here.judged, window)
        assert why.intervention is not None


def test_a_window_with_gaps_is_explained_by_what_came(told, simulated):
    holes = silent(silent(simulated, "waist", 63.6, 63.9), "waist", 64.6, 64.8)
    here = told(holes)
    gaps = [n for n in range(len(here.judged.windows.end_s)) if 0 < here.judged.quality.missing[
            here.judged.windows.owner == n].max() < 0.5]  # fmt: skip
    assert gaps
    for window in gaps:
        why = here.why(window)
        assert adds_up(why, here.judged, window)
        assert np.isfinite(why.decomposition.places).all()


def test_what_is_missing_is_never_what_stands_out(told, simulated):
    holes = silent(simulated, "waist", 20, 20.6)
    for gap in np.arange(21.7, 100, 1.7):
        holes = silent(holes, "waist", gap, gap + 0.6)
    here = told(replace(holes, positions={"waist": holes.positions["waist"]}))
    seen = 0
    for window in range(0, len(here.judged.windows.end_s), 3):
        why, samples = here.why(window), here.judged.windows.samples_g[window]
        missing = np.isnan(samples[0]).reshape(4, -1).any(axis=1)
        if why.account and why.account.aspect != "echo" and missing.any() and not missing.all():
            seen += 1
            start, stop = (round((2.56 + at) * 50) for at in (why.account.start_s, why.account.end_s))
            assert not np.isnan(samples[0, start:stop]).all()
    assert seen > 20


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_window_in_which_nothing_moves_at_all_is_explained(told, simulated, value):
    flat = np.full_like(simulated.positions["waist"], 0.0)
    flat[:, 2] = value
    here = told(replace(simulated, positions={"waist": flat}))
    for window in range(0, len(here.judged.windows.end_s), 40):
        why = here.why(window)
        if why.decomposition is not None:
            assert adds_up(why, here.judged, window)
        assert (why.resolution is not None) == bool(doubts(here.judged.verdicts.labels)[window])


def test_a_window_that_holds_too_little_says_which_position_must_send_again(told, simulated):
    both = silent(silent(simulated, "right_wrist", 30, 33), "waist", 30, 32.2)
    here = told(both)
    unscored = [n for n in range(len(here.judged.windows.end_s)) if np.isnan(here.judged.surprise.score[n])]
    assert unscored
    for window in unscored:
        why = here.why(window)
        assert why.decomposition is None
        assert why.resolution is None or (why.resolution.needs, why.resolution.fault) == ("signal", "dropout")


def test_the_wearers_own_closest_normal_wear_is_earlier_and_is_known_after_half_a_minute(demo):
    end_s = demo.judged.windows.end_s
    last = len(end_s) - 1
    assert demo.why(last).closest.end_s < end_s[last] - 5
    fresh = Explainer(demo.judge, lambda slot, until, count: np.full((3, count), np.nan, np.float32))
    assert fresh.explain(demo.judged, 3, ["right_wrist", "waist"]).closest is None


def test_places_are_told_strongest_first_and_only_those_that_raised_the_score():
    places = np.zeros((2, 4, 4), np.float32)
    places[0, 1, 2], places[1, 2, 0], places[0, 0, 0] = 0.75, 0.25, -5
    assert strongest(places) == [(0, 1, 2, 0.75), (1, 2, 0, 0.25)]


@pytest.mark.parametrize(
    ("strange", "told"),
    [([1, 9, 1, 1], (1, 2)), ([1, 9, 8, 1], (1, 3)), ([8, 9, 1, 9], (0, 2)), ([9, 9, 9, 9], (0, 4)), ([0, 0], (0, 2))],
)
def test_neighbours_that_are_nearly_as_strange_are_told_with_the_strongest(strange, told):
    assert extent(np.array(strange), 0.5) == slice(*told)


def test_times_are_told_from_the_windows_end_and_the_place_before_it_has_its_own(demo):
    why = demo.why(demo.windows(alarms)[0])
    assert why.when(0) == (-2.56, -1.92)
    assert why.when(3) == (-0.64, 0.0)
    assert why.when(BEFORE) == (-4.06, -2.56)
    assert len(why.decomposition.rest) == len(REST)


def test_a_second_wearers_fall_is_explained_too(told):
    here = told(simulate(np.random.default_rng(5))[0])
    for window in here.windows(alarms):
        assert adds_up(here.why(window), here.judged, window)


def test_a_leg_that_trembles_is_told_though_what_else_is_worn_has_the_larger_calibration(told, simulated):
    times_s, still = simulated.times_s, simulated.positions["waist"]
    tremor = np.where((times_s > 30) & (times_s < 33), 1.2 * np.sin(2 * np.pi * 6 * times_s), 0)
    leg = still + np.outer(tremor, [1, 0, 0]).astype(np.float32)
    here = told(replace(simulated, positions={"waist": still, "left_ankle": leg}))
    end_s = here.judged.windows.end_s
    rows = np.flatnonzero((end_s > 32) & (end_s < 33.5))
    assert len(rows)
    for window in rows:
        why = here.why(int(window))
        assert why.account.position == "left_ankle"
        assert adds_up(why, here.judged, window)
