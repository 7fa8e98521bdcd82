"""How many of a gateway's alarms are false? An estimate over the wearers of one gateway, and the level that bounds it.

Each half-minute of each wearer is one test at its level a. While the wearer's wear is normal, an alarm comes with a
chance of at most a. So, with a memory that halves every `HALF_S`,

    share = sum of the levels tested / max(1, alarms told)

both over the memory, is an estimate of the share of false ones among the alarms of about the last day that is too high
rather than too low: it counts every test as one of normal wear. It is the estimate under LORD++ (Ramdas, Yang,
Wainwright, Jordan 2017, NeurIPS, "Online control of the false discovery rate with decaying memory"). With q given,
`level` keeps the estimate at or below q, whatever comes: what is left of q is spent evenly over the next hour. It is
alpha where alarms are frequent enough to be believed, less where many wearers share a gateway and few alarms come.

Guarantee: as long as the level of a test depends only on what was told before it, and each test of normal wear, given
that, has P(p <= a) <= a (conditionally super-uniform), the expected number of false alarms in the memory is at most
the expected sum of levels, so

    E[false alarms] <= q * E[max(1, alarms)]    both over the memory, at any time

(a modified false discovery rate with memory at most q, one alarm always granted). Without alarms that are worth it the
level falls to q false ones in the whole memory, which a small calibration cannot reach: then only doubt is told.

Dependence: what one wearer does does not change another's; but neighbouring half-minutes of one wearer resemble each
other, and so do all half-minutes that are ranked in one calibration. The expectation above needs P(p <= a) <= a only
given the levels, not given each other, so it survives dependence among tests whose levels were fixed before any of
them: that is why the level is held for `HOLD_S` and what is told meanwhile counts from the next hold on (the "local
dependence" of Zrnic, Ramdas, Jordan 2021, "Asynchronous online testing of multiple hypotheses", JMLR 22). What remains
is that a wearer whose wear is odd for longer than that raises the level for himself: his alarms then count as
discoveries, as in every such procedure.
"""

from dataclasses import dataclass
from typing import Any

HALF_S = 43_200.0
"""The memory halves in this time: half a day, so that it holds about the last day (its mean age is 17 hours)."""
HOLD_S = 300.0
"""A level holds at least this long: bouts of walking and sitting, within which half-minutes resemble each other."""
SPENT_S = 3600.0
"""What is left is spent over this time: soon after an alarm, for what comes in company, but not all at once."""
TEST_S = 30.0
"""Each wearer is tested once in this time: `calibrate.BLOCK_S`."""


@dataclass(slots=True)
class Discovery:
    """Levels tested and alarms told on one gateway; six numbers."""

    share_wanted: float | None = None
    """q; None = the level asked for is given as it is, and the share is only estimated."""
    _tested: float = 0.0
    _told: float = 0.0
    _fresh: float = 0.0
    """Alarms told since the level was last set: they count towards it from the next time on."""
    _at_s: float = -float("inf")
    _level: float = 0.0
    _until_s: float = -float("inf")

    def level(self, now_s: float, alpha: float, wearers: int) -> float:
        """The level of each half-minute from now on, at most `alpha`.

        Args:
            now_s: gateway time.
            alpha: level that follows from the budget of false alarms per wearer.
            wearers: how many are tested at it.
        """
        if self.share_wanted is None:
            return alpha
        self._age(now_s)
        if now_s >= self._until_s or self._until_s - now_s > HOLD_S:
            self._told, self._fresh = self._told + self._fresh, 0.0
            self._until_s = now_s + HOLD_S
            room = self.share_wanted * max(1.0, self._told * 0.5 ** (HOLD_S / HALF_S)) - self._tested
            self._level = max(room, 0.0) / max(wearers * SPENT_S / TEST_S, 1.0)
        return min(alpha, self._level)

    def tested(self, now_s: float, levels: float) -> None:
        """Half-minutes were judged; `levels`: the sum of their levels."""
        self._age(now_s)
        self._tested += levels

    def told(self, now_s: float, alarms: int) -> None:
        """So many half-minutes had an alarm."""
        self._age(now_s)
        self._fresh += alarms

    def share(self) -> float:
        """Estimated share of false ones among the last day's alarms, in [0, 1]; 0 before anything is tested."""
        return min(1.0, self._tested / max(1.0, self._told + self._fresh))

    def state(self) -> dict[str, float]:
        """What must survive a restart."""
        return {"tested": self._tested, "told": self._told + self._fresh, "at_s": self._at_s}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state()`.

        Raises:
            ValueError: a figure is missing or cannot be.
        """
        names = ("tested", "told", "at_s")
        if any(not isinstance(state.get(name), (int, float)) for name in names):
            raise ValueError(f"the record of tests lacks one of {', '.join(names)}; start it afresh")
        tested, told, at_s = (float(state[name]) for name in names)
        if not (0 <= tested < float("inf") and 0 <= told < float("inf") and at_s < float("inf")):
            raise ValueError("the record of tests holds figures that cannot be; start it afresh")
        self._tested, self._told, self._at_s = tested, told, at_s

    def _age(self, now_s: float) -> None:
        """Forget in proportion to the time since; a clock that was set back forgets nothing."""
        if now_s > self._at_s:
            kept = 0.5 ** ((now_s - self._at_s) / HALF_S) if self._at_s > -float("inf") else 1.0
            self._tested, self._told, self._fresh = self._tested * kept, self._told * kept, self._fresh * kept
        self._at_s = now_s
