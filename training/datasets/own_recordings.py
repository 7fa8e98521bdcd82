"""One recording of a user's folder: is it usable, what is normal wear in it, what is an event."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from agent.errors import AgentError, RecordingError
from agent.layout import Layout
from agent.recording import Recording, read_recording
from agent.records import Booleans
from training.datasets.labelled import Labelled
from training.datasets.own_tables import Event, Problem, Row
from training.errors import DataError
from training.windows import normal_windows

NAME = "own"
"""Stands where a public dataset has its name."""
MARGIN_S = 5.0
"""Normal wear ends this long before an event and begins again this long after it."""


@dataclass(frozen=True, slots=True)
class Usable:
    """A recording that can be read, and is someone's."""

    path: Path
    row: Row
    events: tuple[Event, ...]
    layout: Layout
    windows: int = 0
    """Usable windows of normal wear."""

    @property
    def wearer(self) -> str:
        """As elsewhere: `<dataset>-<person>`."""
        return f"{NAME}-{self.row.wearer}"

    def read(self) -> Recording:
        """The recording, with those positions only that the layout knows.

        Raises:
            RecordingError: it cannot be read.
        """
        return self.known(read_recording(self.path, self.wearer))

    def known(self, recording: Recording) -> Recording:
        """The same of what was read already."""
        positions = {name: values for name, values in recording.positions.items() if name in self.layout.positions}
        return replace(recording, name=self.row.recording, positions=positions)

    def labelled(self) -> Labelled:
        """All of it, its events marked; what is neither an event nor known to be normal is not judged."""
        recording = self.read()
        label = self._near(recording, 0.0)
        judged = label | self.row.normal
        calm = ~self._near(recording, MARGIN_S) & self.row.normal
        kinds = ", ".join(sorted({event.kind for event in self.events}))
        normal = self.row.normal and not self.events
        return Labelled(recording, NAME, kinds, normal, label.astype(np.int8), judged, shippable=True, calm=calm)

    def normal(self) -> Labelled:
        """Its normal wear: near an event all is missing, and a window that lacks more than a fifth teaches nothing."""
        return self.normal_of(self.read())

    def normal_of(self, recording: Recording) -> Labelled:
        """The same of what was read already."""
        near = self._near(recording, MARGIN_S)[:, None]
        positions = {
            name: np.where(near, np.nan, samples).astype(np.float32) for name, samples in recording.positions.items()
        }
        size = len(recording.times_s)
        label, judged = np.zeros(size, dtype=np.int8), np.ones(size, dtype=np.bool_)
        return Labelled(replace(recording, positions=positions), NAME, "", True, label, judged, shippable=True)

    def _near(self, recording: Recording, margin_s: float) -> Booleans:
        """(n,) samples in an event, or so near to one."""
        near = np.zeros(len(recording.times_s), dtype=np.bool_)
        for event in self.events:
            near |= _inside(recording, event, margin_s)
        return near


def look_at(path: Path, row: Row, events: list[Event], layout: Layout) -> tuple[Usable | None, list[Problem]]:
    """What one file is good for, None = for nothing; and what in it is not used."""
    one = Usable(path, row, tuple(events), layout)
    try:
        recording = read_recording(path, one.wearer)
        problems = list(_problems(one, recording))
        known = one.known(recording)
        return replace(one, windows=_windows(one, known)) if known.positions else None, problems
    except RecordingError as error:
        return None, [Problem("broken_file" if path.stat().st_size else "empty_file", str(error))]
    except AgentError as error:  # ingest refuses it, for example for its rate
        return None, [Problem("refused_recording", f"{path}: {error}")]


def _problems(one: Usable, recording: Recording) -> Iterator[Problem]:
    if strange := sorted(set(recording.positions) - set(one.layout.positions)):
        advice = f"not used; the known ones are {', '.join(one.layout.positions)}"
        yield Problem("unknown_position", f"{one.path}: position {', '.join(strange)}: {advice}")
    for event in one.events:
        if not _inside(recording, event).any():
            yield Problem(
                "event_outside", f"{one.path}: its event at {event.start_s:g} s lies outside of the recording"
            )


def _windows(one: Usable, recording: Recording) -> int:
    """Of normal wear."""
    if not one.row.normal:
        return 0
    try:
        return len(normal_windows([one.normal_of(recording)], one.layout).wearer)
    except DataError:  # shorter than a window, inside events, or faulty throughout
        return 0


def _inside(recording: Recording, event: Event, margin_s: float = 0.0) -> Booleans:
    """(n,) samples from start to end, both included, and a margin."""
    times_s = recording.times_s
    return (times_s >= event.start_s - margin_s) & (times_s <= event.end_s + margin_s)
