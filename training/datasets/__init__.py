"""Real recordings from public sources; one module a dataset: source, licence, reader.

Each module has `SOURCE`, `LICENCE` and `SHIP` (may a model trained on it ship?), and `read(folder, keep)`, which
gives the recordings of the wearers that `keep` wants, in a fixed order.
"""

import os
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

from training.datasets.labelled import Labelled
from training.errors import DataError

__all__ = ["NAMES", "Labelled", "data_root", "open_dataset", "reader_of"]

NAMES = (
    "sisfall",
    "umafall",
    "watch_walk_geotec",
    "stanford_fog",
    "daphnet_partial",
    "weda_fall",
    "healthy_gait",
    "hmp_adl_wrist",
    "bmhad_bilateral",
)
_DEFAULT_ROOT = Path(__file__).parents[2].parent / "shared" / "data"


def data_root(root: str | Path | None = None) -> Path:
    """Folder that holds one folder a dataset: `root`, else `$VEILLE_DATA`, else `../shared/data` of the checkout.

    Raises:
        DataError: there is no such folder.
    """
    folder = Path(root or os.environ.get("VEILLE_DATA") or _DEFAULT_ROOT)
    if not folder.is_dir():
        raise DataError(f"no datasets at {folder}: name their folder with --root or VEILLE_DATA")
    return folder


def reader_of(name: str) -> ModuleType:
    """The module of one dataset (`SOURCE`, `LICENCE`, `SHIP`, `read`).

    Raises:
        DataError: no dataset has that name.
    """
    if name not in NAMES:
        raise DataError(f"no dataset {name!r}; there are {', '.join(NAMES)}")
    return import_module(f"training.datasets.{name}")


def open_dataset(
    name: str, root: str | Path | None = None, keep: Callable[[str], bool] = lambda wearer: True
) -> Iterator[Labelled]:
    """Recordings of one dataset, one after the other, in a fixed order.

    Args:
        name: one of `NAMES`.
        root: see `data_root`.
        keep: asked with a wearer (for example `sisfall-SA01`) before anything of that wearer is read.

    Raises:
        DataError: unknown name, or the files are missing or of another shape.
    """
    reader = reader_of(name)
    folder = data_root(root) / name
    if not any(folder.glob("*.parquet")):
        raise DataError(f"dataset {name}: no *.parquet in {folder}; fetch it from {reader.SOURCE}")
    labelled: Iterator[Labelled] = reader.read(folder, keep)
    return labelled
