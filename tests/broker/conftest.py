"""A real mosquitto on a free port, and a subscriber that remembers all that it heard."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.batch import packets
from agent.events import Event, Topics
from agent.recording import Recording
from agent.sources import wire

ROOT = Path(__file__).parents[2]
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.broker)
            if MOSQUITTO is None:
                why = "NOT TESTED: mosquitto is not installed (Debian: apt install mosquitto mosquitto-clients)"
                item.add_marker(pytest.mark.skip(reason=why))


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 15.0) -> Any:
    """The first true answer of `condition`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:.0f} s in vain: {what}")
        threading.Event().wait(0.01)
    return answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Mosquitto:
    """One broker on one port; may be killed and started again. `extra` is added to its configuration."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        self.port = free_port()
        self.saved = folder / "mosquitto.db"
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\n"
            f"persistence true\npersistence_location {folder}/\nautosave_interval 0\n"
            # What is acknowledged is on its way to the subscriber, or queued for it while it is away.
            f"max_inflight_messages 0\nmax_queued_messages 100000\nqueue_qos0_messages true\n{extra}\n"
        )
        self._log = (folder / "mosquitto.log").open("ab")
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(MOSQUITTO), "-c", str(self._config)]
        self._child = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        wait_for(self._answers, "mosquitto to listen")

    def kill(self) -> None:
        """`kill -9`: what it held in memory is lost."""
        assert self._child is not None
        self._child.send_signal(signal.SIGKILL)
        self._child.wait(10)

    def save(self) -> None:
        """Write sessions to disk, so that a restarted broker still queues for its subscribers."""
        assert self._child is not None
        self.saved.unlink(missing_ok=True)
        self._child.send_signal(signal.SIGUSR1)
        wait_for(self.saved.exists, "mosquitto to save its sessions")

    def reread(self) -> None:
        """Take over changed access rules."""
        assert self._child is not None
        self._child.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
            self._child.wait(10)
        self._log.close()

    def _answers(self) -> bool:
        assert self._child is not None
        assert self._child.poll() is None, "mosquitto ended at once"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Subscriber:
    """Hears everything, keeps its session, and comes back within 50 ms when the broker does.

    QoS 0, so that it never writes: a write to a killed broker would throw away what it had sent before it died,
    and the test would count the broker's losses (an acknowledgement of a broker is no promise) as ours.
    """

    def __init__(self, port: int, topic: str = "#", name: str = "listener") -> None:
        self.heard: list[MQTTMessage] = []
        self.subscribed = threading.Event()
        self._topic, self._stop = topic, threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_connect = lambda client, *rest: client.subscribe(self._topic, qos=0)
        self._client.on_subscribe = lambda *rest: self.subscribed.set()
        self._client.on_message = lambda client, userdata, message: self.heard.append(message)
        self._port = port
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        assert self.subscribed.wait(10)

    def _listen(self) -> None:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        while not self._stop.is_set():
            try:
                self._client.connect("127.0.0.1", self._port, clean_start=False, properties=properties)
                while not self._stop.is_set() and not self._client.loop(0.05):
                    pass
            except OSError:
                self._stop.wait(0.05)

    def payloads(self, ending: str) -> list[Any]:
        """Decoded payloads on topics with this ending, in order of arrival."""
        return [msgspec.json.decode(one.payload) for one in list(self.heard) if one.topic.endswith(ending)]

    def events(self) -> list[Event]:
        return [msgspec.json.decode(one.payload, type=Event) for one in list(self.heard) if "/event/" in one.topic]

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)
        self._client.disconnect()


@pytest.fixture
def start_mosquitto(tmp_path) -> Iterator[Callable[..., Mosquitto]]:
    """Makes brokers with extra lines of configuration; not started yet."""
    brokers: list[Mosquitto] = []

    def make(extra: str = "") -> Mosquitto:
        folder = tmp_path / f"mosquitto-{len(brokers)}"
        folder.mkdir()
        brokers.append(Mosquitto(folder, extra))
        return brokers[-1]

    yield make
    for one in brokers:
        one.stop()


@pytest.fixture
def mosquitto(start_mosquitto) -> Mosquitto:
    """A running broker."""
    one = start_mosquitto()
    one.start()
    return one


@pytest.fixture
def listen(request) -> Iterator[Callable[..., Subscriber]]:
    """Makes subscribers."""
    made: list[Subscriber] = []

    def make(port: int, topic: str = "#", name: str = "listener") -> Subscriber:
        made.append(Subscriber(port, topic, name))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def launch() -> Iterator[Callable[..., "subprocess.Popen"]]:
    """Starts programs, `launch(command, ...)` as `Popen` takes it; they end with the test, the latest first."""
    with ExitStack() as running:

        def start(command: list[str], **options: Any) -> subprocess.Popen:
            child = running.enter_context(subprocess.Popen(command, **options))
            running.callback(child.terminate)
            return child

        yield start


@pytest.fixture
def agent_on(tmp_path, launch) -> Callable[..., "subprocess.Popen[bytes]"]:
    """Starts real agents that share one state directory: `agent_on(events_port, ingest_port, alarms)`."""

    def start(events_port: int, ingest_port: int, alarms: str = "") -> "subprocess.Popen[bytes]":
        config = tmp_path / "agent.toml"
        config.write_text(
            f'site = "ward"\ngateway = "gw"\nstate_dir = "{tmp_path}"\nhealth_s = 0.3\n'
            f'[broker]\nhost = "127.0.0.1"\nport = {events_port}\n[ingest]\nhost = "127.0.0.1"\nport = {ingest_port}\n'
            f"[alarms]\n{alarms}\n"
        )
        command = [sys.executable, "-m", "agent", "run", "--config", str(config)]
        return launch(command, cwd=ROOT)

    return start


@pytest.fixture
def publish_recording() -> Callable[..., int]:
    """Publishes a recording as a wearable would, binary packet by packet from `t0` on; returns the samples sent."""

    def publish(port: int, topics: Topics, wearer: str, recording: Recording, t0: float) -> int:
        client = Client(CallbackAPIVersion.VERSION2, "wearable")
        client.connect("127.0.0.1", port)
        client.loop_start()
        rate_hz = 1 / float(np.median(np.diff(recording.times_s)))
        sent = 0
        for packet in packets(recording):
            payload = wire.encode_binary(packet.samples_g, t=t0 + packet.times_s[0], rate_hz=rate_hz)
            client.publish(topics.ingest(wearer, packet.position), payload, qos=1).wait_for_publish(10)
            sent += len(packet.times_s)
        client.disconnect()
        client.loop_stop()
        return sent

    return publish


@pytest.fixture(name="wait_for")
def _wait_for() -> Callable[..., Any]:
    return wait_for


@pytest.fixture(name="free_port")
def _free_port() -> int:
    return free_port()


@pytest.fixture
def make_event() -> Callable[..., Event]:
    """Events that differ in id, kind and wearer."""

    def make(name: str, kind: str = "novelty", wearer: str = "w1") -> Event:
        masses = {"normal": 0, "noise": 0, "novelty": 1}
        moment = "2026-11-23T12:00:00.000Z"
        data = {
            "kind": kind,
            "phase": "start",
            "revision": 0,
            "wearer": wearer,
            "start": moment,
            "end": moment,
            "verdict": ["novelty"],
            "sentence": "Unlike normal movement.",
            "score": 4.5,
            "p_value": 0.001,
            "p_interval": [0.0005, 0.002],
            "alpha": 0.01,
            "belief": masses,
            "plausibility": masses,
            "spread": None,
            "promise_per_day": 24,
            "quality": {},
            "positions": {"waist": 4.5},
            "bundle": "b",
            "bundle_digest": "0" * 64,
            "scored": moment,
        }
        kind_name = f"org.veille.event.{kind}.v1"
        envelope = {"id": name, "source": "veille/s/g", "type": kind_name, "subject": wearer, "time": moment}
        return msgspec.convert(envelope | {"data": data}, Event)

    return make


@pytest.fixture
def old_broker(free_port):
    """An embedded broker that speaks MQTT 3.1.1 only."""
    pytest.importorskip("amqtt", reason="NOT TESTED: fall-back to MQTT 3.1.1; amqtt is not installed")
    from amqtt.broker import Broker as OldBroker

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> OldBroker:
        plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        listener = {"type": "tcp", "bind": f"127.0.0.1:{free_port}"}
        broker = OldBroker({"listeners": {"default": listener}, "plugins": plugins})
        await broker.start()
        return broker

    broker = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    yield free_port
    asyncio.run_coroutine_threadsafe(broker.shutdown(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()
