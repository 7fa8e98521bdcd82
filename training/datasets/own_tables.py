"""The two small tables of a user's folder: `wearers.csv`, whose every recording is, and `events.csv`, what happened.

wearers.csv   recording,wearer[,part][,normal][,licence]
events.csv    recording,start_s,end_s,kind
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from training.datasets.split import Part
from training.errors import DataError

WEARERS, EVENTS = "wearers.csv", "events.csv"
_PSEUDONYM = re.compile(r"[A-Za-z0-9_-]{1,56}")  # with the dataset's name before it, it still fits a topic
_YES_NO = {"": True, "yes": True, "no": False}
_NO_LICENCE = "not stated"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the folder that is not used."""

    reason: str
    """Short stable name, counted in the run record."""
    text: str
    """One line for a person: what, where, what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `wearers.csv`."""

    recording: str
    wearer: str
    part: Part | None
    """None = by the hash of the wearer's name."""
    normal: bool
    """What no event marks is normal wear."""
    licence: str


@dataclass(frozen=True, slots=True)
class Event:
    """One line of `events.csv`: something that is not normal wear."""

    start_s: float
    """In the recording's own time."""
    end_s: float
    kind: str
    """For example `fall` or `freeze`."""


def recording_name(text: str) -> str:
    """What a table calls a recording -> its name: the path in the folder, without suffix, however it was written."""
    name = text.strip().replace("\\", "/").removeprefix("./")
    stem, _, suffix = name.rpartition(".")
    return stem if suffix.lower() in ("csv", "npz", "parquet") else name


def read_wearers(folder: Path) -> tuple[dict[str, Row], list[Problem]]:
    """Rows by recording, and the lines that say nothing usable.

    Raises:
        DataError: no table, no such columns, or one wearer in two parts, which would let a model meet its judges.
    """
    if not (folder / WEARERS).exists():
        raise DataError(f"{folder / WEARERS}: missing; make it with the columns recording,wearer: one line a recording")
    found: dict[str, Row] = {}
    problems = []
    for line, cells in _lines(folder / WEARERS, ("recording", "wearer"), ("part", "normal", "licence")):
        name = recording_name(cells["recording"])
        if fault := _fault(cells, twice=name in found):
            problems.append(Problem("bad_table_row", f"{folder / WEARERS}, line {line}: {fault}"))
            continue
        part = cast(Part, cells["part"].lower()) if cells["part"] else None
        normal = _YES_NO[cells["normal"].lower()]
        found[name] = Row(name, cells["wearer"], part, normal, cells["licence"] or _NO_LICENCE)
    _check_parts(folder, found)
    return found, problems


def _fault(cells: dict[str, str], twice: bool) -> str:
    """What is wrong with one line of `wearers.csv`; empty = nothing."""
    if not cells["recording"] or twice:
        return f"recording {cells['recording']!r} is {'named twice' if twice else 'no name'}; the line is ignored"
    if not _PSEUDONYM.fullmatch(cells["wearer"]):
        return f"wearer {cells['wearer']!r}: a pseudonym is 1 to 56 of A-Z a-z 0-9 _ -"
    if cells["part"].lower() not in ("", *get_args(Part)):
        return f"part {cells['part']!r} is none of {', '.join(get_args(Part))}; leave it empty to have it chosen"
    if cells["normal"].lower() not in _YES_NO:
        return f"normal {cells['normal']!r} is neither yes nor no"
    return ""


def _check_parts(folder: Path, rows: dict[str, Row]) -> None:
    pairs = {(row.wearer, row.part) for row in rows.values() if row.part}
    wearer, count = next(iter(Counter(wearer for wearer, _ in pairs).most_common(1)), ("", 0))
    if count > 1:
        raise DataError(f"{folder / WEARERS}: wearer {wearer} is in {count} parts; all recordings of one belong to one")


def read_events(folder: Path) -> tuple[dict[str, list[Event]], list[Problem]]:
    """Events by recording, and the lines that say nothing usable; both empty where there is no `events.csv`.

    Raises:
        DataError: it is not a table with these columns.
    """
    found: dict[str, list[Event]] = {}
    problems: list[Problem] = []
    if not (folder / EVENTS).exists():
        return found, problems
    for line, cells in _lines(folder / EVENTS, ("recording", "start_s", "end_s", "kind"), ()):
        try:
            start_s, end_s = float(cells["start_s"]), float(cells["end_s"])
        except ValueError:
            start_s, end_s = 0.0, -1.0
        if start_s <= end_s < float("inf"):
            found.setdefault(recording_name(cells["recording"]), []).append(Event(start_s, end_s, cells["kind"]))
        else:
            fault = f"start_s {cells['start_s']!r} and end_s {cells['end_s']!r} are not two ascending numbers"
            problems.append(Problem("bad_table_row", f"{folder / EVENTS}, line {line}: {fault}"))
    return found, problems


def _lines(path: Path, needed: tuple[str, ...], optional: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, cells by column) of each line that is not blank; absent optional columns are empty.

    Raises:
        DataError: not a table with these columns.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    table = csv.reader(text.splitlines())
    header = [name.strip().lower() for name in next(table, [])]
    if lacking := [name for name in needed if name not in header]:
        raise DataError(f"{path}: no column {lacking[0]}; the first line must be {','.join((*needed, *optional))}")
    if odd := [name for name in header if name not in (*needed, *optional)]:
        raise DataError(f"{path}: unknown column {odd[0]!r}; the columns are {', '.join((*needed, *optional))}")
    for cells in table:
        if any(cell.strip() for cell in cells):
            own = dict(zip(header, (cell.strip() for cell in cells), strict=False))
            yield table.line_num, {name: own.get(name, "") for name in (*needed, *optional)}
