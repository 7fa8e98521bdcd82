"""Two bundles on the same wear: do they raise about as many alarms, and can they score?

The unit is the half-minute of one wearer, as in calibration. Of those that both judged, only the ones count in which
just one of them raised an alarm: were both bundles as likely to do so alone, each such half-minute would be a fair coin
(McNemar 1947, Psychometrika 12:153). It is watched all the time, so the test is one that may be: the stake of a gambler
who bets on the coin with Krichevsky and Trofimov's mixture (1981, IEEE Trans. Inf. Theory 27:199)

    E = 2^n B(b + 1/2, c + 1/2) / B(1/2, 1/2)        n = b + c

is a test martingale, so P(E ever reaches 1/a) <= a (Ville 1939), here a = `LEVEL`.
Assumption: given that just one of the two raises an alarm in a half-minute, which one does is independent of the past.
An unrest of several minutes breaks it; so in addition one must raise `alarm_factor` times as many as the other.

What is wrong within seconds is told by shares over the windows of half a minute of time: `FLOOD`, `UNSCORED`, `BUSY`.
"""

import logging
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agent.calibrate import BLOCK_S
from agent.errors import first_line
from agent.judge import Judged
from agent.records import LABELS, NORMAL

log = logging.getLogger("veille")

LEVEL = 0.01
FLOOD, CALM = 0.5, 0.1
"""Alarms in more than this share of the new one's windows, while the other has them in less than CALM: a flood."""
UNSCORED = 0.2
"""So much more of the windows may the new one leave without a score."""
BUSY = 0.5
"""Share of the time that the new one may compute."""
FEWEST_WINDOWS = 40
"""Shares of fewer windows say nothing; 20 s of one wearer."""
PATIENCE_BLOCKS = 4
"""A half-minute is closed this many later: positions that lag are judged late."""

ALARM, DOUBT, SCORED = 1, 2, 4
OLD, NEW = 0, 1


@dataclass(slots=True)
class Share:
    """Of the windows since the last look, for one of the two."""

    windows: int = 0
    alarms: int = 0
    unscored: int = 0
    busy_s: float = 0.0

    def of(self, many: int) -> float:
        """Share of the windows."""
        return many / max(self.windows, 1)


@dataclass(slots=True)
class Comparison:
    """Counts, for the one that was there (0) and the one that is new (1). Memory: two numbers a wearer and half-minute,
    of the last two minutes.
    """

    alarm_factor: float
    half_minutes: int = 0
    """Judged by both."""
    alarms: list[int] = field(default_factory=lambda: [0, 0, 0])
    """Half-minutes with an alarm of the old one, of the new one, of both."""
    doubts: list[int] = field(default_factory=lambda: [0, 0])
    unscored: list[int] = field(default_factory=lambda: [0, 0])
    verdicts: tuple[dict[str, int], dict[str, int]] = field(default_factory=lambda: ({}, {}))
    """Windows by verdict."""
    shares: tuple[Share, Share] = field(default_factory=lambda: (Share(), Share()))
    broken: str = ""
    """Why nothing can be compared any more."""
    _open: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    _newest: int = 0

    def hear(self, side: int, judged: Judged, wearers: list[str]) -> None:
        """What one of the two made of a tick. Never raises: one of the two is watching over people."""
        try:
            self._hear(side, judged, wearers)
        except Exception as error:
            log.exception("two bundles cannot be compared")
            self.broken = f"they cannot be compared: {type(error).__name__}: {first_line(error)}"

    def _hear(self, side: int, judged: Judged, wearers: list[str]) -> None:
        labels, windows = judged.verdicts.labels, judged.windows
        scored = np.isfinite(judged.surprise.p_value)
        alarm, doubt = ~labels[:, NORMAL] & (labels.sum(axis=1) == 1) & labels[:, 2], labels.sum(axis=1) > 1
        share = self.shares[side]
        share.windows += len(labels)
        share.alarms += int(alarm.sum())
        share.unscored += int((~scored).sum())
        flags = ALARM * alarm + DOUBT * doubt + SCORED * scored
        blocks = (windows.end_s // BLOCK_S).astype(int)
        for slot, block, flag in zip(windows.wearer.tolist(), blocks.tolist(), flags.tolist(), strict=True):
            both = self._open.setdefault((wearers[slot], block), [-1, -1])
            both[side] = max(both[side], 0) | flag
        self._count_verdicts(side, labels)
        self._newest = max(self._newest, int(blocks.max(initial=0)))
        self._close()

    def _count_verdicts(self, side: int, labels: Any) -> None:
        sets, many = np.unique(labels, axis=0, return_counts=True)
        for kept, count in zip(sets, many.tolist(), strict=True):
            name = "|".join(label for label, there in zip(LABELS, kept, strict=True) if there)
            self.verdicts[side][name] = self.verdicts[side].get(name, 0) + count

    def _close(self) -> None:
        for key in [key for key in self._open if key[1] < self._newest - PATIENCE_BLOCKS]:
            old, new = self._open.pop(key)
            if min(old, new) < 0:
                continue  # the new one did not hear it yet
            self.half_minutes += 1
            self.alarms[OLD] += bool(old & ALARM)
            self.alarms[NEW] += bool(new & ALARM)
            self.alarms[2] += bool(old & new & ALARM)
            for side, flag in ((OLD, old), (NEW, new)):
                self.doubts[side] += bool(flag & DOUBT)
                self.unscored[side] += not flag & SCORED

    def evidence(self) -> float:
        """E above, as its natural logarithm."""
        only_old, only_new = self.alarms[OLD] - self.alarms[2], self.alarms[NEW] - self.alarms[2]
        n = only_old + only_new
        return n * math.log(2) + _log_beta(only_old + 0.5, only_new + 0.5) - _log_beta(0.5, 0.5)

    def fault(self) -> str:
        """What is wrong with the alarm rate; empty = nothing that these half-minutes show."""
        if self.broken:
            return self.broken
        old, new = self.alarms[OLD], self.alarms[NEW]
        apart = new > self.alarm_factor * old or old > self.alarm_factor * new
        if not apart or self.evidence() < math.log(1 / LEVEL):
            return ""
        much = "more" if new > old else "fewer"
        return (
            f"{much} alarms: in {new} of {self.half_minutes} half-minutes, the bundle before in {old} of the same; "
            f"the bound is a factor of {self.alarm_factor:g}"
        )

    def look(self, elapsed_s: float) -> str:
        """What is wrong with the windows since the last look; empty = nothing, or too few."""
        (old, new), self.shares = self.shares, (Share(), Share())
        if new.busy_s > BUSY * elapsed_s and elapsed_s > 1:
            return f"too slow: it computes for {100 * new.busy_s / elapsed_s:.0f} % of the time"
        if min(old.windows, new.windows) < FEWEST_WINDOWS:
            return ""
        if new.of(new.alarms) > FLOOD and old.of(old.alarms) < CALM:
            told = f"{100 * new.of(new.alarms):.0f} % of its windows, {100 * old.of(old.alarms):.0f} % of those before"
            return f"a flood of alarms: in {told}"
        if new.of(new.unscored) > old.of(old.unscored) + UNSCORED:
            return f"it cannot score {100 * new.of(new.unscored):.0f} % of the windows"
        return ""

    def told(self) -> dict[str, Any]:
        """The counts, for `/health` and for people."""
        return {
            "half_minutes": self.half_minutes,
            "alarms": dict(zip(("old", "new", "both"), self.alarms, strict=True)),
            "doubts": dict(zip(("old", "new"), self.doubts, strict=True)),
            "unscored": dict(zip(("old", "new"), self.unscored, strict=True)),
            "verdicts": dict(zip(("old", "new"), self.verdicts, strict=True)),
            "evidence": round(math.exp(min(self.evidence(), 100.0)), 3),
        }


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
