"""What the pipeline can tell of itself: figures for `/health`, the last verdict of each wearer, scores of a replay."""

from collections.abc import Callable
from typing import Any

import numpy as np

from agent.counters import Counters
from agent.events import Event, iso_time
from agent.explain import Why
from agent.ingest import Streams
from agent.judge import Judged
from agent.records import CAUSES, LABELS
from agent.silence import Hearing


class Observer:
    """Keeps the latest verdict of each wearer; hands every judged tick and every explanation on, if anyone listens."""

    def __init__(self, streams: Streams, counters: Counters) -> None:
        self.on_judged: Callable[[Judged], None] | None = None
        self.on_explained: Callable[[Event, Why], None] | None = None
        self._streams = streams
        self._counters = counters
        self._last: dict[int, dict[str, Any]] = {}
        self._changed: set[int] = set()
        self._hearing = Hearing()
        self._newest_s = -np.inf

    def see(self, judged: Judged, now_s: float) -> None:
        """Take note of one tick."""
        windows = judged.windows
        self._counters.count("windows", len(windows.end_s))
        self._newest_s = max(self._newest_s, float(windows.end_s.max()))
        latest = {int(wearer): window for window, wearer in enumerate(windows.wearer)}  # in order of time: last wins
        for wearer, window in latest.items():
            self._note(wearer, window, judged)
        self._hearing.hear(latest, now_s)
        if self.on_judged:
            self.on_judged(judged)

    def explained(self, event: Event, why: Why) -> None:
        """An event has been made: hand it on with all that explains it."""
        if self.on_explained:
            self.on_explained(event, why)

    def look_for_silence(self, now_s: float) -> None:
        """A wearer of whom nothing comes any more must not look quiet: `silent` in the state."""
        for wearer in self._hearing.take_silent(now_s):
            self._last[wearer]["silent"] = True
            self._changed.add(wearer)

    def _note(self, wearer: int, window: int, judged: Judged) -> None:
        state = {
            "verdict": [label for label, kept in zip(LABELS, judged.verdicts.labels[window], strict=True) if kept],
            "cause": CAUSES[int(judged.verdicts.cause[window])],
            "silent": False,
            "worn": bool(judged.quality.non_wear[judged.windows.owner == window].min() < 1),
        }
        known = self._last.get(wearer, {})
        if any(known.get(key) != value for key, value in state.items()):
            self._changed.add(wearer)
        self._last[wearer] = state | {"window_end": iso_time(float(judged.windows.end_s[window]))}

    def changed_states(self) -> dict[str, dict[str, Any]]:
        """Wearer -> last verdict, where it changed since the last call."""
        changed, self._changed = self._changed, set()
        return {self._streams.wearers[wearer]: self._last[wearer] for wearer in sorted(changed)}

    def health(self) -> dict[str, Any]:
        """Streams heard, their clocks, and how recent the newest window is."""
        newest = None if np.isinf(self._newest_s) else iso_time(self._newest_s)
        offsets = self._streams.clock_offsets_s()
        return {
            "wearers": len(self._streams.wearers),
            "streams": len(offsets),
            "newest_window": newest,
            "silent": [self._streams.wearers[wearer] for wearer, last in self._last.items() if last["silent"]],
            "clock_offsets_s": {name: round(offset, 3) for name, offset in offsets.items() if offset},
        }
