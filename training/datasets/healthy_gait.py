"""Healthy gait: healthy people walk, turn and walk back; both feet and lower back, 100 Hz."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from agent.recording import Recording
from training.datasets.labelled import Labelled
from training.datasets.tables import from_milli_g, read_table

SOURCE = "Voisard et al., healthy and pathological gait, 2023"
LICENCE = "AGPL-3.0 (repository): evaluation only"
SHIP = False
POSITIONS = ("lower_back", "left_foot", "right_foot")
RATE_HZ = 100.0


def read(folder: Path, keep: Callable[[str], bool]) -> Iterator[Labelled]:
    """One recording a walk, named as its file; the time of sample i is i / 100 s."""
    for path in sorted(folder.glob("*.parquet")):
        if keep(wearer := f"healthy_gait-{path.stem.split('-')[0]}"):
            rows = read_table(path, [f"{position}_x_mg" for position in POSITIONS])
            positions = {p: from_milli_g(rows, [f"{p}_{axis}_mg" for axis in "xyz"]) for p in POSITIONS}
            size = rows.num_rows
            recording = Recording(path.stem, wearer, np.arange(size) / RATE_HZ, positions)
            label, judged = np.zeros(size, dtype=np.int8), np.ones(size, dtype=np.bool_)
            yield Labelled(recording, "healthy_gait", "walk", True, label, judged, SHIP)
