"""Stanford freezing of gait: people with Parkinson's walk, 6 to 11 positions, 128 Hz; freezes marked from video.

In most walks the left foot is a copy of the left ankle. A copy is no second sensor and is left out.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from agent.recording import Recording
from agent.records import Singles
from training.datasets.labelled import Labelled
from training.datasets.tables import column, from_milli_g, read_table

SOURCE = "O'Day et al.: Assessing inertial measurement unit locations for freezing of gait detection, JNER 2022"
LICENCE = "BSD-3-Clause"
SHIP = True


def read(folder: Path, keep: Callable[[str], bool]) -> Iterator[Labelled]:
    """One recording a walk, all positions, named as its file; times as stored (seconds, not from zero)."""
    for path in sorted(folder.glob("*.parquet")):
        if keep(wearer := f"stanford_fog-{path.stem.split('_')[0]}"):
            rows = read_table(path, ["time_s", "freeze"])
            label = (column(rows, "freeze") > 0).astype(np.int8)
            recording = Recording(path.stem, wearer, column(rows, "time_s").astype(np.float64), _positions(rows))
            judged = np.ones(rows.num_rows, dtype=np.bool_)
            yield Labelled(recording, "stanford_fog", "walk", not label.any(), label, judged, SHIP)


def _positions(rows: Any) -> dict[str, Singles]:
    found: dict[str, Singles] = {}
    for position in [name[: -len("_x_mg")] for name in rows.column_names if name.endswith("_x_mg")]:
        samples_g = from_milli_g(rows, [f"{position}_{axis}_mg" for axis in "xyz"])
        if not any(np.array_equal(samples_g, other, equal_nan=True) for other in found.values()):
            found[position] = samples_g
    return found
