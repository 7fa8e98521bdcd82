"""Who asks for the whole explanation of an event, on `.../command/explain`: checked, counted, answered.

Everything that comes here was written by others. What is no question, or is about an event that is not kept any more,
is counted and has no other effect; a flood is cut off at `MOST_HELD`. An answer goes below the wearer's own topics, so
that who may not read a wearer's events does not read their explanations either.
"""

import logging
from collections import deque
from collections.abc import Callable

import msgspec

from agent import messages
from agent.connection import Message
from agent.counters import Counters, worth_a_line
from agent.events import Topics
from agent.whole import Kept, told

log = logging.getLogger("veille")

MOST_HELD = 32
"""Questions kept until the next turn."""
LARGEST = 4096
"""Bytes of one question."""


class AskBox:
    """Questions between their arrival and their answers; used by the connection's thread only.

    Counts `explanations_asked`, `explanations_unknown` (of another gateway, or too long ago), `asks_malformed`,
    `asks_overflow`.
    """

    def __init__(
        self, find: Callable[[str], Kept | None], topics: Topics, counters: Counters, trace: bool = False
    ) -> None:
        """`find`: event id -> what explains it, if it is kept; `trace`: draw samples in pictures."""
        self._find, self._topics, self._counters, self._trace = find, topics, counters, trace
        self._held = deque[messages.Ask]()

    def take(self, payload: bytes) -> None:
        """One question."""
        self._counters.count("explanations_asked")
        if len(self._held) >= MOST_HELD:
            self._counters.count("asks_overflow")
            return
        try:
            if len(payload) > LARGEST:
                raise msgspec.DecodeError(f"{len(payload)} bytes")
            self._held.append(msgspec.json.decode(payload, type=messages.Ask))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # includes ValidationError
            self._counters.count("asks_malformed")
            if worth_a_line(self._counters.counts["asks_malformed"]):
                log.warning("asks_malformed: %s", str(error)[:300])

    def answers(self) -> list[Message]:
        """What there is to say to all that was asked."""
        found = []
        while self._held:
            ask = self._held.popleft()
            kept = self._find(ask.id)
            if kept is None:
                self._counters.count("explanations_unknown")
                continue
            whole = told(kept, picture=ask.picture, trace=self._trace)
            found.append(Message(self._topics.explanation(whole.wearer), messages.encode(whole)))
        return found
