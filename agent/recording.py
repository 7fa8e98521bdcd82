"""The recording format: one wearer's samples in a file, as CSV, `.npz` or Parquet.

Columns: `t_s` (seconds from the start, or Unix seconds; strictly increasing), then three for each position:
`<position>_x_g`, `<position>_y_g`, `<position>_z_g` (acceleration in g; an empty cell or NaN = missing).
"""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.errors import RecordingError
from agent.records import Floats, Singles

SUFFIXES = (".csv", ".npz", ".parquet")
_COLUMN = re.compile(r"([A-Za-z0-9_-]{1,64})_([xyz])_g")
_EMPTY_CELL = re.compile(r",[ \t]*(?=,|\n|\Z)")
_BLANK_LINE = re.compile(r"^[ \t]+$", re.MULTILINE)
_STANDARD_GRAVITY = 9.80665

Columns = dict[str, NDArray[Any]]
Where = Callable[[int], str]
"""Names a row of the file the way its reader counts, for example `line 7`."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Samples of one wearer, all positions on the same times."""

    name: str
    """The file's name without its suffix."""
    wearer: str
    """Pseudonym of the person."""
    times_s: Floats
    """(n,) seconds from the start, or Unix seconds; strictly increasing."""
    positions: dict[str, Singles]
    """Position -> (n, 3) acceleration in g; NaN = missing."""


def read_recording(path: str | Path, wearer: str | None = None) -> Recording:
    """Read one file; its suffix says which of `SUFFIXES` it is.

    Args:
        path: the file.
        wearer: whose it is; default: the file's name without suffix, made fit for an MQTT topic.

    Raises:
        RecordingError: the file cannot be read as a recording; the message says where and what to do.
    """
    path = Path(path)
    _check_readable(path)
    columns, where = {".csv": _read_csv, ".npz": _read_npz, ".parquet": _read_parquet}[path.suffix.lower()](path)
    times_s = _times(columns, path, where)
    positions = _positions(columns, path, where)
    for position, samples_g in positions.items():
        _check_unit(path, position, samples_g)
    return Recording(path.stem, wearer or _pseudonym(path.stem), times_s, positions)


def write_recording(recording: Recording, path: str | Path) -> None:
    """Write one file; its suffix says which of `SUFFIXES` it becomes. What is read back is bit for bit the same.

    Raises:
        RecordingError: unknown suffix, or the file cannot be written.
    """
    path = Path(path)
    writers = {".csv": _write_csv, ".npz": _write_npz, ".parquet": _write_parquet}
    if path.suffix.lower() not in writers:
        raise RecordingError(f"{path}: unknown suffix {path.suffix!r}; use one of {', '.join(SUFFIXES)}")
    try:
        writers[path.suffix.lower()](_columns(recording), path)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be written: {error.strerror or error}") from error


def _check_readable(path: Path) -> None:
    if path.is_dir():
        raise RecordingError(f"{path}: is a directory; name the files in it, for example {path}/*.csv")
    if path.suffix.lower() not in SUFFIXES:
        raise RecordingError(f"{path}: unknown suffix {path.suffix!r}; a recording is one of {', '.join(SUFFIXES)}")
    try:
        empty = path.stat().st_size == 0
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from error
    if empty:
        raise RecordingError(f"{path}: is empty; a recording begins with the header t_s,<position>_x_g,...")


def _pseudonym(stem: str) -> str:
    """A wearer is part of a topic, so that other characters become `_`."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", stem)[:64]


# --- files -> columns


def _read_csv(path: Path) -> tuple[Columns, Where]:
    text = _text(path)
    header, _, body = text.partition("\n")
    names = [name.strip().strip('"') for name in header.split(",")]
    _check_names(names, path)
    if not body.strip():
        raise RecordingError(f"{path}: has a header but no samples")
    try:
        cells = _EMPTY_CELL.sub(",nan", _BLANK_LINE.sub("", body))
        table = np.loadtxt(io.StringIO(cells), delimiter=",", ndmin=2, comments=None)
        matches = table.shape[1] == len(names)
    except ValueError:
        matches = False
    if not matches:
        raise RecordingError(_first_bad_cell(path, names, body))
    return dict(zip(names, table.T, strict=True)), lambda row: f"line {_line_number(body, row)}"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecordingError(f"{path}: byte {error.start} is not UTF-8 text; is this really a CSV file?") from error
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from error


def _line_number(body: str, row: int) -> int:
    """Line in the file of a row of the table: blank lines hold no row, the header is line 1."""
    filled = [number for number, line in enumerate(body.split("\n"), start=2) if line.strip()]
    return filled[row]


def _first_bad_cell(path: Path, names: list[str], body: str) -> str:
    """The slow look, taken only once the fast one has failed."""
    for number, line in enumerate(body.split("\n"), start=2):
        cells = line.split(",")
        if line.strip() and len(cells) != len(names):
            return f"{path}: line {number} has {len(cells)} cells, the header {len(names)}; complete or remove the line"
        for name, cell in zip(names, cells, strict=False):
            if line.strip() and not _is_number(cell, may_be_empty=name != "t_s"):
                advice = "every row needs a time" if name == "t_s" else "leave missing cells empty"
                return f"{path}: line {number}, column {name}: {cell.strip()!r} is not a number; {advice}"
    return f"{path}: is not a table of numbers separated by commas"


def _is_number(cell: str, may_be_empty: bool) -> bool:
    if not cell.strip():
        return may_be_empty
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # float() reads 1_000, a table of numbers does not


def _read_npz(path: Path) -> tuple[Columns, Where]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            columns = {name: arrays[name] for name in arrays.files}
    except Exception as error:  # zipfile, zlib and numpy each have errors of their own for a damaged file
        raise RecordingError(f"{path}: is not a readable .npz file of plain arrays: {_first_line(error)}") from error
    _check_names(list(columns), path)
    return columns, lambda row: f"row {row}"


def _read_parquet(path: Path) -> tuple[Columns, Where]:
    parquet = _pyarrow("pyarrow.parquet", path)
    try:
        table = parquet.read_table(path)
    except Exception as error:  # pyarrow raises OSError, ArrowInvalid and others for a damaged file
        raise RecordingError(f"{path}: is not a readable Parquet file: {_first_line(error)}") from error
    _check_names(table.column_names, path)
    return {name: table.column(name).to_numpy() for name in table.column_names}, lambda row: f"row {row}"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _pyarrow(module: str, path: Path) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise RecordingError(f"{path}: Parquet needs pyarrow: pip install 'veille[parquet]'") from error


# --- columns -> recording


def _check_names(names: list[str], path: Path) -> None:
    if "t_s" not in names:
        raise RecordingError(f"{path}: no column t_s (seconds); the columns are {', '.join(names)[:200]}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RecordingError(f"{path}: column {twice[0]} occurs twice")
    for name in names:
        if name != "t_s" and not _COLUMN.fullmatch(name):
            raise RecordingError(
                f"{path}: column {name!r} is neither t_s nor <position>_x_g, _y_g, _z_g (acceleration in g); remove it"
            )
    for position in {name[:-4]: None for name in names if name != "t_s"}:
        if lacking := [f"{position}_{axis}_g" for axis in "xyz" if f"{position}_{axis}_g" not in names]:
            raise RecordingError(f"{path}: position {position} lacks column {lacking[0]}; each needs all of x, y, z")
    if len(names) == 1:
        raise RecordingError(f"{path}: holds only t_s; at least one position is needed: <position>_x_g, _y_g, _z_g")


def _numbers(columns: Mapping[str, NDArray[Any]], name: str, path: Path) -> Floats:
    column = columns[name]
    if column.ndim != 1 or column.dtype.kind not in "iuf":
        kind = f"{column.dtype} of shape {column.shape}"
        raise RecordingError(f"{path}: column {name} is {kind}; it must be one row of numbers")
    if len(column) != len(columns["t_s"]):
        raise RecordingError(f"{path}: column {name} has {len(column)} samples, t_s has {len(columns['t_s'])}")
    return np.asarray(column, dtype=np.float64)


def _times(columns: Columns, path: Path, where: Where) -> Floats:
    times_s = _numbers(columns, "t_s", path)
    if len(times_s) == 0:
        raise RecordingError(f"{path}: has no samples")
    if len(bad := np.flatnonzero(~np.isfinite(times_s))):
        raise RecordingError(f"{path}: {where(bad[0])}, column t_s: the time is {times_s[bad[0]]}; every row needs one")
    if len(bad := np.flatnonzero(np.diff(times_s) <= 0)):
        first, second = times_s[bad[0]], times_s[bad[0] + 1]
        fault = "is repeated" if first == second else f"runs backwards from {first:.10g}"
        raise RecordingError(
            f"{path}: {where(bad[0] + 1)}, column t_s: the time {second:.10g} {fault}; sort the rows, one row a time"
        )
    return times_s


def _positions(columns: Columns, path: Path, where: Where) -> dict[str, Singles]:
    found: dict[str, Singles] = {}
    for position in {name[:-4]: None for name in columns if name != "t_s"}:
        axes = [_numbers(columns, f"{position}_{axis}_g", path) for axis in "xyz"]
        for axis, values in zip("xyz", axes, strict=True):
            if len(bad := np.flatnonzero(np.abs(values) > np.finfo(np.float32).max)):
                spot = f"{where(bad[0])}, column {position}_{axis}_g"
                raise RecordingError(f"{path}: {spot}: infinite; leave missing cells empty")
        found[position] = np.stack(axes, axis=1).astype(np.float32)
    return found


def _check_unit(path: Path, position: str, samples_g: Singles) -> None:
    """A worn sensor's median is near 1 g, so that 9.8 or 1000 can only be another unit."""
    lengths = np.linalg.norm(samples_g.astype(np.float64), axis=1)
    if not np.isfinite(lengths).any():
        return
    median = float(np.nanmedian(lengths))
    if 5 < median < 15:
        unit, factor = "m/s^2", f"divide by {_STANDARD_GRAVITY}"
    elif median > 300:
        unit, factor = "milli-g", "divide by 1000"
    else:
        return
    raise RecordingError(f"{path}: position {position} looks like {unit} (median length {median:.4g}), not g: {factor}")


# --- recording -> files


def _columns(recording: Recording) -> Columns:
    columns: Columns = {"t_s": recording.times_s}
    for position, samples_g in recording.positions.items():
        columns |= {f"{position}_{axis}_g": samples_g[:, index] for index, axis in enumerate("xyz")}
    return columns


def _write_csv(columns: Columns, path: Path) -> None:
    cells = [column.astype(str) for column in columns.values()]  # the shortest text that reads back the same
    for texts in cells:
        texts[texts == "nan"] = ""
    rows = (",".join(row) for row in zip(*(texts.tolist() for texts in cells), strict=True))
    path.write_text("\n".join([",".join(columns), *rows, ""]), encoding="utf-8")


def _write_npz(columns: Columns, path: Path) -> None:
    with path.open("wb") as file:  # a name would get a second suffix where this one is in capitals
        arrays: Any = columns
        np.savez_compressed(file, **arrays)


def _write_parquet(columns: Columns, path: Path) -> None:
    arrow, parquet = _pyarrow("pyarrow", path), _pyarrow("pyarrow.parquet", path)
    parquet.write_table(arrow.table({name: arrow.array(column) for name, column in columns.items()}), path)
