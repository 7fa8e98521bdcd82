"""Berkeley MHAD: 11 actions; both wrists, hips and ankles at once, 30 Hz. The sensors are not calibrated.

At rest they show 0.74 to 1.05 g: a test of how a sensor's wrong gain is dealt with.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from agent.recording import Recording
from training.datasets.labelled import Labelled
from training.datasets.tables import column, from_g, read_table, runs, wearer_files

SOURCE = "Ofli et al.: Berkeley MHAD, WACV 2013"
LICENCE = "BSD-2 style terms, to be confirmed: evaluation only"
SHIP = False
POSITIONS = ("left_wrist", "right_wrist", "left_hip", "right_hip", "left_ankle", "right_ankle")


def read(folder: Path, keep: Callable[[str], bool]) -> Iterator[Labelled]:
    """One recording an action and repetition, named `<person>_<recording>`."""
    for wearer, path in wearer_files("bmhad_bilateral", folder, keep):
        for name, rows in runs(read_table(path, ["recording", "t_ms", "activity"]), "recording"):
            positions = {p: from_g(rows, [f"{p}_acc_{axis}_g" for axis in "xyz"]) for p in POSITIONS}
            recording = Recording(f"{path.stem}_{name}", wearer, column(rows, "t_ms") / 1000.0, positions)
            activity, size = rows.column("activity")[0].as_py(), rows.num_rows
            label, judged = np.zeros(size, dtype=np.int8), np.ones(size, dtype=np.bool_)
            yield Labelled(recording, "bmhad_bilateral", activity, True, label, judged, SHIP)
