"""SisFall: young (SA) and elderly (SE) people, waist, 100 Hz, 19 daily activities and 15 acted falls.

The label, one second on each side of the highest peak of a fall recording, was derived; it is not the authors'.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from agent.recording import Recording
from training.datasets.labelled import Labelled
from training.datasets.tables import column, from_milli_g, read_table, runs, wearer_files

SOURCE = "Sucerquia, Lopez, Vargas-Bonilla: SisFall, a fall and movement dataset. Sensors 17(1):198, 2017"
LICENCE = "free for research, with citation"
SHIP = True
RATE_HZ = 100.0
_AXES = ("waist_x_mg", "waist_y_mg", "waist_z_mg")


def read(folder: Path, keep: Callable[[str], bool]) -> Iterator[Labelled]:
    """One recording a trial, position `waist`; the time of sample i is i / 100 s."""
    for wearer, path in wearer_files("sisfall", folder, keep):
        for name, rows in runs(read_table(path, ["recording", "activity", "label", *_AXES]), "recording"):
            activity = rows.column("activity")[0].as_py()
            times_s = np.arange(rows.num_rows) / RATE_HZ
            recording = Recording(name, wearer, times_s, {"waist": from_milli_g(rows, _AXES)})
            label = column(rows, "label").astype(np.int8)
            judged = np.ones(rows.num_rows, dtype=np.bool_)
            yield Labelled(recording, "sisfall", activity, activity.startswith("D"), label, judged, SHIP)
