"""Parquet tables -> arrays: what the readers of the datasets share."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
from numpy.typing import NDArray

from agent.records import Singles
from training.errors import DataError

MISSING_MG = -32768
"""Stands for a missing sample in the tables that hold milli-g as `int16`."""


def wearer_files(dataset: str, folder: Path, keep: Callable[[str], bool]) -> Iterator[tuple[str, Path]]:
    """(wearer, file) of the wanted wearers, for the datasets that have one file a wearer."""
    for path in sorted(folder.glob("*.parquet")):
        if keep(wearer := f"{dataset}-{path.stem}"):
            yield wearer, path


def read_table(path: Path, lead: Sequence[str]) -> Any:
    """An Arrow table that has at least the columns `lead`.

    Raises:
        DataError: the file cannot be read, or lacks one of them.
    """
    try:
        table = pyarrow.parquet.read_table(path)
    except Exception as error:  # pyarrow raises OSError, ArrowInvalid and others for a damaged file
        raise DataError(f"{path}: is not a readable Parquet file: {error}") from error
    if lacking := [name for name in lead if name not in table.column_names]:
        raise DataError(f"{path}: lacks column {lacking[0]}; it has {', '.join(table.column_names)}")
    return table


def column(table: Any, name: str) -> NDArray[Any]:
    """(n,) one column of numbers."""
    values: NDArray[Any] = table.column(name).to_numpy()
    return values


def runs(table: Any, name: str) -> Iterator[tuple[str, Any]]:
    """(value, its rows as a table) of a text column, in the order of the file.

    Raises:
        DataError: the rows of one value are not together.
    """
    encoded = table.column(name).combine_chunks().dictionary_encode()
    if hasattr(encoded, "combine_chunks"):
        encoded = encoded.combine_chunks()
    codes, values = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
    starts = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist()] if len(codes) else []
    if len(starts) > len(values):
        raise DataError(f"the rows of one {name} are not together in the table; sort it by {name}")
    for start, stop in zip(starts, [*starts[1:], len(codes)], strict=True):
        yield values[codes[start]], table.slice(start, stop - start)


def from_milli_g(table: Any, columns: Sequence[str]) -> Singles:
    """(n, 3) in g from three `int16` columns in milli-g; NaN = missing."""
    samples_mg = np.stack([column(table, name) for name in columns], axis=1)
    samples_g = (samples_mg / 1000).astype(np.float32)
    samples_g[samples_mg == MISSING_MG] = np.nan
    return samples_g


def from_g(table: Any, columns: Sequence[str]) -> Singles:
    """(n, 3) in g from three columns in g; NaN = missing."""
    return np.stack([column(table, name) for name in columns], axis=1).astype(np.float32)
