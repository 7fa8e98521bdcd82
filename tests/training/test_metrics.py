"""Figures: the fast forms equal the textbook's, scikit-learn's, and the judge's own."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training import metrics
from training.bootstrap import interval

WINDOW_S = 2.56


def test_auc_and_precision_equal_scikit_learn_with_many_ties() -> None:
    """Both figures agree to 1e-12, also where most scores are tied."""
    sklearn_metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    random = np.random.default_rng(0)
    for levels in (2, 7, 1000, 10**9):
        label = (random.random(3000) < 0.07).astype(np.int8)
        score = random.integers(0, levels, 3000) / 7 + label * (levels > 5)
        assert metrics.roc_auc(label, score) == pytest.approx(sklearn_metrics.roc_auc_score(label, score), abs=1e-12)
        expected = sklearn_metrics.average_precision_score(label, score)
        assert metrics.average_precision(label, score) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("label", [[0, 0], [1, 1], []])
def test_one_class_alone_has_no_area(label: list[int]) -> None:
    """Without both classes neither figure exists."""
    labels, score = np.array(label, dtype=np.int8), np.arange(len(label), dtype=np.float64)
    assert np.isnan(metrics.roc_auc(labels, score))
    assert np.isnan(metrics.average_precision(labels, score))


def test_window_holds_samples_from_its_start_up_to_but_without_its_end() -> None:
    """A sample at the end belongs to the next window."""
    times_s = np.arange(10) / 1.0
    label = (times_s == 4).astype(np.int8)
    ends = np.array([4.0, 4.5, 5.0, 6.0, 6.5])
    assert metrics.window_labels(times_s, label, ends, 2.0).tolist() == [0, 1, 1, 1, 0]


def test_events_are_contiguous_runs_with_the_times_of_their_ends() -> None:
    """Runs at both edges of the recording count too."""
    label = np.array([1, 1, 0, 1, 0, 0, 1], dtype=np.int8)
    assert metrics.events(np.arange(7) / 10, label).tolist() == [[0.0, 0.1], [0.3, 0.3], [0.6, 0.6]]
    assert metrics.events(np.arange(3) / 10, np.zeros(3, dtype=np.int8)).shape == (0, 2)


def count_runs(end_s: np.ndarray, score: np.ndarray, threshold: float, refractory_s: float) -> int:
    """The slow textbook form: walk along, begin an alarm whenever the last one is too long ago."""
    alarms, last = 0, -np.inf
    for end, value in zip(end_s, score, strict=True):
        if value >= threshold:
            alarms += end - last > refractory_s
            last = end
    return alarms


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_false_alarms_of_every_threshold_equal_a_walk_along_the_recording(data: st.DataObject) -> None:
    """The closed form and the walk agree at each distinct score."""
    size = data.draw(st.integers(1, 40))
    end_s = np.cumsum(data.draw(st.lists(st.sampled_from([0.0, 0.5, 7.0, 30.0, 31.0]), min_size=size, max_size=size)))
    score = np.array(data.draw(st.lists(st.integers(0, 6), min_size=size, max_size=size)), dtype=np.float64)
    ends = metrics.alarm_ends(end_s, score)
    for threshold in np.unique(score):
        fast = (score >= threshold).sum() - (ends >= threshold).sum()
        assert fast == count_runs(end_s, score, threshold, 30.0)


def random_recordings(seed: int) -> list[metrics.ScoredRecording]:
    """Twelve recordings of four wearers, some with events, with ties and scores that are missing."""
    random = np.random.default_rng(seed)
    found = []
    for index in range(12):
        times_s = 5 + np.sort(random.uniform(0, 120 + 60 * index, 3000))
        label = np.zeros(3000, dtype=np.int8)
        for start in random.integers(0, 2900, index % 4):
            label[start : start + 60] = 1
        end_s = np.arange(times_s[0] + WINDOW_S, times_s[-1], 0.5)
        truth = metrics.window_labels(times_s, label, end_s, WINDOW_S)
        score = np.round(random.normal(size=len(end_s)) + truth * random.uniform(0, 2), 2)
        score[random.random(len(score)) < 0.02] = np.nan
        judged = np.ones(3000, dtype=np.bool_)
        found.append(metrics.ScoredRecording(f"w{index % 4}", times_s, label, judged, end_s, score))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_figures_equal_those_of_the_judge(seed: int, judge: ModuleType) -> None:
    """Every figure agrees with the script that judges us, to 1e-9."""
    recordings = random_recordings(seed)
    truth = {str(i): {"subject": r.wearer, "t": r.times_s, "lab": r.label} for i, r in enumerate(recordings)}
    pd = pytest.importorskip("pandas", reason="the judge needs pandas")
    rows = [pd.DataFrame({"recording": str(i), "t_s": r.end_s, "score": r.score}) for i, r in enumerate(recordings)]
    expected = judge.evaluate(pd.concat(rows), truth)
    counts = metrics.tally(recordings, WINDOW_S)
    everyone = np.ones(len(counts.wearers))
    assert metrics.roc_auc_of(counts, everyone) == pytest.approx(expected["roc_auc"], abs=1e-9)
    assert metrics.average_precision_of(counts, everyone) == pytest.approx(expected["average_precision"], abs=1e-9)
    assert everyone @ counts.normal_hours == pytest.approx(expected["normal_hours"], abs=1e-9)
    for point in expected["operating_points"]:
        rate = point["fa_per_hour_allowed"]
        assert metrics.threshold_at(counts, everyone, rate) == point["threshold"]
        assert metrics.event_recall_at(rate)(counts, everyone) == pytest.approx(point["event_recall"], abs=1e-9)
    for index, wearer in enumerate(counts.wearers):
        one = np.eye(len(counts.wearers))[index]
        own = expected["per_subject"][wearer]
        if own["events"]:
            assert metrics.roc_auc_of(counts, one) == pytest.approx(own["roc_auc"], abs=1e-9)
            assert metrics.event_recall_at(1)(counts, one) == pytest.approx(own["recall_own"], abs=1e-9)


def test_event_without_a_scored_window_is_missed() -> None:
    """An event after the last window cannot be detected, at whatever threshold."""
    times_s = np.arange(1000) / 50
    label = (times_s > 15).astype(np.int8)
    judged = np.ones(1000, dtype=np.bool_)
    one = metrics.ScoredRecording("a", times_s, label, judged, np.array([3.0, 3.5]), np.array([1.0, 2.0]))
    counts = metrics.tally([one], WINDOW_S)
    assert np.isnan(counts.event_score).all()
    assert metrics.event_recall_at(1000)(counts, np.ones(1)) == 0.0


def test_time_outside_the_experiment_is_neither_normal_wear_nor_an_event() -> None:
    """Windows that touch unjudged samples add no hours and no false alarms."""
    times_s = np.arange(5000) / 50
    judged = times_s >= 50
    end_s = np.arange(2.56, 100, 0.5)
    one = metrics.ScoredRecording("a", times_s, np.zeros(5000, dtype=np.int8), judged, end_s, np.ones(len(end_s)))
    counts = metrics.tally([one], WINDOW_S)
    expected = (end_s - WINDOW_S >= 50 - 1e-6).sum() * 0.5 / 3600
    assert counts.normal_hours[0] == pytest.approx(expected)


def test_weighing_a_wearer_twice_equals_having_the_wearer_twice() -> None:
    """So the bootstrap needs no second count."""
    recordings = random_recordings(1)
    twin = [metrics.ScoredRecording("twin", r.times_s, r.label, r.judged, r.end_s, r.score) for r in recordings[1::4]]
    counted_twice = metrics.tally(recordings + twin, WINDOW_S)
    counts = metrics.tally(recordings, WINDOW_S)
    weights = np.array([1.0, 2.0, 1.0, 1.0])
    for figure in (metrics.roc_auc_of, metrics.average_precision_of, metrics.event_recall_at(10)):
        assert figure(counts, weights) == pytest.approx(figure(counted_twice, np.ones(5)), abs=1e-12)


def test_interval_is_the_same_each_time_and_holds_the_figure() -> None:
    """Fixed seed; the figure of all wearers lies inside."""
    counts = metrics.tally(random_recordings(2), WINDOW_S)
    low, high = interval(counts, metrics.roc_auc_of, resamples=200)
    assert (low, high) == interval(counts, metrics.roc_auc_of, resamples=200)
    assert low <= metrics.roc_auc_of(counts, np.ones(4)) <= high


def test_one_wearer_has_no_interval() -> None:
    """Nothing can be said of other wearers from one."""
    alone = [recording for recording in random_recordings(2) if recording.wearer == "w1"]
    assert np.isnan(interval(metrics.tally(alone, WINDOW_S), metrics.roc_auc_of)).all()


def test_a_day_of_windows_is_counted_at_once() -> None:
    """150,000 windows in one recording, hop 0.5 s, stay a matter of a second."""
    random = np.random.default_rng(0)
    times_s = np.arange(1_500_000) / 20
    label = np.zeros(len(times_s), dtype=np.int8)
    label[700_000:700_100] = 1
    end_s = np.arange(WINDOW_S, times_s[-1], 0.5)
    judged = np.ones(len(times_s), dtype=np.bool_)
    day = metrics.ScoredRecording("a", times_s, label, judged, end_s, random.normal(size=len(end_s)))
    counts = metrics.tally([day], WINDOW_S)
    assert counts.normal[0, -1] + counts.anomalous[0, -1] == len(end_s)
    assert counts.normal_hours[0] == pytest.approx(20.83, abs=0.01)
