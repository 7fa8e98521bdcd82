"""Readers of the real datasets: shapes, units, labels as the judge has them; and readers of small made-up files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from training.datasets import NAMES, Labelled, data_root, open_dataset, reader_of
from training.datasets.split import SHARES, SPLIT, split
from training.datasets.umafall import POSITIONS
from training.errors import DataError

AXES = "xyz"


def umafall_file(root: Path, times_ms: list[int], x_mg: list[int], kind: str = "fall") -> Path:
    """One trial at the wrist; y and z are zero."""
    size = len(times_ms)
    folder = root / "umafall"
    folder.mkdir(parents=True)
    columns = {
        "recording": ["trial"] * size,
        "kind": [kind] * size,
        "activity": ["Walking"] * size,
        "position": ["wrist"] * size,
        "t_ms": pa.array(times_ms, pa.int32()),
        "x_mg": pa.array(x_mg, pa.int16()),
        "y_mg": pa.array([0] * size, pa.int16()),
        "z_mg": pa.array([0] * size, pa.int16()),
    }
    pq.write_table(pa.table(columns), folder / "Subject_01.parquet")
    return root


def only(labelled: list[Labelled]) -> Labelled:
    assert len(labelled) == 1
    return labelled[0]


def test_fall_is_labelled_one_second_on_each_side_of_its_peak(tmp_path: Path) -> None:
    times = list(range(100, 5100, 50))
    one = only(list(open_dataset("umafall", umafall_file(tmp_path, times, [1000] * 60 + [6000] + [1000] * 39))))
    labelled_s = one.recording.times_s[one.label == 1]
    assert one.recording.times_s[0] == 0.1
    assert (labelled_s[0], labelled_s[-1]) == (2.1, 4.1)
    assert not one.normal


def test_clock_that_starts_again_keeps_the_take_with_the_peak(tmp_path: Path) -> None:
    """Two takes one after the other: the second holds the fall, the first is dropped, times stay increasing."""
    root = umafall_file(tmp_path, [100, 150, 200, 120, 170, 220, 220], [1000, 1000, 1000, 1000, 5000, 900, 800])
    recording = only(list(open_dataset("umafall", root))).recording
    assert recording.times_s.tolist() == [0.12, 0.17, 0.22]
    assert recording.positions["wrist"][:, 0].tolist() == pytest.approx([1.0, 5.0, 0.9])


def test_missing_samples_become_nan(tmp_path: Path) -> None:
    root = umafall_file(tmp_path, [100, 150, 200], [1000, -32768, 2000], kind="adl")
    samples = only(list(open_dataset("umafall", root))).recording.positions["wrist"]
    assert np.isnan(samples[:, 0]).tolist() == [False, True, False]


def test_faults_of_the_data_folder_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="VEILLE_DATA"):
        data_root(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no dataset 'sisfal'; there are sisfall"):
        list(open_dataset("sisfal", tmp_path))
    with pytest.raises(DataError, match="fetch it from Sucerquia"):
        list(open_dataset("sisfall", tmp_path))
    (tmp_path / "sisfall").mkdir()
    (tmp_path / "sisfall" / "SA01.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="is not a readable Parquet file"):
        list(open_dataset("sisfall", tmp_path))
    pq.write_table(pa.table({"recording": ["a"]}), tmp_path / "sisfall" / "SA01.parquet")
    with pytest.raises(DataError, match="lacks column activity"):
        list(open_dataset("sisfall", tmp_path))


def test_every_dataset_states_source_licence_and_whether_it_may_ship() -> None:
    for name in NAMES:
        reader = reader_of(name)
        assert reader.SOURCE
        assert reader.LICENCE
        assert isinstance(reader.SHIP, bool)
    assert all(reader_of(name).SHIP for name in SPLIT)


def test_split_is_stable_and_close_to_its_shares() -> None:
    """Pinned: a wearer that changes sides would leak from training into the test."""
    assert [split(f"sisfall-{wearer}") for wearer in ("SA01", "SA02", "SE01", "SE06")] == [
        "calibrate",
        "calibrate",
        "calibrate",
        "train",
    ]
    parts = [split(f"sisfall-{index}") for index in range(4000)]
    for part, share in SHARES.items():
        assert parts.count(part) / 4000 == pytest.approx(share, abs=0.03)


def test_wearers_of_datasets_that_nobody_trains_on_all_test() -> None:
    assert {split(f"{name}-{index}") for name in set(NAMES) - set(SPLIT) for index in range(50)} == {"test"}


@pytest.mark.data
@pytest.mark.parametrize("name", NAMES)
def test_every_recording_keeps_the_contract(name: str, data: Path) -> None:
    seen = set()
    for item in open_dataset(name, data):
        recording = item.recording
        assert recording.wearer.startswith(f"{name}-")
        assert (np.diff(recording.times_s) > 0).all()
        assert item.label.shape == item.judged.shape == recording.times_s.shape
        assert set(np.unique(item.label)) <= {0, 1}
        assert not (item.normal and item.label.any())
        assert item.shippable == reader_of(name).SHIP
        for position, samples in recording.positions.items():
            assert samples.shape == (len(recording.times_s), 3)
            assert samples.dtype == np.float32
            assert (recording.name, position) not in seen
            seen.add((recording.name, position))
    assert seen


@pytest.mark.data
@pytest.mark.parametrize("name", NAMES)
def test_every_position_rests_near_one_g(name: str, data: Path) -> None:
    """The unit is g: over all of a position's recordings the median length is that of gravity."""
    lengths: dict[str, list[float]] = {}
    for item in open_dataset(name, data):
        for position, samples in item.recording.positions.items():
            if np.isfinite(samples).any():
                lengths.setdefault(position, []).append(float(np.nanmedian(np.linalg.norm(samples, axis=1))))
    for position, medians in lengths.items():
        assert 0.7 < np.median(medians) < 1.2, position


@pytest.mark.data
def test_each_split_dataset_has_wearers_in_every_part(data: Path) -> None:
    for name in SPLIT:
        wearers = {item.recording.wearer for item in open_dataset(name, data)}
        assert {split(wearer) for wearer in wearers} == {"train", "calibrate", "test"}


@pytest.mark.data
def test_unwanted_wearers_are_not_read(data: Path) -> None:
    items = list(open_dataset("watch_walk_geotec", data, lambda wearer: wearer.endswith("s01")))
    assert {item.recording.wearer for item in items} == {"watch_walk_geotec-s01"}


@pytest.mark.data
def test_each_umafall_position_is_a_recording_of_its_own(data: Path) -> None:
    items = list(open_dataset("umafall", data, lambda wearer: wearer.endswith("_02")))
    assert {tuple(item.recording.positions) for item in items} == {(position,) for position in POSITIONS}


@pytest.mark.data
def test_daphnet_knows_what_is_outside_the_experiment_and_which_sensor_was_silent(data: Path) -> None:
    runs = {item.recording.name: item for item in open_dataset("daphnet_partial", data)}
    assert runs["S03R02"].label.sum() == 2306
    assert (~runs["S03R02"].judged).sum() == 22133
    silent = np.isnan(runs["S03R03"].recording.positions["thigh"]).all(axis=1).mean()
    assert silent == pytest.approx(0.462, abs=0.001)
    assert np.isnan(runs["S03R03"].recording.positions["ankle"]).all(axis=1).sum() == 2


@pytest.mark.data
def test_stanford_has_no_position_twice(data: Path) -> None:
    """The left foot is a copy of the left ankle in all walks but one."""
    items = list(open_dataset("stanford_fog", data))
    assert sum("left_foot" in item.recording.positions for item in items) == 1
    assert all("left_ankle" in item.recording.positions for item in items)


@pytest.mark.data
@pytest.mark.parametrize(("name", "apart"), [("sisfall", 0), ("umafall", 6), ("stanford_fog", 0)])
def test_times_and_labels_equal_the_judges(name: str, apart: int, data: Path, judge) -> None:
    """All are the same, but for the six trials of umafall in which the clock starts again (one take is kept)."""
    truth = judge.load_labels(name, str(data / name), "wrist")
    different = []
    for item in open_dataset(name, data):
        if name == "umafall" and "wrist" not in item.recording.positions:
            continue
        theirs = truth.pop(item.recording.name)
        same = np.array_equal(theirs["t"], item.recording.times_s) and np.array_equal(theirs["lab"], item.label)
        if not same:
            different.append(item.recording.name)
            assert np.isin(item.recording.times_s[item.label == 1], theirs["t"][theirs["lab"] == 1]).all()
    assert len(different) == apart
    assert not truth
