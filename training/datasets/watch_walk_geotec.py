"""Watch and pocket phone: people stand up, walk, turn, come back and sit down; wrist and pocket, about 104 Hz.

The watch stamps samples when it gets round to it: single stamps are up to 50 ms off, some repeat, while the rate
is the same to 0.03 % in all executions. So the times are the straight line through the stamps. The phone's samples
come interpolated onto the watch's, so that both positions share one recording.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from agent.recording import Recording
from agent.records import Floats
from training.datasets.labelled import Labelled
from training.datasets.tables import column, from_g, read_table, runs, wearer_files

SOURCE = "Matey-Sanz et al., Data in Brief 2023, 109809; github.com/GeoTecINIT/sp-sw-har-dataset"
LICENCE = "CC BY 4.0"
SHIP = True
_WRIST = tuple(f"wrist_acc_{axis}_g" for axis in "xyz")
_POCKET = tuple(f"pocket_phone_acc_{axis}_g" for axis in "xyz")


def read(folder: Path, keep: Callable[[str], bool]) -> Iterator[Labelled]:
    """One recording an execution, positions `wrist` and `pocket`, named `<person>_<execution>`."""
    for wearer, path in wearer_files("watch_walk_geotec", folder, keep):
        for execution, rows in runs(read_table(path, ["execution", "t_ms", *_WRIST, *_POCKET]), "execution"):
            positions = {"wrist": from_g(rows, _WRIST), "pocket": from_g(rows, _POCKET)}
            times_s = _straight(column(rows, "t_ms") / 1000.0)
            recording = Recording(f"{path.stem}_{execution}", wearer, times_s, positions)
            size = rows.num_rows
            label, judged = np.zeros(size, dtype=np.int8), np.ones(size, dtype=np.bool_)
            yield Labelled(recording, "watch_walk_geotec", "stand, walk, turn, sit", True, label, judged, SHIP)


def _straight(stamps_s: Floats) -> Floats:
    index = np.arange(len(stamps_s))
    slope, offset = np.polyfit(index, stamps_s, 1)
    return np.asarray(offset + slope * index, dtype=np.float64)
