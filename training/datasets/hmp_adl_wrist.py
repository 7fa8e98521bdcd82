"""HMP: 14 daily activities, right wrist, 32 Hz; a coarse sensor (6 bits, 0.048 g a step, clipped at 1.5 g)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from agent.recording import Recording
from training.datasets.labelled import Labelled
from training.datasets.tables import column, from_g, read_table, runs, wearer_files

SOURCE = "Bruno et al., ICRA 2013; UCI: ADL recognition with wrist-worn accelerometer"
LICENCE = "CC BY 4.0 at UCI, to be confirmed: evaluation only"
SHIP = False
_AXES = tuple(f"right_wrist_acc_{axis}_g" for axis in "xyz")


def read(folder: Path, keep: Callable[[str], bool]) -> Iterator[Labelled]:
    """One recording an activity, position `right_wrist`, named `<person>_<recording>`."""
    for wearer, path in wearer_files("hmp_adl_wrist", folder, keep):
        for name, rows in runs(read_table(path, ["recording", "t_ms", "activity", *_AXES]), "recording"):
            times_s = column(rows, "t_ms") / 1000.0
            recording = Recording(f"{path.stem}_{name}", wearer, times_s, {"right_wrist": from_g(rows, _AXES)})
            activity, size = rows.column("activity")[0].as_py(), rows.num_rows
            label, judged = np.zeros(size, dtype=np.int8), np.ones(size, dtype=np.bool_)
            yield Labelled(recording, "hmp_adl_wrist", activity, True, label, judged, SHIP)
