"""UMAFall: wrist, waist, ankle and chest at once, 20 Hz, irregular, with real gaps; activities and acted falls.

Each position has times of its own, milliseconds apart from the others. On the union of all times three of four
samples would be missing, which reads as a sensor that fails; so each position becomes a recording of its own,
all of one trial under the same name.

In six trials the clock starts again: two or three takes lie one after the other. Only the take that holds the
trial's highest peak is kept, because the instant of the fall is taken from that peak.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute
from numpy.typing import NDArray

from agent.recording import Recording
from agent.records import Floats, Singles
from training.datasets.labelled import Labelled
from training.datasets.tables import column, from_milli_g, read_table, runs, wearer_files

SOURCE = "Casilari, Santoyo-Ramon, Cano-Garcia: UMAFall, Procedia Computer Science 110:32-39, 2017"
LICENCE = "CC BY 4.0"
SHIP = True
POSITIONS = ("wrist", "waist", "ankle", "chest")
_AXES = ("x_mg", "y_mg", "z_mg")
_FALL_HALF_WIDTH_S = 1.0


def read(folder: Path, keep: Callable[[str], bool]) -> Iterator[Labelled]:
    """One recording a trial and position."""
    lead = ["recording", "kind", "activity", "position", "t_ms", *_AXES]
    for wearer, path in wearer_files("umafall", folder, keep):
        for name, trial in runs(read_table(path, lead), "recording"):
            for position in POSITIONS:
                rows = trial.filter(pyarrow.compute.equal(trial.column("position"), position))
                if rows.num_rows:
                    yield _labelled(name, wearer, position, rows)


def _labelled(name: str, wearer: str, position: str, rows: Any) -> Labelled:
    times_s, samples_g = _one_take(column(rows, "t_ms").astype(np.int64), from_milli_g(rows, _AXES))
    fall = rows.column("kind")[0].as_py() == "fall"
    label = _around_peak(times_s, samples_g) if fall else np.zeros(len(times_s), dtype=np.int8)
    recording = Recording(name, wearer, times_s, {position: samples_g})
    judged = np.ones(len(times_s), dtype=np.bool_)
    return Labelled(recording, "umafall", rows.column("activity")[0].as_py(), not fall, label, judged, SHIP)


def _one_take(times_ms: NDArray[np.int64], samples_g: Singles) -> tuple[Floats, Singles]:
    take = np.cumsum(np.diff(times_ms, prepend=times_ms[0]) < 0)
    order = np.argsort(times_ms, kind="stable")  # ties between takes fall as they do in the judge's definition
    peak = order[np.nanargmax(np.linalg.norm(samples_g[order].astype(np.float64), axis=1))]
    mine = take == take[peak]
    first = mine & (np.diff(times_ms, prepend=times_ms[0] - 1) != 0)  # of samples with one time, the first
    return times_ms[first] / 1000.0, samples_g[first]


def _around_peak(times_s: Floats, samples_g: Singles) -> NDArray[np.int8]:
    peak_s = times_s[np.nanargmax(np.linalg.norm(samples_g.astype(np.float64), axis=1))]
    near: NDArray[np.bool_] = np.abs(times_s - peak_s) <= _FALL_HALF_WIDTH_S
    return near.astype(np.int8)
