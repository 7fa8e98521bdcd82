"""What consumers acknowledge on `.../ack/{consumer}`: checked, counted, and noted in the outbox.

Everything that comes here was written by others. What is no acknowledgement, comes from a stranger, or names an event
that does not wait here is counted and has no effect; a flood is cut off at `MOST_HELD`.
"""

import logging
import threading
from collections import defaultdict

import msgspec

from agent import messages
from agent.audience import Audience
from agent.counters import Counters, worth_a_line
from agent.outbox import Outbox

log = logging.getLogger("veille")

MOST_HELD = 20_000
"""Acknowledgements kept until the next turn."""
LARGEST = 256 << 10
"""Bytes of one message; a thousand acknowledgements take half of it."""


class AckBox:
    """Acknowledgements between their arrival and the outbox; used by the connection's thread; `take_tally` by any.

    Counts `acks`, `acks_unknown` (no such event waits: of another gateway, or acknowledged before), `acks_malformed`,
    `acks_stranger` (a consumer that is not in the settings), `acks_overflow`, `replays_asked`.
    """

    def __init__(self, outbox: Outbox, audience: Audience, counters: Counters) -> None:
        self._outbox, self._audience, self._counters = outbox, audience, counters
        self._held: dict[str, set[tuple[str, int]]] = defaultdict(set)
        self._many = 0
        self._released = False
        self._tally: dict[str, list[int]] = {}
        self._tally_lock = threading.Lock()

    def take_tally(self) -> dict[str, list[int]]:
        """Consumer -> how many events it acknowledged since the last call, the lowest and the highest `seq`."""
        with self._tally_lock:
            tally, self._tally = self._tally, {}
        return tally

    def take(self, topic: str, payload: bytes) -> bool:
        """One message; True where its sender asks to hear the rest again."""
        consumer = topic.rsplit("/", 1)[-1]
        if consumer not in self._audience.names:
            return self._refuse("acks_stranger", topic, "not in `consumers` of the settings")
        if len(payload) > LARGEST:
            return self._refuse("acks_malformed", topic, f"{len(payload)} bytes")
        try:
            message = msgspec.json.decode(payload, type=messages.Acks)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # includes ValidationError
            return self._refuse("acks_malformed", topic, str(error))
        self._hold(consumer, message.acks)
        self._counters.count("replays_asked", int(message.replay))
        return message.replay

    def settle(self) -> list[int]:
        """Note in the outbox what has come; returns the `seq`s that were acknowledged for the first time.

        Raises:
            OutboxError: it is tried again at the next call.
        """
        if not self._released:
            self._outbox.release(self._audience)
            self._released = True
        noted: list[int] = []
        while self._held:
            consumer, keys = next(iter(self._held.items()))
            new = self._outbox.confirm(consumer, keys, self._audience)
            self._counters.count("acks", len(new))
            self._counters.count("acks_unknown", len(keys) - len(new))
            noted += new
            self._count(consumer, new)
            self._many -= len(self._held.pop(consumer))
        return noted

    def _hold(self, consumer: str, acks: list[messages.Ack]) -> None:
        room = max(0, MOST_HELD - self._many)
        self._counters.count("acks_overflow", max(0, len(acks) - room))
        held = self._held[consumer]
        before = len(held)
        held.update((ack.id, ack.revision) for ack in acks[:room])
        self._many += len(held) - before

    def _count(self, consumer: str, new: list[int]) -> None:
        if new:
            with self._tally_lock:
                many, low, high = self._tally.get(consumer, (0, new[0], new[0]))
                self._tally[consumer] = [many + len(new), min(low, *new), max(high, *new)]

    def _refuse(self, name: str, topic: str, why: str) -> bool:
        self._counters.count(name)
        seen = self._counters.counts[name]
        if worth_a_line(seen):
            log.warning("%s (%d so far): %s: %s", name, seen, topic[-200:], why[:300])
        return False
