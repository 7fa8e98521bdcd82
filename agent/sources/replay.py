"""A recording as a source: the packets that a wearable would have sent, received when they ended."""

import math
from collections.abc import Iterator

from agent.batch import packets
from agent.recording import Recording
from agent.records import Packet


class ReplaySource:
    """Plays one recording on its own clock; see `agent.sources.Source`."""

    def __init__(self, recording: Recording, packet_s: float = 1.0) -> None:
        self._packets: Iterator[Packet] = packets(recording, packet_s)
        self._next: Packet | None = next(self._packets, None)
        self.ended = self._next is None

    def read(self, now_s: float) -> list[Packet]:
        """All packets received by `now_s`, on the recording's clock."""
        due = []
        while self._next is not None and self._next.received_s <= now_s:
            due.append(self._next)
            self._next = next(self._packets, None)
        self.ended = self._next is None
        return due

    @property
    def next_s(self) -> float:
        """When the next packet is received; -inf at the end."""
        return -math.inf if self._next is None else self._next.received_s

    def close(self) -> None:
        """Forget what was not played."""
        self._next, self.ended = None, True
