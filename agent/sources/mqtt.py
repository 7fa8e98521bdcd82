"""Packets that wearables publish to the gateway's broker on `.../ingest/{wearer}/{position}`."""

import logging
import re
import threading
import time
from collections import deque
from collections.abc import Collection, Sequence

from paho.mqtt.client import Client, MQTTMessage

from agent.clock import Clock
from agent.connection import Connection, Hooks
from agent.counters import Counters
from agent.errors import PacketError
from agent.events import Topics
from agent.records import Packet
from agent.settings import Broker
from agent.sources import wire
from agent.sources.tail import Arrival, Tail

log = logging.getLogger("veille")

ASK_S = 30.0
"""Pause before a subscription that was refused is tried again."""
SESSION_S = 300
"""The broker queues for an agent that is away for this long, so that a restart loses no samples."""
MAX_HELD_BYTES = 32 << 20
"""Payloads held until `read`, whatever their number."""
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""As `settings.Name`."""


class MqttSource:
    """Subscribes (QoS 1) and hands out what has come; `agent.sources.Source`.

    The network thread only puts payloads aside; they are decoded in `read`, where bad ones are counted.
    A packet without `t` that waited in the broker during an outage gets the time of its late arrival.

    Args:
        broker: the one that wearables publish to; it may be down at the start.
        topics: whose `ingest` topics.
        counters: receives refusals, and `ingest_overflow` = packets dropped because nobody read in time.
        clock: gives `received_s`.
        wearers: who may send; empty = anyone with a valid name.
        positions: where sensors may sit; empty = any valid name.
        max_packets: held until `read`; beyond it (or beyond 32 MiB) the oldest is dropped.
        tail: where packets of the last seconds are kept over a restart; what is there is read first.

    Raises:
        SettingsError: a password, certificate or key file cannot be read.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        counters: Counters,
        clock: Clock,
        *,
        wearers: Collection[str] = (),
        positions: Collection[str] = (),
        max_packets: int = 10_000,
        tail: Tail | None = None,
        back_off_s: tuple[float, float] = (0.5, 30.0),
    ) -> None:
        self._topics, self._counters, self._clock = topics, counters, clock
        self._wearers, self._positions = frozenset(wearers), frozenset(positions)
        self._held = Held(max_packets, MAX_HELD_BYTES)
        self._tail = tail
        for arrival in tail.recall(clock.now_s()) if tail else ():
            self._held.append(arrival)
        self._subscribed, self._ask_at = False, 0.0
        self._connection = Connection(
            broker,
            f"veille-{topics.site}-{topics.gateway}-ingest",
            Hooks(joined=self._begin, turn=self._ask, subscribed=self._note_answer, message=self._keep),
            session_s=SESSION_S,
            back_off_s=back_off_s,
        )
        self._connection.start()

    @property
    def connected(self) -> bool:
        """Whether packets published now would reach us."""
        return self._connection.connected and self._subscribed

    def read(self, now_s: float) -> list[Packet]:
        """All packets that have come, in order of arrival; those that cannot be read are counted and left out."""
        arrivals, dropped = self._held.take()
        self._counters.count("ingest_overflow", dropped)
        packets: list[Packet] = []
        for arrival in arrivals:
            try:
                packets.append(self._decode(*arrival))
            except PacketError as error:
                self._counters.refuse(error)
        return packets

    def close(self) -> None:
        """Disconnect; the broker goes on queueing for `SESSION_S`."""
        self._connection.stop()
        if self._tail:
            self._tail.close()

    def _begin(self, client: Client, _: int) -> None:
        # Subscribe on every connection: a broker that was restarted may have forgotten the session.
        self._subscribed, self._ask_at = False, 0.0
        self._ask(client)

    def _ask(self, client: Client) -> None:
        if not self._subscribed and time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + ASK_S
            client.subscribe(self._topics.ingest(), qos=1)

    def _note_answer(self, allowed: bool) -> None:
        self._subscribed = allowed
        if not allowed:
            log.error("the broker does not let us subscribe to %s; see its access rules", self._topics.ingest())

    def _keep(self, message: MQTTMessage) -> None:
        if not message.retain:  # an old packet kept by the broker is not one that was just measured
            # One byte too many is enough for `wire.decode` to refuse the packet as too large.
            payload = bytes(message.payload[: wire.MAX_BYTES + 1])
            arrival = (message.topic, payload, self._clock.now_s())
            if self._tail:
                self._tail.keep(arrival)  # the broker hears that we have it when this returns
            self._held.append(arrival)

    def _decode(self, topic: str, payload: bytes, received_s: float) -> Packet:
        wearer, position = self._sender(topic)
        return wire.decode(wearer, position, payload, received_s)

    def _sender(self, topic: str) -> tuple[str, str]:
        names = topic.rsplit("/", 2)[1:]
        for name in names:
            if NAME.fullmatch(name) is None:
                raise PacketError("bad_name", topic[-200:], "names are 1 to 64 of A-Z a-z 0-9 _ -")
        wearer, position = names
        if self._wearers and wearer not in self._wearers:
            raise PacketError("unknown_wearer", topic, "not among `wearers` in the settings")
        if self._positions and position not in self._positions:
            raise PacketError("unknown_position", topic, f"known are {', '.join(sorted(self._positions))}")
        return wearer, position


class Held:
    """Payloads between network thread and reader; bounded in number and in bytes, the oldest is dropped."""

    def __init__(self, max_packets: int, max_bytes: int) -> None:
        self._max_packets, self._max_bytes = max_packets, max_bytes
        self._arrivals: deque[Arrival] = deque()
        self._bytes = self._dropped = 0
        self._lock = threading.Lock()

    def append(self, arrival: Arrival) -> None:
        """Add the newest."""
        with self._lock:
            self._arrivals.append(arrival)
            self._bytes += len(arrival[1])
            while len(self._arrivals) > self._max_packets or self._bytes > self._max_bytes:
                self._bytes -= len(self._arrivals.popleft()[1])
                self._dropped += 1

    def take(self) -> tuple[Sequence[Arrival], int]:
        """All that is held, oldest first, and how many were dropped since the last call."""
        with self._lock:
            taken, self._arrivals = self._arrivals, deque()
            dropped, self._dropped, self._bytes = self._dropped, 0, 0
        return taken, dropped
