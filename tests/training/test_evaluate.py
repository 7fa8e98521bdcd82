"""`python -m training evaluate`: only test wearers, the same windows for all, a table that says what it holds."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: the comparison is NOT tested")

from agent.batch import cut_recording
from agent.layout import POSITIONS, Layout
from agent.recording import Recording
from agent.records import Floats
from training import compare as compare_module
from training import evaluate
from training.compare import PROTOCOLS, compare, fitted_peers, judged_recordings
from training.datasets import Labelled
from training.datasets.corpus import Public
from training.datasets.split import split
from training.errors import TrainingError
from training.peers import PEERS
from training.peers.supervised import NAME as SUPERVISED
from training.peers.supervised import Ceiling, Rows

LAYOUT = Layout(positions=POSITIONS)
RESAMPLES = 50


def activity(wearer: str, name: str, seed: int, *, fall_at_s: float | None = None) -> Labelled:
    """40 s of walking at the wrist and ankle, 50 Hz, with or without a fall of one second."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(2000) / 50
    swing = 0.3 * np.sin(2 * np.pi * 2 * times_s)[:, None] * np.array([1.0, 0.5, 0.7])
    samples = np.array([0, 0, 1.0]) + swing + rng.normal(0, 0.02, (2000, 3))
    label = np.zeros(2000, dtype=np.int8)
    if fall_at_s is not None:
        label[(times_s >= fall_at_s) & (times_s < fall_at_s + 1)] = 1
        samples[label == 1] *= 5
    positions = {place: samples.astype(np.float32) for place in ("wrist", "left_ankle", "head")}
    recording = Recording(name, wearer, times_s, positions)
    return Labelled(recording, "weda_fall", "", fall_at_s is None, label, np.ones(2000, dtype=np.bool_), shippable=True)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three wearers of a dataset that is never trained on, one of whom does not fall."""
    items = [
        activity("weda_fall-a", "a1", 1, fall_at_s=20),
        activity("weda_fall-a", "a2", 2),
        activity("weda_fall-b", "b1", 3, fall_at_s=12),
        activity("weda_fall-c", "c1", 4),
    ]
    monkeypatch.setattr("training.compare.open_dataset", lambda name, root, keep: iter(items))
    normal = [activity(f"umafall-{index}", str(index), 10 + index) for index in range(4)]
    known = [_without_head(item) for item in normal]
    monkeypatch.setattr(Public, "normal", lambda self, part: iter(known))
    few = {name: PEERS[name] for name in ("kNN", "PCA", "peak")}  # each has tests of its own
    monkeypatch.setattr("training.compare.PEERS", few)


def _without_head(item: Labelled) -> Labelled:
    del item.recording.positions["head"]
    return item


def loudness(recording: Recording) -> tuple[Floats, dict[str, Floats]]:
    """A stand-in for the network: the spread of the strangest position."""
    windows = cut_recording(recording, LAYOUT)
    score = np.full(len(windows.end_s), -np.inf)
    np.maximum.at(score, windows.owner, np.nanstd(windows.samples_g, axis=(1, 2)))
    return windows.end_s, {"Veille": score}


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    return parser.parse_args([*words, "--resamples", str(RESAMPLES)])


def named(name: str):
    return next(protocol for protocol in PROTOCOLS if protocol.name == name)


@pytest.mark.usefixtures("made_up")
def test_every_program_is_judged_on_the_same_windows_and_events() -> None:
    peers = fitted_peers(Public(None).normal("train"), LAYOUT)
    results = compare(named("freezing"), LAYOUT, loudness, peers, resamples=RESAMPLES)
    assert [result.program for result in results] == ["Veille", "kNN", "PCA", "peak"]
    assert len({(result.windows, result.normal_hours, result.events, result.wearers) for result in results}) == 1
    assert results[0].events == 2
    assert all(result.unscored_windows == 0 for result in results)
    assert all(result.figures["recall_at_10_per_hour"].value == 1.0 for result in results)
    assert results[0].per_wearer["weda_fall-a"]["events"] == 1
    assert np.isnan(results[0].per_wearer["weda_fall-c"]["roc_auc"])


@pytest.mark.usefixtures("made_up")
def test_windows_that_a_program_leaves_out_count_as_its_lowest_score() -> None:
    """Silence is no way to a better figure: an unscored fall is missed, and all windows stay in the count."""

    def half_asleep(recording: Recording) -> tuple[Floats, dict[str, Floats]]:
        end_s, named = loudness(recording)
        awake = end_s > 18
        return end_s[awake], {"Veille": np.where(end_s[awake] > 36, np.nan, named["Veille"][awake])}

    (full,) = compare(named("freezing"), LAYOUT, loudness, {}, resamples=RESAMPLES)
    (result,) = compare(named("freezing"), LAYOUT, half_asleep, {}, resamples=RESAMPLES)
    assert result.windows == full.windows
    assert result.unscored_windows > 0
    assert result.figures["recall_at_10_per_hour"].value == 0.5


@pytest.mark.usefixtures("made_up")
def test_a_program_that_says_nothing_has_no_skill() -> None:
    nothing = (np.empty(0), {"Veille": np.empty(0)})
    (result,) = compare(named("freezing"), LAYOUT, lambda recording: nothing, {}, resamples=RESAMPLES)
    assert result.figures["roc_auc"].value == 0.5
    assert result.unscored_windows == result.windows


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize("protocol", ["freezing", "falls-wrist"])
def test_the_ceiling_learns_from_others_alone(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without labels of their own protocol others teach; with them the training wearers do."""
    taught: list[int] = []

    def remember(rows: Rows) -> Ceiling:
        taught.append(int(rows.label.sum()))
        return taught_by(rows)

    taught_by = compare_module._taught
    monkeypatch.setattr(compare_module, "_taught", remember)
    (result,) = compare(named(protocol), LAYOUT, None, {}, ceiling=True, resamples=RESAMPLES)
    assert result.program == SUPERVISED
    assert len(taught) == (3 if protocol == "freezing" else 1)
    assert result.figures["roc_auc"].value > 0.9


@pytest.mark.usefixtures("made_up")
def test_positions_that_the_layout_does_not_know_are_left_out() -> None:
    items = judged_recordings(named("freezing"), LAYOUT)
    assert all(set(item.recording.positions) == {"wrist", "left_ankle"} for item in items)
    with pytest.raises(TrainingError, match="no test wearer with a known position"):
        judged_recordings(named("falls-waist"), LAYOUT)


@pytest.mark.usefixtures("made_up")
def test_table_and_json_hold_the_same_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    evaluate.main(arguments("--peers-only", "--protocol", "falls-wrist-foreign", "--json", str(path)))
    found = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| falls")]
    figures = json.loads(path.read_text())
    assert len(found) == 2 * len(figures) == 8  # two tables; three peers and the ceiling
    lines, in_time = found[:4], found[4:]
    for line, each in zip(in_time, figures, strict=True):
        assert f"| {each['program']} | {each['figures']['vus_pr']['value']:.3f} (" in line
        assert "| - |" in line  # a few minutes say nothing of a day
    for line, each in zip(lines, figures, strict=True):
        assert f"| {each['program']} | 3 |" in line
        assert f"{each['figures']['roc_auc']['value']:.3f} (" in line
        assert each["per_wearer"]["weda_fall-c"]["roc_auc"] is None  # JSON knows no NaN


def test_without_a_bundle_the_message_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--peers-only"):
        evaluate.opened(tmp_path / "nowhere")


def test_a_bundles_scores_belong_to_the_windows_that_are_cut_and_know_no_future() -> None:
    """What comes after a window changes nothing of its score."""
    bundle = evaluate.opened(None)
    layout, score = bundle.manifest.layout, evaluate.veille(bundle)
    item = activity("a", "a", 1, fall_at_s=20)
    wrist = item.recording.positions["wrist"]
    whole = replace(item.recording, positions={"wrist": wrist})
    start = Recording("a", "a", whole.times_s[:1000], {"wrist": wrist[:1000]})
    (end_s, whole_scores), (early_s, early_scores) = score(whole), score(start)
    np.testing.assert_array_equal(end_s, cut_recording(whole, layout).end_s)
    known = early_s < 19
    assert list(whole_scores) == ["Veille", "Veille, open set", "Veille, known"]
    for name, scores in whole_scores.items():
        early = early_scores[name]
        np.testing.assert_allclose(early[known], scores[: len(early)][known], rtol=1e-6, atol=1e-6)
    assert end_s[np.nanargmax(whole_scores["Veille"])] == pytest.approx(22, abs=2)


@pytest.mark.usefixtures("made_up")
def test_each_score_of_a_program_is_judged_by_its_own_name_and_each_recording_scored_once() -> None:
    heard = []

    def two(recording: Recording) -> tuple[Floats, dict[str, Floats]]:
        heard.append(recording.name)
        end_s, named = loudness(recording)
        return end_s, {**named, "upside down": -named["Veille"]}

    upright, turned = compare(named("freezing"), LAYOUT, two, {}, resamples=RESAMPLES)
    assert heard == ["a1", "a2", "b1", "c1"]
    assert (upright.program, turned.program) == ("Veille", "upside down")
    assert turned.figures["roc_auc"].value == pytest.approx(1 - upright.figures["roc_auc"].value)


@pytest.mark.data
def test_only_wearers_that_nobody_has_learnt_from_are_judged(data: Path) -> None:
    for protocol in PROTOCOLS:
        wearers = {item.recording.wearer for item in judged_recordings(protocol, LAYOUT, data)}
        assert {split(wearer) for wearer in wearers} == {"test"}
