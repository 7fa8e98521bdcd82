"""From the broker into the inbox, and the acknowledgement back: in this order, so that nothing can be lost between.

The broker is told that a message has come only after it is stored, and the gateway likewise. Stored before? Then it is
acknowledged again, for the first acknowledgement may have been lost. After each connection, and whenever a gateway
says that it is online, its unacknowledged events are asked for (`replay`).
"""

import logging
from collections import defaultdict
from collections.abc import Callable

import msgspec
from paho.mqtt.client import Client, MQTTMessage

from agent import messages
from agent.clock import Clock
from agent.connection import Connection, Hooks, Message, send
from agent.consumer.inbox import Envelope, Inbox
from agent.consumer.settings import ConsumerSettings
from agent.counters import Counters
from agent.errors import OutboxError

log = logging.getLogger("veille")


class Listener:
    """One consumer's connection; what it heard is stored in the connection's thread.

    Args:
        settings: who we are, and where the broker is.
        inbox: used by this thread only, from `start` on.
        clock: stamps arrivals.
        counters: receives `events`, `duplicates`, `malformed`, `inbox_errors`.
        on_event: called with the payload of each new event, after it is stored.

    Raises:
        SettingsError: a password, certificate or key file cannot be read.
    """

    def __init__(
        self,
        settings: ConsumerSettings,
        inbox: Inbox,
        clock: Clock,
        counters: Counters,
        on_event: Callable[[bytes], None] = lambda payload: None,
    ) -> None:
        self._settings, self._inbox, self._clock, self._counters = settings, inbox, clock, counters
        self._on_event = on_event
        self._heard: list[tuple[str, Envelope, bytes]] = []
        self._ask: set[str] = set()
        self._connection = Connection(
            settings.broker,
            f"veille-{settings.name}-{settings.worker}",
            Hooks(joined=self._subscribe, turn=self._turn, message=self._hear),
            session_s=settings.session_s,
            takes_charge=True,
        )

    @property
    def connected(self) -> bool:
        """Whether the broker hears us now."""
        return self._connection.connected

    def start(self) -> None:
        """Connect and listen in the background."""
        self._connection.start()

    def stop(self) -> None:
        """Disconnect; the broker goes on queueing for us."""
        self._connection.stop()

    def _subscribe(self, client: Client, _: int) -> None:
        self._heard.clear()  # not stored, so the broker will send it again
        client.subscribe([(topic, 1) for topic in topics(self._settings)])

    def _hear(self, message: MQTTMessage) -> None:
        payload = bytes(message.payload)
        root, _, rest = message.topic.partition("/wearer/")
        if not rest:
            self._hear_status(message.topic, payload)
            return
        try:
            envelope = msgspec.json.decode(payload, type=Envelope)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._refuse(message.topic, str(error))
            return
        # The broker's access list vouches for the topic, not for what a gateway writes into its payload.
        if envelope.source != root.replace("/v1", "", 1) or envelope.subject != rest.split("/")[0]:
            self._refuse(message.topic, "source or subject are not those of the topic")
            return
        self._heard.append((root, envelope, payload))

    def _refuse(self, topic: str, why: str) -> None:
        self._counters.count("malformed")
        log.warning("%s: not an event: %s", topic, why)

    def _hear_status(self, topic: str, payload: bytes) -> None:
        log.info("%s: %s", topic, payload[:200].decode(errors="replace"))
        if b'"online"' in payload:
            self._ask.add(topic.removesuffix("/status"))

    def _turn(self, client: Client) -> None:
        asking, self._ask = self._ask, set()
        for root in asking:
            self._answer(client, root, messages.Acks(replay=True))
        if not self._heard:
            return
        heard, self._heard = self._heard, []
        try:
            new = self._inbox.put([(envelope, payload) for _, envelope, payload in heard], self._clock.now_s())
        except OutboxError as error:
            self._counters.count("inbox_errors")
            raise ConnectionError(str(error)) from error  # leave: the broker keeps what it has not been answered
        self._acknowledge(client, heard)
        self._counters.count("events", sum(new))
        self._counters.count("duplicates", len(new) - sum(new))
        for (_, _, payload), is_new in zip(heard, new, strict=True):
            if is_new:
                self._on_event(payload)

    def _acknowledge(self, client: Client, heard: list[tuple[str, Envelope, bytes]]) -> None:
        acks: dict[str, list[messages.Ack]] = defaultdict(list)
        for root, envelope, _ in heard:
            acks[root].append(messages.Ack(id=envelope.id, revision=envelope.data.revision))
        for root, given in acks.items():
            for start in range(0, len(given), messages.MOST_ACKS):
                self._answer(client, root, messages.Acks(acks=given[start : start + messages.MOST_ACKS]))

    def _answer(self, client: Client, root: str, message: messages.Acks) -> None:
        send(client, Message(f"{root}/ack/{self._settings.name}", messages.encode(message)), qos=1)


def topics(settings: ConsumerSettings) -> list[str]:
    """What is subscribed to: the events of the wearers, and the status of their gateways."""
    root = f"veille/v1/{settings.site}/{settings.gateway}"
    share = f"$share/{settings.name}/" if settings.shared else ""
    events = [f"{share}{root}/wearer/{wearer}/event/+" for wearer in settings.wearers or ("+",)]
    return [*events, f"{root}/status"]
