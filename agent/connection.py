"""One connection to a broker, kept up by one thread: MQTT 5, else 3.1.1; lost connections come back with back-off.

Each attempt gets a fresh client and only this thread touches it, so the client library never holds messages
of its own over an outage: what must survive one lies in the outbox, or in the broker's session.
Time-outs here run on the machine's monotonic clock, because the wall clock of a gateway may step.
"""

import logging
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.counters import worth_a_line
from agent.credentials import add_credentials
from agent.errors import SettingsError
from agent.settings import Broker
from agent.wake import Wake, serve

log = logging.getLogger("veille")

LOOK_S = 0.05
"""Longest wait for the network before the thread sees what there is to send."""
STEADY_S = 10.0
"""A connection that ended sooner counts as another failure: a broker that sends us away at once is not pestered."""
ANSWER_S = 2.0
"""Time that a broker has to answer our first words; doubled after every second failure, up to the keepalive."""
FAREWELL_S = 3.0
"""Longest time that a clean stop takes to hand over what is left."""
MAX_PACKET = 16 << 20
"""Bytes; larger messages are kept back by an MQTT 5 broker."""
SAID_NOTHING = "the broker did not answer"


@dataclass(frozen=True, slots=True)
class Message:
    """Something to publish."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What the owner does at the turns of a connection; all are called from the connection's thread."""

    joined: Callable[[Client, int], None]
    """The broker took us in; the number is how many QoS 1 messages it accepts unacknowledged."""
    turn: Callable[[Client], None] = lambda client: None
    """Called every `LOOK_S` or sooner while connected: send what there is."""
    leaving: Callable[[Client], bool] = lambda client: True
    """Called before a clean stop until it returns True, for at most `FAREWELL_S`."""
    message: Callable[[MQTTMessage], None] = lambda message: None
    subscribed: Callable[[bool], None] = lambda allowed: None
    """The broker answered a subscription."""
    published: Callable[[int, ReasonCode], None] = lambda mid, code: None
    """The broker answered the QoS 1 message `mid`."""


class Connection:
    """Keeps one client connected until stopped.

    Args:
        broker: where to, and with which credentials.
        client_id: the same over restarts, so that the broker finds the session again.
        hooks: the owner's part.
        will: what the broker publishes (QoS 1) when we vanish.
        session_s: how long the broker keeps our session and queues for us; 0 = not at all.
            MQTT 3.1.1 knows no such time: there a session asked for is kept for ever.
        back_off_s: first and longest wait between attempts.
        takes_charge: tell the broker that a message has come only after the next `turn`, in which the owner stores it.

    Raises:
        SettingsError: a password, certificate or key file cannot be read.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        hooks: Hooks,
        *,
        will: Message | None = None,
        session_s: int = 0,
        back_off_s: tuple[float, float] = (0.5, 30.0),
        takes_charge: bool = False,
    ) -> None:
        self.connected = False
        self.version = MQTTProtocolVersion.MQTTv5
        """Protocol of the latest attempt."""
        self.failures = 0
        """Attempts in a row that led to no steady connection."""
        self._broker, self._client_id, self._hooks = broker, client_id, hooks
        self._will, self._session_s, self._back_off_s = will, session_s, back_off_s
        self._old_broker = False  # told us that it does not speak MQTT 5
        self._reason = ""
        self._takes_charge, self._charged = takes_charge, list[MQTTMessage]()
        self._wake = Wake()
        self._stop, self._clean = threading.Event(), True
        self._thread = threading.Thread(target=self._run, name=client_id, daemon=True)
        self._client(self.version)  # a missing file is told now, not in the background

    def start(self) -> None:
        """Begin to connect; a broker that is down is not an error."""
        self._thread.start()

    def wake(self) -> None:
        """There is something to send: take the next turn now. From any thread."""
        self._wake.ring()

    def stop(self, clean: bool = True) -> None:
        """Disconnect and wait for the thread; unless `clean`, vanish so that the broker publishes the will."""
        self._clean = clean
        self._stop.set()
        self.wake()
        if self._thread.ident is not None:
            self._thread.join(FAREWELL_S + 6.0)  # a connect under way takes up to 5 s

    def _run(self) -> None:
        while not self._stop.is_set():
            began, was_old = time.monotonic(), self._old_broker
            self._attend()
            if self._old_broker != was_old:
                continue  # it said why: speak 3.1.1 at once
            self.failures = 1 if time.monotonic() - began > STEADY_S else self.failures + 1
            first_s, longest_s = self._back_off_s
            delay_s = min(first_s * 2.0 ** min(self.failures - 1, 30), longest_s) * self._spread()
            self._say_lost(delay_s)
            self._stop.wait(delay_s)

    def _spread(self) -> float:
        """1.0..1.5, other for each gateway, so that a ward does not reconnect all at once."""
        return 1.0 + (zlib.crc32(self._client_id.encode()) % 1000) / 2000

    def _attend(self) -> None:
        """One connection, from the attempt to its end."""
        silent = self._reason == SAID_NOTHING and self.version == MQTTProtocolVersion.MQTTv5
        old = self._old_broker or silent  # some old brokers do not know what to say to MQTT 5
        self.version = MQTTProtocolVersion.MQTTv311 if old else MQTTProtocolVersion.MQTTv5
        self._reason, self._charged = "", []
        try:
            client = self._client(self.version)
        except SettingsError as error:  # a file that was there at the start is gone
            self._reason = str(error)
            return
        try:
            self._connect(client)
            self._converse(client)
        except OSError as error:
            self._reason = f"{type(error).__name__}: {error}"
        except Exception as error:  # nothing that a broken broker sends may end the thread
            self._reason = f"unexpected {type(error).__name__}: {error}"
            log.debug("%s", self._reason, exc_info=True)
        finally:
            self.connected = False
            _close(client)

    def _converse(self, client: Client) -> None:
        self._await_answer(client)
        while self.connected and not self._stop.is_set():
            if not serve(client, self._wake, LOOK_S):
                return
            self._turn(client)
        if self._clean and self.connected:
            self._leave(client)

    def _turn(self, client: Client) -> None:
        self._hooks.turn(client)
        charged, self._charged = self._charged, []
        for message in charged:
            client.ack(message.mid, message.qos)

    def _await_answer(self, client: Client) -> None:
        patience_s = min(ANSWER_S * 2.0 ** min(self.failures // 2, 10), self._broker.keepalive_s)
        deadline = time.monotonic() + patience_s
        while not (self.connected or self._reason or self._stop.is_set()):
            if not serve(client, self._wake, LOOK_S) or time.monotonic() > deadline:
                self._reason = self._reason or SAID_NOTHING

    def _leave(self, client: Client) -> None:
        deadline = time.monotonic() + FAREWELL_S
        while not self._hooks.leaving(client) and time.monotonic() < deadline:
            if not serve(client, self._wake, LOOK_S):
                return
        client.disconnect()
        serve(client, self._wake, LOOK_S)

    def _connect(self, client: Client) -> None:
        broker = self._broker
        if self.version != MQTTProtocolVersion.MQTTv5:
            client.connect(broker.host, broker.port, broker.keepalive_s)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._session_s
        properties.MaximumPacketSize = MAX_PACKET
        fresh = self._session_s == 0
        client.connect(broker.host, broker.port, broker.keepalive_s, clean_start=fresh, properties=properties)

    def _client(self, version: MQTTProtocolVersion) -> Client:
        clean = None if version == MQTTProtocolVersion.MQTTv5 else self._session_s == 0
        client = Client(
            CallbackAPIVersion.VERSION2,
            self._client_id,
            clean,
            protocol=version,
            reconnect_on_failure=False,
            manual_ack=self._takes_charge,
        )
        client.max_inflight_messages_set(0)  # the owner bounds what is under way
        add_credentials(client, self._broker)
        if self._will is not None:
            client.will_set(self._will.topic, self._will.payload, 1, self._will.retain)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        return client

    def _on_connect(
        self, client: Client, _: object, flags: ConnectFlags, code: ReasonCode, offer: Properties | None
    ) -> None:
        if code.is_failure:
            self._reason = f"refused: {code}"
            self._old_broker |= "protocol version" in str(code).lower()
            return
        log.info("connected to %s:%d as %s", self._broker.host, self._broker.port, self._client_id)
        self.connected = True
        self._hooks.joined(client, int(getattr(offer, "ReceiveMaximum", 65535)))

    def _on_disconnect(
        self, client: Client, _: object, flags: DisconnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        self.connected = False
        if flags.is_disconnect_packet_from_server:
            self._reason = f"sent away: {code}"

    def _on_message(self, client: Client, _: object, message: MQTTMessage) -> None:
        self._hooks.message(message)
        if self._takes_charge:
            self._charged.append(message)

    def _on_subscribe(
        self, client: Client, _: object, mid: int, codes: list[ReasonCode], properties: Properties | None
    ) -> None:
        self._hooks.subscribed(not any(code.is_failure for code in codes))

    def _on_publish(self, client: Client, _: object, mid: int, code: ReasonCode, properties: Properties | None) -> None:
        self._hooks.published(mid, code)

    def _say_lost(self, delay_s: float) -> None:
        """Log some of the failures in a row: an outage may last for days."""
        if not self._stop.is_set() and worth_a_line(self.failures):
            where = f"{self._broker.host}:{self._broker.port}"
            why = self._reason or "connection lost"
            log.warning("no connection to %s: %s; next attempt in %.1f s", where, why, delay_s)


def send(client: Client, message: Message, qos: int) -> int:
    """Hand over to the client; returns its message id."""
    return client.publish(message.topic, message.payload, qos, message.retain).mid


def _close(client: Client) -> None:
    """Close the socket without a farewell; the library offers no call for that."""
    sock = client.socket()
    if sock is not None:
        sock.close()
