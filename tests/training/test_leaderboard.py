"""`python -m training leaderboard`: series as the benchmark has them, figures beside the published ones."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: the leaderboard is NOT tested")

from training import leaderboard
from training.errors import DataError
from training.leaderboard import OUR_NAME, TABLE, published
from training.series import OURS, Series, from_folder, from_recordings, period, read_series
from training.vus import vus_pr

NAME = "001_Made_id_1_Sensor_tr_400_1st_900.csv"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A made-up benchmark of two series, and what was published of the first."""
    rng = np.random.default_rng(0)
    for number, name in enumerate((NAME, NAME.replace("001", "002").replace("id_1", "id_2"))):
        values = np.sin(2 * np.pi * np.arange(1500) / 40)[:, None] + rng.normal(0, 0.05, (1500, 2))
        label = np.zeros(1500)
        label[900 : 960 + number] = 1
        values[label == 1] += 4
        rows = np.column_stack([values, label])
        np.savetxt(tmp_path / name, rows, delimiter=",", header="a,b,Label", comments="", fmt="%.6g")
    (tmp_path / "published").mkdir()
    table = f"file,IForest,PCA,ts_len\n{NAME},0.25,0.5,1500\n"
    (tmp_path / "published" / TABLE).write_text(table)
    return tmp_path


def arguments(folder: Path, *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    leaderboard.add_arguments(parser)
    return parser.parse_args(["--tsb", str(folder), "--root", str(folder), *words])


def test_a_file_of_the_benchmark_says_by_name_how_it_is_split(folder: Path) -> None:
    series = read_series(folder / NAME)
    assert series.values.shape == (1500, 2)
    assert (series.dataset, series.normal_rows, int(series.label.sum())) == ("Made", 400, 60)
    assert np.flatnonzero(series.label)[0] == 900
    assert series.buffer == pytest.approx(40, abs=1)


def test_rows_with_an_empty_cell_are_left_out(folder: Path) -> None:
    lines = (folder / NAME).read_text().splitlines()
    lines[5] = ",0.5,0"
    (folder / NAME).write_text("\n".join(lines))
    assert len(read_series(folder / NAME).values) == 1499


def test_broken_files_are_named_with_what_is_wrong(folder: Path) -> None:
    (folder / NAME).write_text("a,b,c\n1,2,3\n")
    with pytest.raises(DataError, match="should be Label"):
        read_series(folder / NAME)
    (folder / NAME).write_text("a,b,Label\n1,2,0\n1,2\n")
    with pytest.raises(DataError, match="differ in length"):
        read_series(folder / NAME)
    (folder / NAME).write_text("a,b,Label\n1,2,0\n")
    with pytest.raises(DataError, match="400 are for training alone"):
        read_series(folder / NAME)
    with pytest.raises(DataError, match="no file is named like"):
        list(from_folder(folder / "published"))


def test_our_figure_stands_beside_the_published_ones(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leaderboard.main(arguments(folder, "--json", str(folder / "figures.json")))
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [line[0].strip("| ") for line in lines[2:]] == [OUR_NAME, "PCA", "IForest"]
    first, second = json.loads((folder / "figures.json").read_text())
    assert first["published"] == {"IForest": 0.25, "PCA": 0.5}
    assert first["place"] == 1
    assert first["ours"] > 0.5
    assert first["interval"] == [None, None]  # two series: the interval is over them
    assert second["published"] == {}


def test_a_single_series_has_an_interval_over_its_stretches(folder: Path) -> None:
    series = read_series(folder / NAME)
    found = leaderboard.placed(series, {}, alone=True)
    assert 0 <= found.interval[0] <= found.ours <= found.interval[1] <= 1


def test_without_published_figures_the_message_says_whose_they_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="TSB-AD repository"):
        published(tmp_path / TABLE)


def test_the_period_is_that_of_the_strongest_rhythm() -> None:
    rows = np.arange(3000)
    rhythm = np.sin(2 * np.pi * rows / 50) + 0.3 * np.random.default_rng(0).normal(size=3000)
    assert period(rhythm) == pytest.approx(50, abs=2)
    assert period(rows.astype(float)) == 125  # no rhythm at all
    assert period(np.zeros(3000)) == 125


@pytest.mark.data
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_published_figure_is_made_again_to_the_last_digit(data: Path) -> None:
    """COPOD (Li et al., ICDM 2020) has no chance in it: data, labels, buffer and metric are those of the table."""
    series = next(from_recordings(data))
    assert (series.name, series.values.shape, int(series.label.sum())) == (OURS, (38774, 9), 2306)
    assert vus_pr(series.label, copod(series.values), series.buffer) == pytest.approx(
        published(data / "published" / TABLE)[OURS]["COPOD"], abs=1e-6
    )


def copod(values: np.ndarray) -> np.ndarray:
    """(n,) sum over channels of the larger of the mean and the skewed tail, as in TSB-AD: rows are scaled first."""
    rows = (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, ddof=1, keepdims=True)
    left, right = (-np.log(np.stack([share_below(column) for column in (sign * rows).T], axis=1)) for sign in (1, -1))
    centred = rows - rows.mean(axis=0)
    skew = np.sign((centred**3).mean(axis=0))
    skewed = np.where(skew <= 0, left, 0) + np.where(skew >= 0, right, 0)
    return np.maximum(skewed, (left + right) / 2).sum(axis=1)


def share_below(values: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.sort(values), values, side="right") / len(values)


@pytest.mark.data
def test_every_series_that_matches_a_recording_is_in_the_table(data: Path) -> None:
    table = published(data / "published" / TABLE)
    found = list(from_recordings(data))
    assert len(found) == 38
    assert {one.name for one in found} <= set(table)
    assert all(isinstance(one, Series) and one.label[: one.normal_rows].sum() == 0 for one in found)
