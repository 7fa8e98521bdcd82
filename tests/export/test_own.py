"""From a user's folder to a bundle that the agent opens; and who trained never calibrates."""

import csv

import msgspec
import numpy as np
import pytest

for name in ("torch", "onnx", "onnxscript", "sklearn"):
    pytest.importorskip(name, reason=f"{name} is absent: export of own recordings is NOT tested")

from agent.bundle import open_bundle  # noqa: E402
from agent.layout import POSITIONS, Layout  # noqa: E402
from agent.manifest import CARD  # noqa: E402
from export.__main__ import main as export  # noqa: E402
from export.families import of_families, served  # noqa: E402
from export.make import corpus_of  # noqa: E402
from training.__main__ import main as train  # noqa: E402
from training.errors import TrainingError  # noqa: E402
from training.record import read_record  # noqa: E402
from training.windows import NormalWindows  # noqa: E402

LAYOUT = Layout(positions=POSITIONS)
NAMES = ["ann", "bob", "cat", "dan"]


@pytest.fixture(scope="module")
def folder(own_folder, tmp_path_factory):
    """Only wrists."""
    return own_folder(tmp_path_factory.mktemp("data") / "ours", NAMES)


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "ours"
    assert train(["train", "--folder", str(folder), "--out", str(run), "--steps", "3"]) == 0
    return run


def test_a_folder_of_wrists_becomes_a_bundle_that_replays_and_refuses_other_positions(
    folder, run, tmp_path, veille, capsys
):
    assert export([str(run), str(tmp_path / "bundle"), "--folder", str(folder)]) == 0
    bundle = open_bundle(tmp_path / "bundle")
    assert bundle.manifest.layout.families == ("wrist",)
    assert set(bundle.manifest.layout.positions) == {"wrist", "left_wrist", "right_wrist"}
    assert bundle.manifest.calibration["wrist"].wearers == 2
    assert bundle.manifest.data[0].parts == {"train": 1, "calibrate": 2, "test": 1}
    assert "not in the bundle: waist (nobody who trains wears it)" in capsys.readouterr().err
    assert "| own | own recordings, folder ours | CC0 | 1 | 2 |" in (tmp_path / "bundle" / CARD).read_text()
    assert not any(name in (tmp_path / "bundle" / CARD).read_text() for name in ("own-", "_calm"))
    replayed = veille("replay", folder / "ann_fall.csv", "--bundle", bundle.path, "--scores", "-")
    assert replayed.returncode == 0
    assert all(np.isfinite(float(row["score"])) for row in csv.DictReader(replayed.stdout.splitlines()))
    assert (tmp_path / "bundle").stat().st_mode & 0o777 == 0o755


def test_calibrated_anew_a_bundle_stays_as_it_is_and_another_run_is_refused(folder, run, tmp_path, capsys):
    path = tmp_path / "bundle"
    assert export([str(run), str(path), "--folder", str(folder)]) == 0
    before = {name: dict(np.load(path / name)) for name in ("prototypes.npz", "calibration.npz", "golden.npz")}
    network = (path / "model.onnx").read_bytes()
    again = [str(run), str(path), "--folder", str(folder), "--renew-calibration"]
    assert export(again) == 0
    for name, arrays in before.items():
        after = np.load(path / name)
        assert all(np.allclose(after[key], values, equal_nan=True) for key, values in arrays.items())
    assert (path / "model.onnx").read_bytes() == network
    manifest = (path / "bundle.json").read_text()
    (path / "bundle.json").write_text(manifest.replace(read_record(run).commit, "0" * 40))
    assert export(again) == 2
    assert "name the run that the bundle was made from" in capsys.readouterr().err


def test_the_run_record_names_commit_configuration_data_seed_device_and_figures(run, folder):
    record = read_record(run)
    assert len(record.commit) == 40
    assert (record.config["teacher"]["steps"], record.config["student"]["steps"]) == (3, 3)
    assert record.seed == 7
    assert record.device.startswith(("cpu", "NVIDIA"))
    assert record.data[0].files == 2 + 2 * len(NAMES)
    assert len(record.data[0].digest) == 64
    assert record.figures["imitation"] > 0
    assert {path.name for path in run.iterdir()} == {"run.json", "weights.npz", "teacher.npz"}


def test_the_run_must_be_exported_with_the_data_it_learnt_from(run, folder, capsys):
    assert export([str(run), "out"]) == 2
    assert "name it with --folder" in capsys.readouterr().err
    public = msgspec.structs.replace(read_record(run), data=[])
    with pytest.raises(TrainingError, match="leave --folder"):
        corpus_of(public, None, folder, LAYOUT)


def test_who_trained_never_calibrates_even_when_the_folder_changed(run, own_folder, tmp_path):
    other = own_folder(tmp_path / "ours", NAMES)
    record = read_record(run)
    assert not set(record.wearers) & _calibrating(corpus_of(record, None, other, LAYOUT))
    trained = record.wearers[0].removeprefix("own-")
    text = (other / "wearers.csv").read_text().splitlines()
    parts = ["part", *("calibrate" if line.split(",")[1] == trained else "" for line in text[1:])]
    lines = [f"{line},{part}" for line, part in zip(text, parts, strict=True)]
    (other / "wearers.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(TrainingError, match=f"own-{trained} trained this run and would calibrate it"):
        corpus_of(record, None, other, LAYOUT)


def _calibrating(corpus):
    return {item.recording.wearer for item in corpus.normal("calibrate")}


def windows(**rows):
    """`windows(wrist=100)`: that many windows of one wearer."""
    family = np.concatenate([np.full(count, LAYOUT.families.index(name)) for name, count in rows.items()])
    count = len(family)
    who, zeros = np.full(count, "w"), np.zeros(count)
    samples_g, normal = np.zeros((count, 3, 128), np.float32), np.ones(count, np.bool_)
    return NormalWindows(samples_g, family, who, who, zeros, np.arange(count), zeros.astype(np.int8), normal)


def test_a_family_needs_people_who_train_and_people_who_calibrate():
    layout, left_out = served(LAYOUT, windows(wrist=99, chest=99, thigh=3), windows(wrist=99, ankle=99, thigh=99))
    assert layout.families == ("wrist",)
    assert left_out["chest"] == "nobody who calibrates wears it"
    assert left_out["ankle"] == left_out["waist"] == "nobody who trains wears it"
    assert left_out["thigh"] == "3 windows to train on"
    with pytest.raises(TrainingError, match="wrist: less than half a half-minute"):
        served(LAYOUT, windows(wrist=99), windows(wrist=29))


def test_families_are_numbered_anew():
    both = windows(wrist=2, ankle=3)
    only = msgspec.structs.replace(LAYOUT, families=("ankle",))
    assert of_families(both, LAYOUT, only).family.tolist() == [0, 0, 0]
