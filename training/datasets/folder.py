"""A user's own recordings: a folder in the recording format, with `wearers.csv` and perhaps `events.csv` beside them.

What cannot be used is named and left out; the rest is split by wearer. Each recording is read when the folder is
opened, to know what it is good for, and again when it is asked for: days of wear need not fit into memory.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.layout import Layout
from agent.recording import SUFFIXES
from training.datasets.facts import DataFacts, files_digest
from training.datasets.labelled import Labelled
from training.datasets.own_recordings import NAME, Usable, look_at
from training.datasets.own_tables import EVENTS, WEARERS, Problem, Row, read_events, read_wearers
from training.datasets.split import NEED, Part, assigned
from training.errors import DataError
from training.progress import watched

Parts = dict[str, Part]


@dataclass(frozen=True, slots=True)
class OwnFolder:
    """What a folder holds; opened by `open_folder`."""

    path: Path
    usable: tuple[Usable, ...]
    parts: Mapping[str, Part]
    """Part of each usable recording, by its name."""
    problems: tuple[Problem, ...]
    """What is not used, and why."""
    notes: tuple[str, ...]
    """What so few wearers do not allow, and what is done instead."""

    def recordings(self, part: Part) -> Iterator[Labelled]:
        """All recordings of a part of whose truth something is known, with the events marked."""
        return (one.labelled() for one in self._of(part) if one.row.normal or one.events)

    def normal(self, part: Part) -> Iterator[Labelled]:
        """The normal wear of a part."""
        return (one.normal() for one in self._of(part) if one.windows)

    def facts(self) -> list[DataFacts]:
        """One entry a licence."""
        licences = sorted({one.row.licence for one in self.usable})
        return [self._facts([one for one in self.usable if one.row.licence == licence]) for licence in licences]

    def _of(self, part: Part) -> Iterator[Usable]:
        return (one for one in self.usable if self.parts[one.row.recording] == part)

    def _facts(self, group: list[Usable]) -> DataFacts:
        """The tables are part of the data: they say who trains."""
        tables = [path for path in (self.path / WEARERS, self.path / EVENTS) if path.exists()]
        files = [*tables, *(one.path for one in group)]
        return DataFacts(
            name=NAME,
            source=f"own recordings, folder {self.path.resolve().name}",
            licence=group[0].row.licence,
            digest=files_digest(files, self.path),
            files=len(files),
            wearers={part: self._wearers(part, group) for part in NEED},
        )

    def _wearers(self, part: Part, group: list[Usable]) -> list[str]:
        """Who gives something to a part: normal wear, or for the test anything."""
        return sorted({one.wearer for one in self._of(part) if one in group and (one.windows or part == "test")})


def open_folder(path: Path, layout: Layout, *, alone: bool) -> OwnFolder:
    """Look at everything in the folder once.

    Args:
        path: the folder.
        layout: positions that can be used, and the window that a recording must be long enough for.
        alone: nothing else is trained on, so that this folder must teach and calibrate by itself.

    Raises:
        DataError: no such folder, no usable `wearers.csv`, or too little normal wear; its message names all problems.
    """
    if not path.is_dir():
        raise DataError(f"{path}: no such folder; name one that holds recordings and {WEARERS}")
    usable, problems = _looked_through(path, layout)
    try:
        parts, notes = _one_wearer(usable) if alone and len(_normal(usable)) == 1 else _by_wearer(usable, alone=alone)
    except DataError as error:
        raise DataError("\n".join([*(problem.text for problem in problems), f"{path}: {error}"])) from error
    return OwnFolder(path, tuple(usable), parts, tuple(problems), tuple(notes))


def _looked_through(path: Path, layout: Layout) -> tuple[list[Usable], list[Problem]]:
    """What can be used, and what cannot."""
    rows, bad_rows = read_wearers(path)
    events, bad_events = read_events(path)
    files = _files(path, rows)
    problems = [*bad_rows, *bad_events, *_not_matching(path, rows, files, events)]
    usable = []
    for name in watched(sorted(files), f"reading {path}"):
        one, found = look_at(files[name], rows[name], events.get(name, []), layout)
        problems += found
        usable += [one] if one else []
    return usable, [*problems, *_without_normal_wear(usable)]


def _recordings(folder: Path) -> Iterator[tuple[str, Path]]:
    """(name, file) of everything that looks like a recording."""
    for path in sorted(folder.rglob("*")):
        own = path.suffix.lower() in SUFFIXES and path not in (folder / WEARERS, folder / EVENTS)
        if own and not path.name.startswith("."):
            yield path.relative_to(folder).with_suffix("").as_posix(), path


def _files(folder: Path, rows: Mapping[str, Row]) -> dict[str, Path]:
    """The file of each recording that the table names; of two with one name, the first."""
    found: dict[str, Path] = {}
    for name, path in _recordings(folder):
        if name in rows:
            found.setdefault(name, path)
    return found


def _not_matching(
    folder: Path, rows: Mapping[str, Row], files: Mapping[str, Path], events: Mapping[str, object]
) -> Iterator[Problem]:
    """What the tables name and the folder lacks, and the other way round."""
    for name, path in _recordings(folder):
        if name not in rows:
            yield Problem("not_in_table", f"{path}: not in {WEARERS}; add a line that says whose it is")
        elif files[name] != path:
            yield Problem("same_name", f"{path}: {files[name].name} has the same name; rename one of them")
    for name in rows:
        if name not in files:
            yield Problem("no_file", f"{folder / WEARERS}: recording {name} has no file in this folder")
    for name in events:
        if name not in rows:
            yield Problem("event_without_recording", f"{folder / EVENTS}: {name} is not in {WEARERS}")


def _without_normal_wear(usable: Sequence[Usable]) -> Iterator[Problem]:
    """Whom nothing can be learnt from: by recording where it was expected, by wearer where nothing else is left."""
    windows: Counter[str] = Counter()
    for one in usable:
        windows[one.row.wearer] += one.windows
        if one.row.normal and not one.windows:
            why = "shorter than a window, inside events, or a sensor fault throughout"
            yield Problem("no_normal_window", f"{one.path}: no usable window of normal wear ({why})")
    for wearer in sorted(windows):
        if not windows[wearer]:
            text = f"wearer {wearer}: no normal wear in any recording; neither trains nor calibrates"
            yield Problem("wearer_without_normal_wear", text)


def _normal(usable: Sequence[Usable]) -> set[str]:
    """Wearers with normal wear."""
    return {one.wearer for one in usable if one.windows}


def _by_wearer(usable: Sequence[Usable], *, alone: bool) -> tuple[Parts, list[str]]:
    """Those with normal wear are shared out first, so that no part depends on someone who cannot fill it."""
    normal = _normal(usable)
    given = {one.wearer: one.row.part for one in usable if one.row.part}
    first = assigned(normal, {wearer: part for wearer, part in given.items() if wearer in normal})
    lacking = [part for part in NEED if part not in first.values()]
    if not usable or (alone and lacking and lacking != ["test"]):
        raise DataError(f"no wearer with normal wear to {' or '.join(lacking)}; add recordings, or --with-public")
    everyone = assigned({one.wearer for one in usable}, given | first)
    return {one.row.recording: everyone[one.wearer] for one in usable}, list(_notes(first)) if alone else []


def _notes(parts: Mapping[str, Part]) -> Iterator[str]:
    """What so few wearers with normal wear do not allow."""
    by_part = Counter(parts.values())
    if not by_part["test"]:
        yield f"{len(parts)} wearers train and calibrate, and nobody is left to judge the model on; add a third"
    if by_part["calibrate"] == 1:
        why = "how unlike people are cannot be seen from one, so the bundle will mostly say too_little_calibration"
        yield f"one wearer calibrates; {why}: four wearers or more, or --with-public, would help"


def _one_wearer(usable: Sequence[Usable]) -> tuple[Parts, list[str]]:
    """A single wearer is split by recording: the first half trains, the second calibrates."""
    normal = [one.row.recording for one in usable if one.windows]
    if len(normal) < 2:
        raise DataError("one recording alone cannot both train and calibrate; add another, or --with-public")
    half = len(normal) // 2
    parts: Parts = {one.row.recording: "test" for one in usable}
    parts.update(dict.fromkeys(normal[:half], NEED[0]))
    parts.update(dict.fromkeys(normal[half:], NEED[1]))
    share = f"{half} of the recordings train and {len(normal) - half} calibrate"
    what = "what the model says holds for this wearer at best, and nothing can be judged"
    return parts, [f"one wearer alone: {share}; {what}: three wearers or --with-public would allow it"]
