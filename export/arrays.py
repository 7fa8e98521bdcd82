"""The numbers of a bundle as the agent's reader (`agent.bundle`) takes them: plain arrays."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from agent.calibrate import Calibration
from agent.evidence import Layer
from agent.layout import Layout
from agent.records import PARTS
from agent.score import MERGED, Prototypes
from export.pack import Arrays, write_arrays

HALF = np.float16


def write_prototypes(known: Prototypes, path: Path) -> None:
    """Places, norms, and the head for falls."""
    arrays: Arrays = {
        "places": known.places.astype(HALF),
        "family": known.family.astype(np.int16),
        "median": known.norms.median[:, 0],
        "scale": known.norms.scale[:, 0],
    }
    for column, name in [*enumerate(PARTS[1:], 1), (MERGED, "score")]:
        arrays |= {f"{name}_median": known.norms.median[:, column], f"{name}_scale": known.norms.scale[:, column]}
    if known.legs is not None:
        arrays["legs"] = known.legs
    if head := known.known:
        arrays |= {f"known_{name}": np.asarray(values, dtype=HALF) for name, values in asdict(head).items()}
    write_arrays(arrays, path)


def write_evidence(layer: Layer, path: Path) -> None:
    """The evidential layer."""
    arrays: Arrays = {name: getattr(layer, name).astype(HALF) for name in Layer.ARRAYS}
    write_arrays(arrays | {"caution": np.array(layer.caution), "reliability": np.array(layer.reliability)}, path)


def write_calibration(calibration: Calibration, layout: Layout, path: Path) -> None:
    """Half-minutes of each family, their intervals, and those of each part."""
    arrays: Arrays = {"concentration": np.array(calibration.concentration)}
    for name, known in zip(layout.families, calibration.families, strict=True):
        arrays |= {f"{name}_scores": known.scores, f"{name}_low": known.low, f"{name}_high": known.high}
        arrays[f"{name}_wearers"] = np.array(known.wearers)
        arrays |= {f"{name}_{part}": values for part, values in zip(PARTS, known.parts, strict=True)}
    write_arrays(arrays, path)
