"""Outbox rows -> MQTT (QoS 1), with the status that others watch us by.

At least once: a row leaves the outbox only when the broker has acknowledged it; what was under way when a
connection broke is sent again with the same id. MQTT 3.1.1 has no way to refuse a message: there a broker
that forbids our topics acknowledges and discards (`veille doctor` tells).
"""

import logging
import threading
import time
from typing import Any

import msgspec
from paho.mqtt.client import Client
from paho.mqtt.reasoncodes import ReasonCode

from agent.clock import Clock
from agent.connection import Connection, Hooks, Message
from agent.counters import Counters
from agent.errors import OutboxError
from agent.events import Topics, iso_time
from agent.outbox import Outbox, Row
from agent.settings import Broker

log = logging.getLogger("veille")

IN_FLIGHT = 20
"""Events sent and not yet acknowledged, at most."""
HISTORICAL_S = 30.0
"""A row older than this is sent as `historical`, so that it is not taken for what happens now."""
AGAIN_S = 10.0
"""Pause before a refused row is sent again."""
AFTER_ERROR_S = 5.0
"""Pause after the database failed."""
MOST_UNDELETED = 10_000
"""Acknowledged rows kept in mind while they cannot be deleted; then sending stops."""
NO_SUBSCRIBER = 0x10
"""MQTT 5 reason code of a success that nobody heard."""


class Publisher:
    """Drains the outbox in the background and keeps status, describe and states at the broker.

    Args:
        outbox: whose rows; its `epoch` goes into the status.
        broker: may be down at the start.
        topics: the gateway's topic tree.
        clock: tells how late a row is.
        counters: receives `events_acknowledged`, `events_without_subscriber`, `events_refused`, `outbox_errors`
            (names that no other thread counts).
        describe: retained on `.../describe`.

    Raises:
        SettingsError: a password, certificate or key file cannot be read.
    """

    def __init__(
        self,
        outbox: Outbox,
        broker: Broker,
        topics: Topics,
        clock: Clock,
        counters: Counters,
        *,
        describe: dict[str, Any],
        back_off_s: tuple[float, float] = (0.5, 30.0),
    ) -> None:
        self._topics, self._clock, self._epoch = topics, clock, outbox.epoch
        self._describe = Message(topics.describe, msgspec.json.encode(describe), retain=True)
        self._flight = Flight(outbox, clock, counters)
        self._board = Board()
        self._farewell: int | None = None
        self._connection = Connection(
            broker,
            f"veille-{topics.site}-{topics.gateway}",
            Hooks(joined=self._announce, turn=self._turn, leaving=self._leave, published=self._published),
            will=self._status("offline"),
            back_off_s=back_off_s,
        )

    @property
    def connected(self) -> bool:
        """Whether the broker hears us now."""
        return self._connection.connected

    def start(self) -> None:
        """Connect and drain in the background."""
        self._connection.start()

    def publish_health(self, health: dict[str, Any]) -> None:
        """Publish on `.../health`; while the broker is away only the latest waits."""
        self._board.pin(Message(self._topics.health, msgspec.json.encode(health)))

    def publish_state(self, wearer: str, state: dict[str, Any]) -> None:
        """Publish the wearer's last verdict, retained; published again on every new connection."""
        self._board.pin(Message(self._topics.state(wearer), msgspec.json.encode(state), retain=True))

    def stop(self, clean: bool = True) -> None:
        """Send what waits (for at most 3 s), publish `stopped` and disconnect; what is left stays in the outbox.

        Unless `clean`: just vanish, so that the broker publishes `offline` for us.
        """
        self._connection.stop(clean)

    def _status(self, state: str) -> Message:
        body: dict[str, Any] = {"state": state, "epoch": self._epoch}
        if state != "offline":  # the will is written before its time is known
            body["time"] = iso_time(self._clock.now_s())
        return Message(self._topics.status, msgspec.json.encode(body), retain=True)

    def _announce(self, client: Client, accepted: int) -> None:
        _send(client, self._status("online"), qos=1)
        _send(client, self._describe, qos=1)
        # Two of those that the broker accepts unacknowledged are for status and describe.
        self._flight.begin(max(1, min(IN_FLIGHT, accepted - 2)))
        self._board.show_again()

    def _turn(self, client: Client) -> None:
        for message in self._board.changed():
            _send(client, message, qos=0)  # if it is lost, so is the connection, and `show_again` follows
        self._flight.drain(client)

    def _leave(self, client: Client) -> bool:
        """Empty the outbox, then say `stopped`; True when both are acknowledged."""
        if self._farewell is None:
            self._turn(client)
            if not self._flight.idle():
                return False
            self._farewell = _send(client, self._status("stopped"), qos=1)
        return self._farewell < 0

    def _published(self, mid: int, code: ReasonCode) -> None:
        if mid == self._farewell:
            self._farewell = -1
        self._flight.answered(mid, code)


class Flight:
    """Rows on their way; used by the connection's thread only."""

    def __init__(self, outbox: Outbox, clock: Clock, counters: Counters) -> None:
        self._outbox, self._clock, self._counters = outbox, clock, counters
        self._under_way: dict[int, int] = {}  # message id of the client -> seq
        self._acknowledged: set[int] = set()  # not yet deleted
        self._sent = 0  # all rows up to this seq were sent on this connection
        self._room, self._refused = IN_FLIGHT, 0
        self._again_at = self._forget_at = self._read_at = 0.0

    def begin(self, room: int) -> None:
        """A new connection with `room` unacknowledged rows: all that was under way is sent again."""
        self._under_way.clear()
        self._sent = self._refused = 0
        self._room = room

    def idle(self) -> bool:
        """Whether nothing is left to send or to wait for."""
        return not self._under_way and not self._acknowledged and self._sent >= self._outbox.newest_seq

    def drain(self, client: Client) -> None:
        """Delete what was acknowledged, send what there is room for."""
        self._forget()
        for row in self._due():
            self._send(client, row)

    def answered(self, mid: int, code: ReasonCode) -> None:
        """The broker took or refused the message `mid`."""
        seq = self._under_way.pop(mid, None)
        if seq is None:
            return
        if code.is_failure:
            self._refuse(seq, str(code))
            return
        self._acknowledged.add(seq)
        self._counters.count("events_acknowledged")
        self._counters.count("events_without_subscriber", code.value == NO_SUBSCRIBER)

    def _forget(self) -> None:
        """Delete the acknowledged rows; on a full disk that fails, and sending goes on all the same."""
        if not self._acknowledged or time.monotonic() < self._forget_at:
            return
        try:
            self._outbox.acknowledge(list(self._acknowledged))
            self._acknowledged.clear()
        except OutboxError as error:
            self._forget_at = self._tell(error)

    def _due(self) -> list[Row]:
        """Unsent rows in order of `seq`, as many as there is room for."""
        now_s, newest = time.monotonic(), self._outbox.newest_seq
        if self._refused and now_s >= self._again_at:
            self._sent = self._refused = 0  # begin with the oldest again
        room = self._room - len(self._under_way)
        blocked = self._refused >= IN_FLIGHT or len(self._acknowledged) >= MOST_UNDELETED
        if room <= 0 or self._sent >= newest or blocked or now_s < self._read_at:
            return []
        try:
            rows = self._outbox.pending(room, self._sent)
        except OutboxError as error:
            self._read_at = self._tell(error)
            return []
        self._sent = rows[-1].seq if len(rows) == room else newest
        taken = self._acknowledged.union(self._under_way.values())
        return [row for row in rows if row.seq not in taken]

    def _tell(self, error: OutboxError) -> float:
        """Count and log; returns when to try again."""
        self._counters.count("outbox_errors")
        log.warning("%s", error)
        return time.monotonic() + AFTER_ERROR_S

    def _send(self, client: Client, row: Row) -> None:
        late = self._clock.now_s() - row.created_s > HISTORICAL_S
        try:
            payload = _as_historical(row.payload) if late else row.payload
            self._under_way[_send(client, Message(row.topic, payload), qos=1)] = row.seq
        except ValueError as error:  # spoilt on the disk: no JSON any more, or a topic that MQTT does not allow
            self._refuse(row.seq, str(error))

    def _refuse(self, seq: int, why: str) -> None:
        """The row stays and is tried again later; one such row holds up no other, but many stop the drain."""
        if not self._refused:
            log.error("event %d is refused: %s; next attempt in %.0f s", seq, why, AGAIN_S)
        self._counters.count("events_refused")
        self._refused += 1
        self._again_at = time.monotonic() + AGAIN_S


class Board:
    """The latest message of each topic, shared by the main loop (pins) and the network thread (shows)."""

    def __init__(self) -> None:
        self._latest: dict[str, Message] = {}
        self._unseen: set[str] = set()
        self._lock = threading.Lock()

    def pin(self, message: Message) -> None:
        """Replace the topic's message."""
        with self._lock:
            self._latest[message.topic] = message
            self._unseen.add(message.topic)

    def show_again(self) -> None:
        """A broker that was restarted may have forgotten what was retained."""
        with self._lock:
            self._unseen.update(topic for topic, message in self._latest.items() if message.retain)

    def changed(self) -> list[Message]:
        """What was pinned since the last call."""
        with self._lock:
            topics, self._unseen = self._unseen, set()
            return [self._latest[topic] for topic in topics]


def _send(client: Client, message: Message, qos: int) -> int:
    """Hand over to the client; returns its message id."""
    return client.publish(message.topic, message.payload, qos, message.retain).mid


def _as_historical(payload: bytes) -> bytes:
    """The same event marked as late; read as plain JSON, so that fields of a newer agent stay in."""
    event: dict[str, Any] = msgspec.json.decode(payload, type=dict[str, Any])
    event["historical"] = True
    return msgspec.json.encode(event)
