"""A user's own recordings: what is broken is named, the rest is split by wearer and its normal wear kept apart."""

import numpy as np
import pytest

from agent.layout import POSITIONS, Layout
from training.__main__ import main
from training.datasets.corpus import Corpus, open_corpus, tell
from training.datasets.folder import open_folder
from training.errors import DataError, TrainingError
from training.windows import normal_windows

LAYOUT = Layout(positions=POSITIONS)
NAMES = ["ann", "bob", "cat", "dan", "eve"]


@pytest.fixture
def folder(own_folder, tmp_path):
    return own_folder(tmp_path / "ours", NAMES)


def table(folder, *lines, columns="recording,wearer"):
    (folder / "wearers.csv").write_text("\n".join([columns, *lines]) + "\n")


def reasons(own):
    return sorted(problem.reason for problem in own.problems)


def test_a_sound_folder_fills_every_part_and_has_no_problems(folder):
    own = open_folder(folder, LAYOUT, alone=True)
    wearers = [{item.recording.wearer for item in own.recordings(part)} for part in ("train", "calibrate", "test")]
    assert all(wearers)
    assert sum(map(len, wearers)) == len(set().union(*wearers)) == 5
    assert (own.problems, own.notes) == ((), ())


def test_the_rest_is_used_where_something_is_broken_and_each_thing_is_named_in_one_line(folder, capsys):
    (folder / "ann_calm.csv").write_text("t_s,right_wrist_x_g\n0,1\n")
    (folder / "bob_calm.csv").write_bytes(b"")
    text = (folder / "cat_calm.csv").read_text()
    (folder / "cat_calm.csv").write_text(text.replace("right_wrist", "nose"))
    (folder / "unlisted.csv").write_text(text)
    (folder / "eve_calm.npz").write_bytes(b"second of its name")
    (folder / "dan_fall.csv").unlink()
    with (folder / "wearers.csv").open("a") as file:
        file.write("dan_calm,dan,CC0\nmore,an na,CC0\n")
    with (folder / "events.csv").open("a") as file:
        file.write("nobody,1,2,fall\nann_fall,5,4,fall\neve_fall,900,901,fall\n")
    corpus = open_corpus(None, folder, LAYOUT, with_public=False)
    tell(corpus)
    said = capsys.readouterr().err.splitlines()
    for words in (
        "ann_calm.csv: position right_wrist lacks column",
        "bob_calm.csv: is empty",
        "cat_calm.csv: position nose",
        "unlisted.csv: not in wearers.csv",
        "eve_calm.npz: eve_calm.csv has the same name",
        "recording dan_fall has no file",
        "line 12: recording 'dan_calm' is named twice",
        "line 13: wearer 'an na'",
        "events.csv: nobody is not in wearers.csv",
        "start_s '5' and end_s '4'",
        "its event at 900 s lies outside",
    ):
        assert sum(words in line for line in said) == 1, words
    assert sum(corpus.left_out.values()) == 11
    assert len(corpus.folders()[0].usable) == 6
    assert normal_windows(corpus.normal("train"), LAYOUT).wearer.size


def test_a_wearer_without_normal_wear_is_named_and_neither_trains_nor_calibrates(folder):
    rows = [f"{name}_{kind},{name},{'no' if name == 'bob' else ''}" for name in NAMES for kind in ("calm", "fall")]
    table(folder, *rows, columns="recording,wearer,normal")
    own = open_folder(folder, LAYOUT, alone=True)
    assert reasons(own) == ["wearer_without_normal_wear"]
    learnt = {item.recording.wearer for part in ("train", "calibrate") for item in own.normal(part)}
    assert "own-bob" not in learnt
    assert all("own-bob" not in facts.wearers[part] for facts in own.facts() for part in ("train", "calibrate"))


def test_normal_wear_keeps_away_from_events_and_events_are_labelled(folder):
    own = open_folder(folder, LAYOUT, alone=True)
    items = {item.recording.name: item for item in own.recordings("train")}
    fall = next(item for name, item in items.items() if name.endswith("_fall"))
    times_s = fall.recording.times_s
    assert (times_s[fall.label == 1].min(), times_s[fall.label == 1].max()) == (10, 12)
    assert (fall.activity, fall.normal, fall.judged.all()) == ("fall", False, True)
    assert (times_s[~fall.calm_samples()].min(), times_s[~fall.calm_samples()].max()) == (5, 17)
    assert items[fall.recording.name.replace("fall", "calm")].calm_samples().all()
    normal = next(item for item in own.normal("train") if item.recording.name == fall.recording.name)
    windows = normal_windows([normal], LAYOUT)
    assert len(windows.end_s)
    assert not ((windows.end_s > 10) & (windows.end_s - LAYOUT.window_s < 12)).any()


def test_what_is_neither_normal_nor_an_event_is_not_judged(folder):
    rows = [f"{name}_{kind},{name},{'no' if kind == 'fall' else 'yes'}" for name in NAMES for kind in ("calm", "fall")]
    table(folder, *rows, columns="recording,wearer,normal")
    own = open_folder(folder, LAYOUT, alone=True)
    for part in ("train", "calibrate", "test"):
        for item in own.recordings(part):
            assert item.normal or np.array_equal(item.judged, item.label == 1)
        assert all(item.recording.name.endswith("_calm") for item in own.normal(part))


def test_the_table_can_say_who_does_what(folder):
    given = dict(zip(NAMES, ("test", "train", "train", "calibrate", "test"), strict=True))
    rows = [f"{name}_{kind},{name},{given[name]}" for name in NAMES for kind in ("calm", "fall")]
    table(folder, *rows, columns="recording,wearer,part")
    facts = open_folder(folder, LAYOUT, alone=True).facts()[0]
    assert facts.wearers == {"train": ["own-bob", "own-cat"], "calibrate": ["own-dan"], "test": ["own-ann", "own-eve"]}


def test_one_wearer_in_two_parts_is_refused(folder):
    table(folder, "ann_calm,ann,train", "ann_fall,ann,test", columns="recording,wearer,part")
    with pytest.raises(DataError, match="wearer ann is in 2 parts"):
        open_folder(folder, LAYOUT, alone=True)


def test_two_wearers_train_and_calibrate_and_it_is_said_what_that_costs(folder):
    table(folder, "ann_calm,ann", "bob_calm,bob")
    (folder / "events.csv").unlink()
    own = open_folder(folder, LAYOUT, alone=True)
    assert [len(list(own.normal(part))) for part in ("train", "calibrate", "test")] == [1, 1, 0]
    assert "nobody is left to judge" in own.notes[0]
    assert "too_little_calibration" in own.notes[1]


def test_one_wearer_is_split_by_recording_and_it_is_said_what_that_costs(folder):
    table(folder, "ann_calm,ann", "ann_fall,ann")
    own = open_folder(folder, LAYOUT, alone=True)
    assert [[item.recording.name for item in own.normal(part)] for part in ("train", "calibrate")] == [
        ["ann_calm"],
        ["ann_fall"],
    ]
    assert "one wearer alone" in own.notes[0]


def test_one_recording_is_too_little_unless_there_are_public_ones(folder):
    table(folder, "ann_calm,ann")
    with pytest.raises(DataError, match="one recording alone cannot both train and calibrate"):
        open_folder(folder, LAYOUT, alone=True)
    assert open_folder(folder, LAYOUT, alone=False).usable


def test_a_digest_changes_with_a_file_and_with_the_table(folder):
    before = open_folder(folder, LAYOUT, alone=True).facts()[0].digest
    text = (folder / "wearers.csv").read_text()
    (folder / "wearers.csv").write_text(text + "\n")
    after = open_folder(folder, LAYOUT, alone=True).facts()[0].digest
    assert before != after
    (folder / "wearers.csv").write_text(text)
    assert open_folder(folder, LAYOUT, alone=True).facts()[0].digest == before


def test_each_licence_is_told_with_its_wearers(folder):
    lines = [f"{name}_calm,{name},{'CC BY 4.0' if name == 'ann' else ''}" for name in NAMES]
    table(folder, *lines, columns="recording,wearer,licence")
    facts = {one.licence: one for one in open_folder(folder, LAYOUT, alone=True).facts()}
    assert set(facts) == {"CC BY 4.0", "not stated"}
    assert [name for names in facts["CC BY 4.0"].wearers.values() for name in names] == ["own-ann"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "wearers.csv").unlink(), "wearers.csv: missing"),
        (lambda folder: (folder / "wearers.csv").write_text("name,wearer\n"), "no column recording"),
        (lambda folder: (folder / "wearers.csv").write_text("recording,wearer,age\n"), "unknown column 'age'"),
        (lambda folder: (folder / "wearers.csv").write_bytes(b"\xff\xfe\x00"), "UTF-8"),
        (lambda folder: (folder / "wearers.csv").write_text("recording,wearer\n"), "no wearer with normal wear"),
        (lambda folder: [path.write_bytes(b"") for path in folder.glob("*_*.csv")], "no wearer with normal wear"),
    ],
)
def test_nothing_usable_is_a_mistake_with_status_2(folder, spoil, words, tmp_path, capsys):
    spoil(folder)
    assert main(["train", "--folder", str(folder), "--out", str(tmp_path / "run"), "--steps", "2"]) == 2
    assert words in capsys.readouterr().err


def test_with_public_an_empty_folder_is_still_a_mistake(folder):
    table(folder)
    with pytest.raises(TrainingError, match="no wearer with normal wear"):
        open_folder(folder, LAYOUT, alone=False)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        open_corpus(None, tmp_path / "nowhere", LAYOUT, with_public=False)


@pytest.mark.data
def test_public_and_own_recordings_are_one_corpus(folder, data):
    corpus: Corpus = open_corpus(data, folder, LAYOUT, with_public=True)
    assert [facts.name for facts in corpus.facts()] == ["sisfall", "umafall", "watch_walk_geotec", "own"]
    assert all(facts.wearers["train"] and facts.wearers["calibrate"] for facts in corpus.facts())
