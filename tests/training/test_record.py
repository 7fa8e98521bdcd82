"""The run record, and the digests that say which configuration and which data a training is of."""

import subprocess

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is absent: the run record is NOT tested")

from training.datasets.facts import files_digest
from training.errors import TrainingError
from training.record import RECORD, RunRecord, code_version, digest_of, read_record, write_record

SMALL = RunRecord(
    commit="c", config={"seed": 3}, wearers=["w"], device="cpu", minutes=1, torch="", windows=1, parameters=2
)


def test_a_record_round_trips_and_gives_the_seed(tmp_path):
    write_record(SMALL, tmp_path / "run")
    assert read_record(tmp_path / "run") == SMALL
    assert read_record(tmp_path / "run").seed == 3


def test_a_record_from_before_data_were_recorded_still_opens(tmp_path):
    old = {key: value for key, value in msgspec.to_builtins(SMALL).items() if key not in ("data", "notes", "figures")}
    (tmp_path / RECORD).write_bytes(msgspec.json.encode(old | {"losses": {"imitation": 1.0}}))
    assert read_record(tmp_path).data == []


@pytest.mark.parametrize("content", [b"", b"[]", b'{"commit": 1}', b"\xff"])
def test_a_record_that_is_none_is_refused_in_one_line(tmp_path, content):
    (tmp_path / RECORD).write_bytes(content)
    with pytest.raises(TrainingError, match="python -m training train") as caught:
        read_record(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_commit_is_that_of_the_code_wherever_the_command_runs(tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    expected = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True)
    if expected.returncode:
        pytest.skip("not a git checkout")
    assert code_version()[0] == expected.stdout.strip()


def test_a_digest_can_be_made_again_by_hand(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.csv", "a.csv", "deep/c.csv"):
        (tmp_path / name).write_text(name)
    by_hand = "sha256sum a.csv b.csv deep/c.csv | sha256sum"
    told = subprocess.run(["bash", "-c", by_hand], cwd=tmp_path, capture_output=True, text=True)
    assert files_digest(tmp_path.rglob("*.csv"), tmp_path) == told.stdout.split()[0]


def test_another_seed_another_sample_and_another_wearer_are_another_training():
    samples, wearer = np.zeros((2, 3, 4), np.float32), np.array(["ann", "bob"])
    other = samples.copy()
    other[1, 2, 3] = 1e-6
    digests = {
        digest_of({"seed": 1}, samples, wearer),
        digest_of({"seed": 2}, samples, wearer),
        digest_of({"seed": 1}, other, wearer),
        digest_of({"seed": 1}, samples, wearer[::-1]),
        digest_of({"seed": 1}, samples.reshape(3, 2, 4), wearer),
    }
    assert len(digests) == 5
    assert digest_of({"seed": 1}, samples, wearer) in digests
