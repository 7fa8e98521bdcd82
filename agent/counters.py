"""Everything that was refused, repaired or dropped is counted here and shown in `/health`."""

import logging
from collections import Counter, deque

from agent.errors import PacketError

log = logging.getLogger("veille")


class Counters:
    """Named counts, and the latest refusals in words; bounded memory.

    The names of refusals are `PacketError.reason`s; the others are `late_samples`, `duplicate_packets`,
    `gaps`, `clock_jumps`, ... (GLOSSARY.md lists them).
    """

    LATEST = 16
    """Refusals kept in words."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.latest: deque[str] = deque(maxlen=self.LATEST)

    def count(self, name: str, n: int = 1) -> None:
        """Add `n` to `name`."""
        if n:
            self.counts[name] += n

    def refuse(self, error: PacketError) -> None:
        """Count a refused packet; of each reason only some are logged (`worth_a_line`)."""
        self.counts[error.reason] += 1
        self.latest.append(str(error))
        seen = self.counts[error.reason]
        if worth_a_line(seen):
            log.warning("packet refused (%d so far): %s", seen, error)

    def snapshot(self) -> dict[str, int]:
        """The counts now, names in alphabetical order."""
        return dict(sorted(self.counts.items()))


def worth_a_line(seen: int) -> bool:
    """Whether what was seen so often is logged once more: the 1st, 2nd, 4th, 8th ... time, so a flood is no flood."""
    return seen & (seen - 1) == 0
