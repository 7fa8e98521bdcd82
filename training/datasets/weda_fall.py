"""WEDA-FALL: wrist, 50 Hz, acted falls with marked start and end, 11 activities; young people and elders (77-95 y).

Licence not stated: for evaluation only, and never trained on.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from agent.recording import Recording
from training.datasets.labelled import Labelled
from training.datasets.tables import column, from_g, read_table, runs, wearer_files

SOURCE = "Marques, Moreno: WEDA-FALL, Sensors 23:1146, 2023 (to be confirmed); github.com/joaojtmarques/WEDA-FALL"
LICENCE = "not stated: evaluation only"
SHIP = False
_AXES = tuple(f"wrist_acc_{axis}_g" for axis in "xyz")


def read(folder: Path, keep: Callable[[str], bool]) -> Iterator[Labelled]:
    """One recording a trial, position `wrist`, named `<person>_<trial>`."""
    lead = ["trial", "t_ms", "activity", "is_fall_trial", "label_fall", *_AXES]
    for wearer, path in wearer_files("weda_fall", folder, keep):
        for trial, rows in runs(read_table(path, lead), "trial"):
            times_s = column(rows, "t_ms") / 1000.0
            recording = Recording(f"{path.stem}_{trial}", wearer, times_s, {"wrist": from_g(rows, _AXES)})
            label = (column(rows, "label_fall") > 0).astype(np.int8)
            normal = not column(rows, "is_fall_trial").any()
            judged = np.ones(rows.num_rows, dtype=np.bool_)
            yield Labelled(recording, "weda_fall", rows.column("activity")[0].as_py(), normal, label, judged, SHIP)
