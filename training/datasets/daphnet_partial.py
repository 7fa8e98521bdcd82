"""Daphnet freezing of gait, 5 runs: people with Parkinson's, ankle, thigh and trunk, 64 Hz.

Label 0 is time outside the experiment (`judged` is False there), 1 no freeze, 2 freeze. A row of zeros at a position
means that its sensor sent nothing: thigh and trunk as each run begins, the thigh for half of S03R03. It becomes NaN.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from agent.recording import Recording
from agent.records import Singles
from training.datasets.labelled import Labelled
from training.datasets.tables import column, from_g, read_table

SOURCE = "Baechlin et al.: Wearable assistant for Parkinson's disease patients, IEEE TITB 14(2):436-446, 2010"
LICENCE = "CC BY 4.0 at UCI, to be confirmed; acknowledge the publication"
SHIP = True
POSITIONS = ("ankle", "thigh", "trunk")
_AXES = ("forward", "vertical", "lateral")
"""The axes as the dataset names them; here x, y, z in this order."""


def read(folder: Path, keep: Callable[[str], bool]) -> Iterator[Labelled]:
    """One recording a run, named as its file."""
    for path in sorted(folder.glob("*.parquet")):
        if keep(wearer := f"daphnet_partial-{path.stem[:3]}"):
            rows = read_table(path, ["t_ms", "label"])
            truth = column(rows, "label")
            positions = {position: _samples(rows, position) for position in POSITIONS}
            recording = Recording(path.stem, wearer, column(rows, "t_ms") / 1000.0, positions)
            yield Labelled(recording, "daphnet_partial", "", False, (truth == 2).astype(np.int8), truth > 0, SHIP)


def _samples(rows: Any, position: str) -> Singles:
    samples_g = from_g(rows, [f"{position}_acc_{axis}_g" for axis in _AXES])
    samples_g[(samples_g == 0).all(axis=1)] = np.nan
    return samples_g
