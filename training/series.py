"""Series of the TSB-AD leaderboard: from its own CSV files, or from the recordings that they are cut from.

Liu, Paparrizos: The elephant in the room: towards a reliable time-series anomaly detection benchmark, NeurIPS 2024.
A file is named `<number>_<dataset>_id_<k>_<domain>_tr_<rows>_1st_<row>.csv`: so many first rows are normal and for
training, and the first anomaly is there. Its columns are the channels and, last, `Label`.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.records import Floats
from training.datasets import data_root
from training.datasets.tables import column, read_table
from training.errors import DataError
from training.metrics import Labels

OURS = "018_Daphnet_id_1_HumanActivity_tr_9693_1st_20732.csv"
"""The one series of a wearable in the multivariate part whose recording is public: Daphnet, run S03R02."""
_NAME = re.compile(r"(?P<number>\d+)_(?P<dataset>.+?)_id_.+_tr_(?P<train>\d+)_1st_(?P<first>\d+)\.csv")
_SHORTEST, _LONGEST, _UNKNOWN = 3, 300, 125


@dataclass(frozen=True, slots=True)
class Series:
    """One series of the leaderboard."""

    name: str
    """The file's name: the key of the published tables."""
    values: Floats
    """(n, channels) in the file's unit."""
    label: Labels
    """(n,) 1 = anomalous row."""
    normal_rows: int
    """So many first rows are for training."""

    @property
    def dataset(self) -> str:
        """For example `Daphnet`."""
        return _parsed(self.name)["dataset"]

    @property
    def buffer(self) -> int:
        """Longest buffer of VUS-PR in the published tables: the period of the first channel, in rows."""
        return period(self.values[:, 0])


def period(values: Floats) -> int:
    """Lag in rows of the highest local peak of the autocorrelation of the first 20,000 values; 125 = none was found.

    As `find_length_rank(values, 1)` of TSB-AD, with which the published figures were made: lags of 3 to 400 are looked
    at, and a peak counts from a lag of 6 to one of 303.
    """
    known = values[:20_000] - values[:20_000].mean()
    spectrum = np.abs(np.fft.rfft(known, 2 * len(known))) ** 2
    lags = np.fft.irfft(spectrum)[_SHORTEST : min(401, len(known))]
    inside = lags[1:-1]
    peaks = np.flatnonzero((inside > lags[:-2]) & (inside > lags[2:])) + 1
    if len(peaks) == 0:
        return _UNKNOWN
    best = int(peaks[np.argmax(lags[peaks])])
    return best + _SHORTEST if _SHORTEST <= best <= _LONGEST else _UNKNOWN


def from_folder(folder: Path) -> Iterator[Series]:
    """All series of a folder of TSB-AD's CSV files, by name.

    Raises:
        DataError: there is none, or one is not what its name says.
    """
    paths = sorted(path for path in folder.glob("*.csv") if _NAME.fullmatch(path.name))
    if not paths:
        raise DataError(f"{folder}: no file is named like {OURS}; fetch TSB-AD-M.zip from the TSB-AD repository")
    for path in paths:
        yield read_series(path)


def read_series(path: Path) -> Series:
    """One CSV file; rows with an empty cell are left out, as the benchmark does.

    Raises:
        DataError: its name or content is not that of a TSB-AD series.
    """
    train = int(_parsed(path.name)["train"])
    with path.open(encoding="utf-8") as lines:
        header = lines.readline().strip().split(",")
    if header[-1] != "Label" or len(header) < 2:
        raise DataError(f"{path}: its last column should be Label, and is {header[-1]!r}")
    try:
        rows = np.genfromtxt(path, delimiter=",", skip_header=1, ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: its rows differ in length: {error}") from error
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows) <= train:
        raise DataError(f"{path}: has {len(rows)} rows, and its name says that {train} are for training alone")
    return Series(path.name, rows[:, :-1], (rows[:, -1] > 0).astype(np.int8), train)


def from_recordings(root: Path | None = None) -> Iterator[Series]:
    """The series whose recordings we have: Daphnet's S03R02, and channels of MSL and SMAP that match exactly.

    Raises:
        DataError: the recordings are missing.
    """
    folder = data_root(root)
    rows = read_table(folder / "daphnet_partial" / "S03R02.parquet", ["label"])
    channels = [name for name in rows.column_names if name.endswith("_g")]
    values = np.stack([column(rows, name) for name in channels], axis=1).astype(np.float64)
    yield Series(OURS, values, (column(rows, "label") == 2).astype(np.int8), int(_parsed(OURS)["train"]))
    for name, channel in _matching(folder / "published" / "tsb_ad_to_channel_check.csv"):
        with np.load(folder / "bench_smap_msl" / f"{channel}.npz", allow_pickle=False) as part:
            values, label = part["test"].astype(np.float64), part["label_test"].astype(np.int8)
        yield Series(name, values, label, int(_parsed(name)["train"]))


def _matching(path: Path) -> Iterator[tuple[str, str]]:
    """(series, channel) where length, count of anomalous rows and first anomaly agree; one channel a series."""
    if not path.exists():
        raise DataError(f"{path} is absent: it says which channel is which series")
    with path.open(encoding="utf-8", newline="") as lines:
        exact = {row["file"]: row["chan"] for row in csv.DictReader(lines) if row["exact"] == "True"}
    yield from sorted(exact.items())


def _parsed(name: str) -> dict[str, str]:
    if found := _NAME.fullmatch(name):
        return found.groupdict()
    raise DataError(f"{name}: a TSB-AD series is named like {OURS}")
