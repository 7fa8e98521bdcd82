"""Figures in the order of time: VUS-PR as the judge has it, and the delay until an event is noticed."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from training.metrics import ScoredRecording, event_recall_per_day, tally
from training.timeline import delay_of, timeline, vus_pr_of
from training.vus import vus_pr

WINDOW_S = 2.0


def recording(wearer: str, seed: int, start_s: float, length_s: float) -> ScoredRecording:
    """100 s at 10 Hz with one event, a window each 0.5 s, a score that rises when the event begins."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(1000) / 10
    label = ((times_s >= start_s) & (times_s < start_s + length_s)).astype(np.int8)
    end_s = np.arange(WINDOW_S, 100, 0.5)
    score = rng.normal(size=len(end_s)) + 4 * ((end_s > start_s) & (end_s < start_s + length_s))
    return ScoredRecording(wearer, times_s, label, np.ones(1000, dtype=np.bool_), end_s, score)


@pytest.fixture
def recordings() -> list[ScoredRecording]:
    return [recording("a", 0, 20, 10), recording("b", 1, 50, 6), recording("b", 2, 70, 8)]


def test_vus_pr_is_that_of_the_judge(
    recordings: list[ScoredRecording], judge: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The judge asks the package `vus`, in whose place ours answers: the series it is asked about must be the same."""
    pandas = pytest.importorskip("pandas", reason="the judge needs pandas")

    def generate_curve(label: np.ndarray, score: np.ndarray, buffer: int, *_: object) -> tuple[float, ...]:
        return (vus_pr(label.astype(np.int8), score, buffer),)

    module = SimpleNamespace(generate_curve=generate_curve)
    for name in ("vus", "vus.analysis", "vus.analysis.robustness_eval"):
        monkeypatch.setitem(sys.modules, name, module)
    labels, rows = {}, []
    for name, one in zip("012", recordings, strict=True):
        labels[name] = {"subject": one.wearer, "t": one.times_s, "lab": one.label}
        rows.append(pandas.DataFrame({"recording": name, "t_s": one.end_s, "score": one.score}))
    theirs = judge.evaluate(pandas.concat(rows), labels, window=WINDOW_S, vus_buffer=5)
    assert "vus_error" not in theirs
    assert vus_pr_of(timeline(recordings, WINDOW_S), {"a": 1, "b": 1}) == pytest.approx(theirs["vus_pr"], abs=1e-12)


def test_a_wearer_drawn_twice_counts_twice(recordings: list[ScoredRecording]) -> None:
    line = timeline(recordings, WINDOW_S)
    alone = timeline([*recordings[1:], *recordings[1:]], WINDOW_S)
    assert vus_pr_of(line, {"a": 0, "b": 2}) == pytest.approx(vus_pr_of(alone, {"b": 1}), abs=1e-12)


def test_windows_of_unknown_truth_are_left_out() -> None:
    one = recording("a", 0, 20, 10)
    one.judged[500:] = False
    line = timeline([one], WINDOW_S)
    assert len(line.label["a"]) == (one.end_s <= 50).sum() + 20  # and the gap


def test_delay_is_from_the_start_of_an_event_to_the_end_of_the_first_window_above() -> None:
    one = recording("a", 0, 20, 10)
    one.score[:] = 0
    one.score[np.searchsorted(one.end_s, 23.0)] = 5
    line, counts = timeline([one], WINDOW_S), tally([one], WINDOW_S)
    assert delay_of(line, counts, np.ones(1), per_hour=10) == pytest.approx(3.0)


def test_events_that_are_missed_have_no_delay(recordings: list[ScoredRecording]) -> None:
    silent = recording("c", 5, 40, 5)
    silent.score[:] = -10
    with_silent = [*recordings, silent]
    line, counts = timeline(with_silent, WINDOW_S), tally(with_silent, WINDOW_S)
    assert np.isfinite(delay_of(line, counts, np.ones(3), per_hour=10))
    assert np.isnan(delay_of(timeline([silent], WINDOW_S), tally([silent], WINDOW_S), np.ones(1), per_hour=0.0))


def test_recall_at_one_a_day_needs_a_day(recordings: list[ScoredRecording]) -> None:
    assert np.isnan(event_recall_per_day(tally(recordings, WINDOW_S), np.ones(2)))
    assert 0 <= event_recall_per_day(tally(recordings, WINDOW_S), np.full(2, 1000.0)) <= 1
