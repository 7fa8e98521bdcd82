"""Outbox rows -> MQTT (QoS 1), with the status that others watch us by.

At least once: a row leaves the outbox only when its consumers, or without any the broker, have acknowledged it; what
was under way when a connection broke is sent again with the same id. MQTT 3.1.1 has no way to refuse a message: there
a broker that forbids our topics acknowledges and discards (`veille doctor` tells).
"""

import logging
import threading
import time
from typing import Any, Literal

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from agent import messages
from agent.acks import AckBox
from agent.asks import AskBox
from agent.audience import Audience
from agent.clock import Clock
from agent.connection import Connection, Hooks, Message, send
from agent.counters import Counters
from agent.errors import OutboxError
from agent.events import Topics, iso_time
from agent.flight import AFTER_ERROR_S, IN_FLIGHT, Flight
from agent.outbox import Outbox
from agent.settings import Broker, Delivery

log = logging.getLogger("veille")

HAND_OVER_S = 2.0
"""Of a clean stop, the part in which events are handed over; the rest is for saying that it is one."""


class Publisher:
    """Drains the outbox in the background and keeps status, describe and states at the broker.

    Args:
        outbox: whose rows; its `epoch` goes into the status.
        broker: may be down at the start.
        topics: the gateway's topic tree.
        clock: tells how late a row is.
        counters: receives `events_acknowledged`, `events_without_subscriber`, `events_refused`, `outbox_errors`, and
            those of `AckBox` (names that no other thread counts).
        describe: retained on `.../describe`.
        delivery: who must acknowledge, and how fast what waited is sent.
        asks: answers those who ask for an explanation; None = nobody is answered.

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
        describe: dict[str, Any] | messages.Describe,
        delivery: Delivery | None = None,
        asks: AskBox | None = None,
        back_off_s: tuple[float, float] = (0.5, 30.0),
    ) -> None:
        delivery = delivery or Delivery()
        self._topics, self._clock, self._outbox = topics, clock, outbox
        self._audience, self._announced = Audience(delivery), -1
        self._describe = Message(topics.describe, messages.encode(describe), retain=True)
        self._flight = Flight(outbox, clock, counters, delivery, self._audience)
        self._acks, self._asks = AckBox(outbox, self._audience, counters), asks
        self._board = Board()
        self._farewell: int | None = None
        self._settle_at = self._leaving_s = 0.0
        self._connection = Connection(
            broker,
            f"veille-{topics.site}-{topics.gateway}",
            Hooks(
                joined=self._announce,
                turn=self._turn,
                leaving=self._leave,
                message=self._hear,
                published=self._published,
            ),
            will=self._status("offline"),
            back_off_s=back_off_s,
        )
        outbox.on_put = self._connection.wake

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

    def describe(self, describe: dict[str, Any] | messages.Describe) -> None:
        """Another bundle speaks from now on: replace what is retained on `.../describe`."""
        self._describe = Message(self._topics.describe, messages.encode(describe), retain=True)
        self._board.pin(self._describe)

    def take_tally(self) -> dict[str, list[int]]:
        """See `AckBox.take_tally`."""
        return self._acks.take_tally()

    def stop(self, clean: bool = True) -> None:
        """Send what waits (for at most 2 s), publish `stopped` and disconnect; what is left stays in the outbox.

        Unless `clean`: just vanish, so that the broker publishes `offline` for us.
        """
        self._connection.stop(clean)

    def _status(self, state: Literal["online", "offline", "stopped"]) -> Message:
        # The will is written before its time is known.
        said = None if state == "offline" else iso_time(self._clock.now_s())
        body = messages.Status(state=state, epoch=self._outbox.epoch, time=said)
        return Message(self._topics.status, messages.encode(body), retain=True)

    def _announce(self, client: Client, accepted: int) -> None:
        send(client, self._status("online"), qos=1)
        send(client, self._describe, qos=1)
        if self._audience.names:
            client.subscribe(self._topics.ack(), qos=1)
        if self._asks is not None:
            client.subscribe(self._topics.ask, qos=1)
        # Two of those that the broker accepts unacknowledged are for status and describe.
        self._flight.begin(max(1, min(IN_FLIGHT, accepted - 2)))
        self._board.show_again()

    def _hear(self, message: MQTTMessage) -> None:
        if message.retain:
            return
        if self._asks is not None and message.topic == self._topics.ask:
            self._asks.take(bytes(message.payload))
        elif self._acks.take(message.topic, bytes(message.payload)):
            self._flight.backlog.ask()

    def _turn(self, client: Client) -> None:
        if time.monotonic() >= self._settle_at:
            self._settle()
        for message in self._board.changed():
            send(client, message, qos=0)  # if it is lost, so is the connection, and `show_again` follows
        self._flight.drain(client)
        for message in self._asks.answers() if self._asks is not None else ():
            send(client, message, qos=0)  # if it is lost, it is asked for again

    def _settle(self) -> None:
        try:
            self._flight.backlog.progress(self._acks.settle())
            self._announce_drops()
        except OutboxError as error:  # the acknowledgements are kept
            self._settle_at = time.monotonic() + AFTER_ERROR_S
            log.warning("%s", error)

    def _announce_drops(self) -> None:
        """Events that will never come are told once they are given up; also those of earlier starts."""
        if self._announced == self._outbox.dropped:
            return
        kinds, dropped = self._outbox.drops(), self._outbox.dropped
        if kinds:
            body = {"total": sum(one["count"] for one in kinds.values()), "kinds": kinds}
            self._board.pin(Message(self._topics.dropped, messages.encode(body), retain=True))
        self._announced = dropped

    def _leave(self, client: Client) -> bool:
        """Empty the outbox as far as time allows, then say `stopped`; True when that is acknowledged."""
        if self._farewell is None:
            self._turn(client)
            self._leaving_s = self._leaving_s or time.monotonic()
            if not self._flight.idle() and time.monotonic() - self._leaving_s < HAND_OVER_S:
                return False
            self._farewell = send(client, self._status("stopped"), qos=1)
        return self._farewell < 0

    def _published(self, mid: int, code: ReasonCode) -> None:
        if mid == self._farewell:
            self._farewell = -1
        self._flight.answered(mid, code)


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
