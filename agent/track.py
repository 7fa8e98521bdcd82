"""Verdicts -> happenings: when something starts, goes on and ends, so that one fall is one event.

Per wearer and kind at most one happening is open. It starts after enough windows in a row, is told again when it
grows clearly stranger or lasts, and ends when it has not been seen for the refractory time; what returns earlier is
the same happening. State advances even while nothing is published. Memory: at most three happenings a wearer.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from agent.counters import Counters
from agent.events import Kind, Phase
from agent.judge import Judged
from agent.records import NOISE, NORMAL, NOVELTY, Booleans
from agent.settings import Alarms
from agent.silence import Hearing

KINDS: tuple[Kind, ...] = ("novelty", "sensor_fault", "abstention")
DOUBT_WINDOWS = 2
"""Windows in a row before a fault or an abstention is told: one alone is usually the edge of something else."""
STRANGER = 1.5
"""Factor by which a score must exceed the last one told to be told again."""
UPDATE_S = 2.0
"""Shortest time between two updates."""
STILL_THERE_S = 60.0
"""A happening that lasts is told again this often."""
HOUR_S = 3600.0


@dataclass(slots=True)
class Happening:
    """Something that is going on with one wearer."""

    kind: Kind
    start_s: float
    """End of its first window."""
    last_s: float
    """End of its latest window."""
    windows: int = 1
    revision: int = -1
    """-1 = not told yet."""
    told_s: float = -np.inf
    told_score: float = -np.inf
    said: object = None
    """What was last published of it; the caller's."""


@dataclass(frozen=True, slots=True)
class Change:
    """A happening reached a phase at one window; `window` is -1 where it ended without one."""

    happening: Happening
    """As it is now: later than this change where one tick brought several."""
    phase: Phase
    revision: int
    window: int
    wearer: int
    at_s: float
    """End of the latest window of the happening at this change."""


@dataclass(slots=True)
class Tracker:
    """Follows all wearers; loops over the few windows that are not quiet."""

    alarms: Alarms
    hop_s: float
    counters: Counters
    _open: dict[int, dict[Kind, Happening]] = field(default_factory=dict)
    _told_doubts: dict[int, deque[float]] = field(default_factory=dict)
    _hearing: Hearing = field(default_factory=Hearing)

    def follow(self, judged: Judged, now_s: float) -> list[Change]:
        """The changes that this tick's windows bring, in order of time."""
        kinds = kinds_of(judged)
        wearers = judged.windows.wearer
        busy = kinds.any(axis=1) | np.isin(wearers, list(self._open))
        changes: list[Change] = []
        for window in np.flatnonzero(busy):
            found = [kind for kind, seen in zip(KINDS, kinds[window], strict=True) if seen]
            end_s, score = float(judged.windows.end_s[window]), float(judged.surprise.score[window])
            changes += self._one(int(window), int(wearers[window]), end_s, score, found)
        self._hearing.hear(wearers.tolist(), now_s)
        return changes

    def silence(self, now_s: float) -> list[Change]:
        """Close what is open with wearers who have fallen silent, or their alarms would stand for ever."""
        changes = []
        for wearer in self._hearing.take_silent(now_s):
            changes += self._close(wearer, np.inf)
        return changes

    def finish(self) -> list[Change]:
        """The streams have ended: close what is open."""
        changes = []
        for wearer in list(self._open):
            changes += self._close(wearer, np.inf)
        return changes

    def _one(self, window: int, wearer: int, end_s: float, score: float, found: list[Kind]) -> list[Change]:
        changes = self._close(wearer, end_s)
        for kind in found:
            happening = self._seen(wearer, kind, end_s)
            phase = self._phase(wearer, happening, score)
            if phase:
                happening.revision += 1
                happening.told_s, happening.told_score = end_s, score
                changes.append(Change(happening, phase, happening.revision, window, wearer, end_s))
        return changes

    def _seen(self, wearer: int, kind: Kind, end_s: float) -> Happening:
        happenings = self._open.setdefault(wearer, {})
        happening = happenings.get(kind)
        if happening is None:
            happenings[kind] = happening = Happening(kind, end_s, end_s)
        else:
            happening.windows, happening.last_s = happening.windows + 1, end_s
        return happening

    def _phase(self, wearer: int, happening: Happening, score: float) -> Phase | None:
        """What to tell of a happening that has just been seen; None = nothing new."""
        if happening.revision < 0:
            needed = self.alarms.trigger_windows if happening.kind == "novelty" else DOUBT_WINDOWS
            return "start" if happening.windows >= needed and self._may_tell(wearer, happening) else None
        waited_s = happening.last_s - happening.told_s
        stranger = score > STRANGER * max(happening.told_score, 0.0) and happening.kind == "novelty"
        return "update" if (stranger and waited_s >= UPDATE_S) or waited_s >= STILL_THERE_S else None

    def _may_tell(self, wearer: int, happening: Happening) -> bool:
        """Doubt is rationed per wearer, and is no news while an alarm is open."""
        if happening.kind != "abstention":
            return True
        alarm = self._open[wearer].get("novelty")
        told = self._told_doubts.setdefault(wearer, deque())
        while told and told[0] <= happening.last_s - HOUR_S:
            told.popleft()
        if (alarm and alarm.revision >= 0) or len(told) >= self.alarms.abstentions_per_hour:
            self.counters.count("abstentions_withheld", int(happening.windows == DOUBT_WINDOWS))
            return False
        told.append(happening.last_s)
        return True

    def _close(self, wearer: int, now_s: float) -> list[Change]:
        """End what has not been seen for the refractory time; forget what was never told and has stopped."""
        changes = []
        happenings, in_a_row_s = self._open.get(wearer, {}), 1.5 * self.hop_s
        for kind, happening in list(happenings.items()):
            quiet_s = now_s - happening.last_s
            if quiet_s <= in_a_row_s:
                continue
            if happening.revision < 0:
                del happenings[kind]
            elif quiet_s > self.alarms.refractory_s:
                del happenings[kind]
                happening.revision += 1
                changes.append(Change(happening, "end", happening.revision, -1, wearer, happening.last_s))
        if wearer in self._open and not happenings:
            del self._open[wearer]
        return changes


def kinds_of(judged: Judged) -> Booleans:
    """(n, 3) which of `KINDS` each window shows. A faulty position is told also where another one decides."""
    labels = judged.verdicts.labels
    several = labels.sum(axis=1) > 1
    only_novelty = labels[:, NOVELTY] & ~labels[:, NORMAL] & ~labels[:, NOISE]
    faulty = np.bincount(judged.windows.owner, judged.faulty, len(labels)) > 0
    only_noise = labels[:, NOISE] & ~several
    return np.stack([only_novelty, faulty | only_noise, several], axis=1)
