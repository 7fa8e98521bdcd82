"""One fall is one event, whatever comes between; doubt is rationed; memory is bounded."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.counters import Counters
from agent.settings import Alarms
from agent.track import STILL_THERE_S, Tracker

HOP_S = 0.5
LABELS = {"n": (1, 0, 0), "f": (0, 1, 0), "v": (0, 0, 1), "?": (1, 0, 1), "b": (0, 1, 1)}
"""Normal, fault, novelty, and two abstentions."""


def judged(story, start=0, score=2.0, wearer=0):
    """Windows of one tick, one letter each, from hop `start` on."""
    size = len(story)
    scores = np.broadcast_to(np.asarray(score, float), size)
    return SimpleNamespace(
        windows=SimpleNamespace(
            wearer=np.full(size, wearer), end_s=2.56 + (start + np.arange(size)) * HOP_S, owner=np.arange(size)
        ),
        surprise=SimpleNamespace(score=scores),
        verdicts=SimpleNamespace(labels=np.array([LABELS[letter] for letter in story], bool).reshape(size, 3)),
        faulty=np.array([letter == "f" for letter in story]),
    )


def tracker(**alarms):
    return Tracker(Alarms(**alarms), HOP_S, Counters())


def told(story, cuts=(), *, score=2.0, **alarms):
    """(kind, phase, revision, start, at) of everything that a story brings, in ticks cut at `cuts`."""
    follows, out = tracker(**alarms), []
    bounds = [0, *sorted(cuts), len(story)]
    scores = np.broadcast_to(np.asarray(score, float), len(story))

    def note(changes):
        out.extend((c.happening.kind, c.phase, c.revision, c.happening.start_s, c.at_s) for c in changes)

    for begin, end in itertools.pairwise(bounds):
        if end > begin:
            note(follows.follow(judged(story[begin:end], begin, scores[begin:end]), 0.0))
    note(follows.finish())
    return out


def phases(story, kind=None, **rest):
    return [(c[0], c[1]) for c in told(story, **rest) if kind in (None, c[0])]


def test_one_fall_is_one_event_with_start_and_end():
    assert phases("n" * 20 + "vvvvv" + "n" * 80) == [("novelty", "start"), ("novelty", "end")]


def test_the_start_is_the_end_of_the_first_window_and_the_end_that_of_the_last():
    found = told("nnnnvvvnn" + "n" * 80)
    start, end = found
    assert start[3] == end[3] == 2.56 + 4 * HOP_S
    assert end[4] == 2.56 + 6 * HOP_S


def test_what_returns_within_the_refractory_time_is_the_same_event():
    story = "v" + "n" * 40 + "v" + "n" * 40 + "v" + "n" * 100
    assert phases(story, refractory_s=30) == [("novelty", "start"), ("novelty", "end")]
    assert len(phases(story, refractory_s=10)) == 6


def test_an_open_event_is_closed_when_the_streams_end():
    assert phases("nnvv") == [("novelty", "start"), ("novelty", "end")]


def test_quiet_time_tells_nothing_and_keeps_nothing():
    follows = tracker()
    assert follows.follow(judged("n" * 1000), 0.0) == []
    assert follows.finish() == []
    assert not follows._open


def test_an_alarm_waits_for_as_many_windows_in_a_row_as_the_settings_say():
    assert phases("vnvnvnvvn" + "n" * 80, trigger_windows=3) == []
    assert phases("nvvvn" + "n" * 80, trigger_windows=3) == [("novelty", "start"), ("novelty", "end")]


@pytest.mark.parametrize(("letter", "kind"), [("f", "sensor_fault"), ("?", "abstention")])
def test_a_single_doubtful_window_is_no_event_and_two_in_a_row_are(letter, kind):
    assert phases("nn" + letter + "n" * 80) == []
    assert phases("nn" + letter * 2 + "n" * 80) == [(kind, "start"), (kind, "end")]


def test_an_event_that_grows_clearly_stranger_is_told_again_and_otherwise_not():
    quiet, loud = [2.0] * 60, [2.0] * 10 + [20.0] * 50
    assert phases("v" * 60, score=quiet) == [("novelty", "start"), ("novelty", "end")]
    assert phases("v" * 60, score=loud) == [("novelty", "start"), ("novelty", "update"), ("novelty", "end")]


def test_an_event_that_lasts_is_told_again_each_minute():
    updates = [c for c in told("f" * 1200) if c[1] == "update"]
    assert len(updates) == int(1200 * HOP_S / STILL_THERE_S) - 1


def test_an_event_that_goes_on_stays_one_event_even_without_a_refractory_time():
    assert phases("nvvvvvn" + "n" * 20, refractory_s=0) == [("novelty", "start"), ("novelty", "end")]


def test_revisions_count_up_from_zero():
    revisions = [c[2] for c in told("f" * 600)]
    assert revisions == list(range(len(revisions)))


def test_doubt_is_rationed_per_hour_and_what_is_withheld_is_counted():
    story = ("??" + "n" * 100) * 100  # every 51 s
    follows = tracker(abstentions_per_hour=6)
    changes = follows.follow(judged(story), 0.0)
    starts = [c.at_s for c in changes if c.phase == "start"]
    assert all(sum(at <= other < at + 3600 for other in starts) <= 6 for at in starts)
    assert len(starts) == pytest.approx(6 * len(story) * HOP_S / 3600, abs=6)
    assert follows.counters.counts["abstentions_withheld"] == 100 - len(starts)


def test_alarms_and_faults_are_never_rationed():
    story = ("vv" + "n" * 100 + "ff" + "n" * 100) * 20
    found = phases(story, abstentions_per_hour=0)
    assert found.count(("novelty", "start")) == found.count(("sensor_fault", "start")) == 20


def test_doubt_beside_an_open_alarm_is_no_news():
    assert phases("vv" + "????" + "n" * 100) == [("novelty", "start"), ("novelty", "end")]


def test_every_start_has_its_end_and_nothing_ends_that_never_started():
    rng = np.random.default_rng(0)
    story = "".join(rng.choice(list("nnnnnnfv?b"), 3000))
    open_ids = set()
    for kind, phase, _, start_s, _ in told(story, refractory_s=3):
        assert ((kind, start_s) in open_ids) == (phase != "start")
        (open_ids.add if phase == "start" else open_ids.discard)((kind, start_s)) if phase != "update" else None
    assert not open_ids


@given(
    story=st.text(alphabet="nnnnfv?b", min_size=1, max_size=200),
    data=st.data(),
    refractory_s=st.sampled_from([0, 2.0, 30.0]),
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_what_is_told_does_not_depend_on_the_ticks(story, data, refractory_s):
    cuts = data.draw(st.sets(st.integers(1, max(1, len(story) - 1)), max_size=20))
    rising = list(np.linspace(1, 50, len(story)))
    assert told(story, cuts, score=rising, refractory_s=refractory_s) == told(
        story, score=rising, refractory_s=refractory_s
    )


def test_wearers_do_not_influence_each_other_and_memory_is_three_happenings_a_wearer():
    follows = tracker()
    for start in range(0, 200, 4):
        for wearer in range(50):
            follows.follow(judged("fv?b", start, wearer=wearer), 0.0)
    assert sum(map(len, follows._open.values())) <= 150
    ends = follows.finish()
    assert len({(c.wearer, c.happening.kind) for c in ends}) == len(ends)
    assert not follows._open


def test_a_window_that_could_not_be_scored_is_an_abstention():
    story = judged("????", score=np.nan)
    assert [c.phase for c in tracker().follow(story, 0.0)] == ["start"]


def test_an_alarm_of_a_wearer_of_whom_nothing_comes_any_more_ends():
    follows = tracker()
    assert [change.phase for change in follows.follow(judged("nvv"), 100.0)] == ["start"]
    assert follows.silence(159.0) == []
    (end,) = follows.silence(161.0)
    assert (end.phase, end.window, end.revision) == ("end", -1, 1)
    assert follows.silence(1e9) == []
    assert follows.finish() == []
