"""Rows of a dataset become files that the agent reads."""

import argparse
from pathlib import Path

import numpy as np
import pytest

from agent.recording import read_recording
from training.datasets import convert, open_dataset
from training.errors import DataError


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    convert.add_arguments(parser)
    return convert.main(parser.parse_args(words))


@pytest.mark.data
@pytest.mark.parametrize("suffix", ["csv", "npz", "parquet"])
def test_a_walk_of_many_positions_is_the_same_in_every_format(suffix: str, data: Path, tmp_path: Path) -> None:
    name = "pt3_visit_12.1_tbc_walklr_0_trial_1"
    run("stanford_fog", str(tmp_path), "--root", str(data), "--recording", name, "--format", suffix)
    back = read_recording(tmp_path / f"{name}.{suffix}")
    wanted = next(i.recording for i in open_dataset("stanford_fog", data) if i.recording.name == name)
    assert back.name == name
    np.testing.assert_array_equal(back.times_s, wanted.times_s)
    for position, samples in wanted.positions.items():
        np.testing.assert_array_equal(back.positions[position], samples)


@pytest.mark.data
def test_wearer_and_position_choose_and_the_name_is_the_judges(data: Path, tmp_path: Path) -> None:
    run("umafall", str(tmp_path), "--root", str(data), "--wearer", "Subject_01", "--position", "wrist")
    files = sorted(tmp_path.glob("*.csv"))
    assert len(files) == 17
    assert files[0].stem == "Subject_01_ADL_Aplausing_1"
    assert list(read_recording(files[0]).positions) == ["wrist"]


@pytest.mark.data
def test_recordings_of_one_name_go_to_a_folder_for_each_position(data: Path, tmp_path: Path) -> None:
    run("umafall", str(tmp_path), "--root", str(data), "--recording", "Subject_01_ADL_Aplausing_1")
    folders = sorted(path.parent.name for path in tmp_path.glob("*/Subject_01_ADL_Aplausing_1.csv"))
    assert folders == ["ankle", "chest", "waist", "wrist"]


@pytest.mark.data
def test_a_wish_that_nothing_fits_is_an_error(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no recording fits --wearer SA99"):
        run("sisfall", str(tmp_path), "--root", str(data), "--wearer", "SA99")


@pytest.mark.data
def test_a_folder_that_cannot_be_made_is_an_error(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="convert into"):
        run("stanford_fog", str(tmp_path / "file" / "folder"), "--root", str(data))
