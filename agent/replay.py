"""Recordings through the live path at full speed: the scores file and the events file of `veille replay`."""

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import msgspec
import numpy as np

from agent import events as wire
from agent import messages
from agent.bundle import Bundle
from agent.counters import Counters
from agent.errors import RecordingError
from agent.events import Event
from agent.judge import Judged
from agent.pipeline import Pipeline
from agent.recording import Recording, read_recording
from agent.records import LABELS, PARTS
from agent.settings import Settings
from agent.sources.replay import ReplaySource
from agent.whole import Kept, told

TICK_S = 10.0
"""Recording time taken in one step; what is found does not depend on it."""
SCORES_HEADER = ("recording", "wearer", "t_s", "score", "p_value", "p_low", "p_high", "verdict", *PARTS)


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    """What a replay did."""

    recordings: int
    windows: int
    events: int
    seconds: float
    """Wall time."""
    refused: dict[str, int]
    """Everything that was refused, repaired or dropped, by name."""


class _FileKeeper:
    """Writes each event as a line, stamped like the outbox does."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = file
        self.count = 0

    def put(self, events: list[tuple[str, Event]]) -> None:
        for _, event in events:
            self.count += 1
            if self._file:
                stamped = msgspec.structs.replace(event, seq=self.count)
                self._file.write(wire.encode(stamped).decode() + "\n")


def replay_recordings(
    paths: list[Path],
    *,
    bundle: Bundle,
    settings: Settings,
    wearer: str | None = None,
    scores: TextIO | None = None,
    events: TextIO | None = None,
    explanations: Path | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> ReplaySummary:
    """Replay files one after the other, each as a wearing of its own.

    Args:
        paths: recordings.
        bundle: an opened bundle.
        settings: its `[alarms]` hold.
        wearer: pseudonym; default: the file's name.
        scores: gets the scores file.
        events: gets one event a line.
        explanations: folder that gets the whole explanation of each event, as JSON and as a picture.
        on_progress: called with (recordings done, recordings in all).

    Raises:
        RecordingError: a file cannot be read, is not in g, or names a position that the bundle does not know.
    """
    began = time.monotonic()
    keeper, counters, windows = _FileKeeper(events), Counters(), 0
    table = csv.writer(scores, lineterminator="\n") if scores else None
    if table:
        table.writerow(SCORES_HEADER)
    for done, path in enumerate(paths):
        on_progress(done, len(paths))
        recording = read_recording(path, wearer)
        ticks = _replay(recording, bundle, settings, keeper, counters, explanations)
        counters.count("recordings_without_windows", int(not ticks))  # empty, or shorter than a window
        for judged in ticks:
            windows += len(judged.windows.end_s)
            if table:
                table.writerows(_rows(recording, judged))
    on_progress(len(paths), len(paths))
    refused = {name: n for name, n in counters.snapshot().items() if name not in ("samples", "windows")}
    return ReplaySummary(len(paths), windows, keeper.count, time.monotonic() - began, refused)


def _replay(
    recording: Recording,
    bundle: Bundle,
    settings: Settings,
    keeper: _FileKeeper,
    counters: Counters,
    explanations: Path | None,
) -> list[Judged]:
    _check_positions(recording, bundle)
    source = ReplaySource(recording)
    pipeline = Pipeline(source, bundle, settings, keeper, counters)
    ticks: list[Judged] = []
    pipeline.observer.on_judged = ticks.append
    if explanations is not None:
        pipeline.observer.on_explained = lambda event, why: _write(explanations, recording.name, Kept(event, why))
    refusals = len(counters.latest)
    now_s = float(recording.times_s[0])
    while not source.ended:
        now_s = max(now_s + TICK_S, source.next_s)  # a gap of a year is one step
        pipeline.step(now_s)
    pipeline.finish(now_s)
    if not ticks and len(counters.latest) > refusals:
        raise RecordingError(f"{recording.name}: nothing could be used; {counters.latest[-1]}")
    return ticks


def _write(folder: Path, name: str, kept: Kept) -> None:
    """`<recording>-<seconds>-<kind>.json` and `.svg` for each window that was told; an end has none of its own."""
    data = kept.event.data
    if data.phase == "end":
        return
    at_s = datetime.fromisoformat(data.end).timestamp()
    whole = told(kept, picture=True, trace=True)
    path = folder / f"{name}-{at_s:.2f}-{data.kind}"
    path.with_name(path.name + ".svg").write_text(whole.picture, encoding="utf-8")
    plain = msgspec.structs.replace(whole, picture="")
    path.with_name(path.name + ".json").write_bytes(messages.encode(plain) + b"\n")


def _check_positions(recording: Recording, bundle: Bundle) -> None:
    known = bundle.manifest.layout.positions
    unknown = sorted(set(recording.positions) - set(known))
    if len(unknown) == len(recording.positions):
        raise RecordingError(
            f"{recording.name}: the bundle knows no position {', '.join(unknown)}; it knows {', '.join(sorted(known))}"
        )


def _rows(recording: Recording, judged: Judged) -> list[list[Any]]:
    """Lines of the scores file; a window that could not be scored has empty cells."""
    surprise, labels = judged.surprise, judged.verdicts.labels
    parts = judged.parts()
    return [
        [
            recording.name,
            recording.wearer,
            f"{end_s:.3f}",
            *(_cell(values[i]) for values in (surprise.score, surprise.p_value, surprise.p_low, surprise.p_high)),
            "|".join(label for label, kept in zip(LABELS, labels[i], strict=True) if kept),
            *(_cell(value) for value in parts[i]),
        ]
        for i, end_s in enumerate(judged.windows.end_s)
    ]


def _cell(value: float) -> str:
    return "" if not np.isfinite(value) else f"{value:.6g}"
