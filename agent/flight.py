"""Rows on their way to the broker: new ones at once and in order, what waited behind them at a bounded rate.

Broker mode: a row is deleted when the broker has acknowledged it and the connection has outlived that by `settle_s`.
End to end: the broker's acknowledgement only makes room for the next; `agent.acks` deletes.
"""

import logging
import time
from dataclasses import dataclass

import msgspec
from paho.mqtt.client import Client
from paho.mqtt.reasoncodes import ReasonCode

from agent.audience import Audience
from agent.backlog import Backlog
from agent.clock import Clock
from agent.connection import Message, send
from agent.counters import Counters
from agent.errors import OutboxError
from agent.events import RETAINED
from agent.outbox import Outbox, Row
from agent.settings import Delivery

log = logging.getLogger("veille")

IN_FLIGHT = 20
"""Events sent and not yet acknowledged by the broker, at most."""
BACKLOG_SHARE = 0.75
"""Of these, the part that rows which waited may take: a new event always finds room."""
HISTORICAL_S = 30.0
"""A row older than this waits behind what happens now. What waits there is sent as `historical`."""
AGAIN_S = 10.0
"""Pause before a refused row is sent again."""
AFTER_ERROR_S = 5.0
"""Pause after the database failed."""
FORGET_S = 0.25
"""Delivered rows are deleted this often, together: each deletion waits for the disk, and so would a new event."""
DEAF_S = 60.0
"""A broker that answers none of our events for so long, while it answers pings, is left and called again."""
MOST_UNDELETED = 10_000
"""Acknowledged rows kept in mind while they cannot be deleted; then sending stops."""
NO_SUBSCRIBER = 0x10
"""MQTT 5 reason code of a success that nobody heard."""


@dataclass(slots=True)
class Pauses:
    """When (monotonic seconds) something is tried again."""

    refused: float = 0.0
    forget: float = 0.0
    read: float = 0.0


class Flight:
    """Which row goes next; used by the connection's thread only."""

    def __init__(
        self, outbox: Outbox, clock: Clock, counters: Counters, delivery: Delivery, audience: Audience
    ) -> None:
        self._outbox, self._clock, self._counters, self._delivery = outbox, clock, counters, delivery
        self._audience = audience
        self.backlog = Backlog(delivery.drain_per_s, repeats=bool(delivery.consumers))
        self._under_way: dict[int, Row] = {}  # by message id of the client
        self._taken: dict[int, float] = {}  # seq -> when the broker took it; not yet deleted
        self._refused: set[int] = set()
        self._live = 0  # all rows up to this seq were sent on this connection, or belong to the backlog
        self._room, self._answered_s = IN_FLIGHT, 0.0
        self._pauses = Pauses()

    def begin(self, room: int) -> None:
        """A new connection with `room` unacknowledged rows: all that was under way, or unsettled, is sent again."""
        self._under_way.clear()
        self._taken.clear()
        self._refused.clear()
        self._room, self._answered_s, self._live = room, time.monotonic(), 0
        try:
            self._live = self._outbox.newest_before(self._clock.now_s() - HISTORICAL_S)
        except OutboxError as error:
            self._pauses.read = self._tell(error)
        self.backlog.begin(self._live, time.monotonic())

    def idle(self) -> bool:
        """Whether nothing is left that this connection could deliver now."""
        waiting = self._under_way or self._taken
        sent = self._live >= self._outbox.newest_seq
        return not waiting and sent and (self.backlog.done or self.backlog.stalled)

    def drain(self, client: Client) -> None:
        """Delete what was delivered, send what there is room for.

        Raises:
            TimeoutError: the broker answers nothing any more; leave it.
        """
        now_s = time.monotonic()
        if not self._under_way:
            self._answered_s = now_s
        elif now_s - self._answered_s > DEAF_S:
            raise TimeoutError(f"the broker acknowledged nothing for {DEAF_S:.0f} s")
        self._forget(now_s)
        for row, behind in self._due(now_s):
            self._send(client, row, behind)

    def answered(self, mid: int, code: ReasonCode) -> None:
        """The broker took or refused the message `mid`."""
        row = self._under_way.pop(mid, None)
        if row is None:
            return
        self._answered_s = time.monotonic()
        if code.is_failure:
            self._refuse(row.seq, str(code))
            return
        if not self._audience.of(row.topic):
            self._taken[row.seq] = self._answered_s
        self._counters.count("events_acknowledged")
        self._counters.count("events_without_subscriber", code.value == NO_SUBSCRIBER)

    def _forget(self, now_s: float) -> None:
        """Delete the settled rows; on a full disk that fails, and sending goes on all the same."""
        if now_s < self._pauses.forget:
            return
        settled = [seq for seq, at in self._taken.items() if now_s - at >= self._delivery.settle_s]
        if not settled:
            return
        self._pauses.forget = now_s + FORGET_S
        try:
            self._outbox.acknowledge(settled)
        except OutboxError as error:
            self._pauses.forget = self._tell(error)
            return
        for seq in settled:
            del self._taken[seq]

    def _due(self, now_s: float) -> list[tuple[Row, bool]]:
        """Rows to send now, as many as there is room for, and of each whether newer ones may have gone before it.

        New ones first, then refused ones, then those that waited.
        """
        room = self._room - len(self._under_way)
        blocked = len(self._refused) >= IN_FLIGHT and now_s < self._pauses.refused
        if room <= 0 or blocked or len(self._taken) >= MOST_UNDELETED or now_s < self._pauses.read:
            return []
        try:
            rows = [(row, False) for row in self._new(room)]
            rows += [(row, True) for row in self._refused_again(room - len(rows), now_s)]
            rows += [(row, True) for row in self._waited(room - len(rows), now_s)]
        except OutboxError as error:
            self._pauses.read = self._tell(error)
            return []
        known = self._taken.keys() | {row.seq for row in self._under_way.values()} | self._refused
        return [(row, behind) for row, behind in rows if row.seq not in known]

    def _new(self, room: int) -> list[Row]:
        """Unsent rows in order of `seq`; those that grew old while there was no room go over to the backlog."""
        newest = self._outbox.newest_seq
        if self._live >= newest:
            return []
        rows, before = self._outbox.pending(room, self._live), self._live
        self._live = rows[-1].seq if len(rows) == room else newest
        late = [row for row in rows if self._clock.now_s() - row.created_s > HISTORICAL_S]
        if late:
            self.backlog.extend(before, late[-1].seq)
        return rows[len(late) :]

    def _refused_again(self, room: int, now_s: float) -> list[Row]:
        if not self._refused or now_s < self._pauses.refused:
            return []
        again = sorted(self._refused)[:room]
        self._refused.difference_update(again)
        return [row for seq in again for row in self._outbox.pending(1, seq - 1, seq)]

    def _waited(self, room: int, now_s: float) -> list[Row]:
        share = max(1, int(self._room * BACKLOG_SHARE)) - len(self._under_way)
        many = min(room, share, self.backlog.allowance(self._live, now_s))
        if many <= 0:
            return []
        rows = self._outbox.pending(many, self.backlog.after, self.backlog.until)
        self.backlog.sent([row.seq for row in rows], many, now_s)
        return rows

    def _tell(self, error: OutboxError) -> float:
        """Count and log; returns when to try again."""
        self._counters.count("outbox_errors")
        log.warning("%s", error)
        return time.monotonic() + AFTER_ERROR_S

    def _send(self, client: Client, row: Row, behind: bool) -> None:
        try:
            payload = _as_historical(row.payload) if behind else row.payload
            self._under_way[send(client, Message(row.topic, payload, retain=row.topic.endswith(RETAINED)), qos=1)] = row
        except ValueError as error:  # spoilt on the disk: no JSON any more, or a topic that MQTT does not allow
            self._refuse(row.seq, str(error))

    def _refuse(self, seq: int, why: str) -> None:
        """The row stays and is tried again later; one such row holds up no other, but many stop the drain."""
        if not self._refused:
            log.error("event %d is refused: %s; next attempt in %.0f s", seq, why, AGAIN_S)
        self._counters.count("events_refused")
        self._refused.add(seq)
        self._pauses.refused = time.monotonic() + AGAIN_S


def _as_historical(payload: bytes) -> bytes:
    """The same event marked as late; read as plain JSON, so that fields of a newer agent stay in."""
    event = msgspec.json.decode(payload, type=dict[str, object])
    event["historical"] = True
    return msgspec.json.encode(event)
