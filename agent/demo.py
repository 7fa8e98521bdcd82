"""The demo: a simulated wearable, a real broker, the real agent as a program of its own, and a subscriber.

Time: the recording is played `speed` times faster than life, and the agent is told to run its clock as fast
(`ScaledClock`). Packets carry the recording's own times, so the agent sees two ordinary minutes; only the
watcher's minutes are shorter. The real agent, broker, sockets and outbox take part; nothing is short-circuited.
"""

import math
import queue
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from subprocess import Popen
from typing import Any

import msgspec
import numpy as np
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from agent.clock import ScaledClock
from agent.demo_broker import HOST, DemoBroker, broker, end, running, wait_until
from agent.errors import StopError
from agent.events import Event, Topics, decode
from agent.messages import Ask, Explanation
from agent.recording import Recording
from agent.simulate import Episode, simulate
from agent.sources import wire
from agent.telling import INDENT, tell

TOPICS = Topics("demo", "laptop")
WEARER = "simulated"
PACKET_S = 0.5
"""Recorded seconds in one packet."""
LINGER_S = 4.0
"""Recorded seconds after the end in which the last events may still come."""
GRACE_S = {"fall": 10.0, "sensor_fault": 5.0}
"""An event that starts so many seconds after the episode still belongs to it: the fallen wearer lies still."""
KINDS = {"fall": "novelty", "sensor_fault": "sensor_fault"}
"""Which kind of event should tell which episode."""


@dataclass(slots=True)
class Watcher:
    """A subscriber: keeps what comes until the main thread shows it."""

    began_s: float
    """Gateway time at which the recording began."""
    inbox: "queue.Queue[tuple[str, bytes]]" = field(default_factory=queue.Queue)
    events: list[tuple[float, Event]] = field(default_factory=list)
    """Start in the recording's time, and the event; in order of arrival."""
    state: dict[str, Any] = field(default_factory=dict)
    online: bool = False
    asked: list[int] = field(default_factory=list)
    """Signals that ask us to stop."""
    pictures: Path = Path()
    """Folder for the pictures of the explanations."""
    ask: Callable[[str], None] = lambda event_id: None
    """Ask the agent for the whole explanation of an event."""

    def look(self, seconds: float = 0.0) -> bool:
        """Show what has come, and what comes within `seconds`; tells whether the agent is online.

        Raises:
            SystemExit: we were asked to stop.
        """
        deadline = time.monotonic() + seconds
        while (left_s := deadline - time.monotonic()) > 0 or not self.inbox.empty():
            if self.asked:
                break
            with suppress(queue.Empty):
                self.take(*self.inbox.get(timeout=min(max(0.0, left_s), 0.1)))
        if self.asked:
            sys.exit(128 + self.asked[0])
        return self.online

    def take(self, topic: str, payload: bytes) -> None:
        """One message: an event is shown, the rest is kept."""
        if topic == TOPICS.status:
            self.online = msgspec.json.decode(payload).get("state") == "online"
        elif topic == TOPICS.state(WEARER):
            self.state = msgspec.json.decode(payload)
        elif "/event/" in topic:
            event = decode(payload)
            start_s = datetime.fromisoformat(event.data.start).timestamp() - self.began_s
            self.events.append((start_s, event))
            _say(tell(event, f"{_minutes(start_s)}  ***"))
            if event.data.phase == "start":
                self.ask(event.id)
        elif topic == TOPICS.explanation(WEARER):
            self.draw(msgspec.json.decode(payload, type=Explanation))

    def draw(self, whole: Explanation) -> None:
        """Keep the picture of an explanation."""
        kind = next(event.data.kind for _, event in self.events if event.id == whole.id)
        path = self.pictures / f"{kind}-{whole.id[:8]}.svg"
        path.write_text(whole.picture, encoding="utf-8")
        _say(f"{INDENT}its picture: {path}")


def play(speed: float, seed: int, pictures: Path) -> int:
    """Run the whole demo; `pictures`: existing folder for those of the explanations.

    Returns:
        0 where the fall and the sensor fault were both told, else 1.

    Raises:
        StopError: there is no broker to be had, or the agent does not come up.
    """
    recording, episodes = simulate(np.random.default_rng(seed), wearer=WEARER)
    _say(f"Veille demo. The recording is SIMULATED: nobody fell. It is played {speed:g} times faster than life.")
    with _asked_to_stop() as asked, tempfile.TemporaryDirectory(prefix="veille-demo-") as name:
        folder = Path(name)
        with broker(folder) as here, _agent(folder, here, speed, asked) as (agent, watcher, client, clock):
            _say(f"{here.name} on {HOST}:{here.port}, the agent is process {agent.pid}. Watch along with:")
            _say(f"  mosquitto_sub -h {HOST} -p {here.port} -v -t '{TOPICS.root}/#'\n")
            _say("time    ... what is simulated   *** what a subscriber receives (p-value [95 % interval])")
            watcher.pictures = pictures
            sent = _play(recording, episodes, client, watcher, clock)
            watcher.look(LINGER_S / speed)
            if agent.poll() is not None:
                raise StopError(f"the agent ended early: {_last_line(folder / 'agent.log')}")
            end(agent)  # as systemd would: events still open are sent before it goes
            watcher.look(0.5)
    return _summary(watcher, episodes, sent)


@contextmanager
def _agent(
    folder: Path, here: DemoBroker, speed: float, asked: list[int]
) -> Iterator[tuple[Popen[bytes], Watcher, Client, ScaledClock]]:
    """The agent as a program of its own, a subscriber that has seen it come online, and the clock they share."""
    since_s = time.time()
    clock = ScaledClock(speed, since_s)
    watcher, log = Watcher(clock.now_s(), asked=asked), folder / "agent.log"
    settings = ["--config", str(_settings(folder, here)), "--speed", str(speed), "--since", repr(since_s)]
    with _client(here, watcher) as client, running([sys.executable, "-m", "agent", "run", *settings], log) as agent:
        wait_until(watcher.look, agent, log, "the agent")
        yield agent, watcher, client, clock


def _settings(folder: Path, here: DemoBroker) -> Path:
    path = folder / "agent.toml"
    where = f'host = "{HOST}"\nport = {here.port}\n'
    path.write_text(
        f'site = "{TOPICS.site}"\ngateway = "{TOPICS.gateway}"\nstate_dir = "{folder}"\nwearers = ["{WEARER}"]\n'
        f"signals_in_explanations = true\n[broker]\n{where}[ingest]\n{where}"
    )
    return path


@contextmanager
def _client(here: DemoBroker, watcher: Watcher) -> Iterator[Client]:
    """The wearable and the subscriber share one connection."""
    client = Client(CallbackAPIVersion.VERSION2, "veille-demo")

    def keep(_client: Client, _data: object, message: MQTTMessage) -> None:
        watcher.inbox.put((message.topic, bytes(message.payload)))

    def subscribe(client: Client, *_: object) -> None:
        wanted = [(TOPICS.status, 1), (TOPICS.state(WEARER), 0), (TOPICS.event(WEARER, "+"), 1)]
        client.subscribe([*wanted, (TOPICS.explanation(WEARER), 0)])

    def ask(event_id: str) -> None:
        client.publish(TOPICS.ask, msgspec.json.encode(Ask(id=event_id, picture=True)), qos=1)

    client.on_message, client.on_connect, watcher.ask = keep, subscribe, ask
    client.connect(HOST, here.port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


# --- the wearable


def _play(recording: Recording, episodes: list[Episode], client: Client, watcher: Watcher, clock: ScaledClock) -> int:
    """Publish the recording packet by packet, each when its last sample is taken; returns the packets sent."""
    began_s = watcher.began_s = float(math.ceil(clock.now_s()))  # a whole second: windows fall as in a replay
    coming, sent = list(episodes), 0
    for at_s in np.arange(0.0, recording.times_s[-1], PACKET_S):
        while coming and coming[0].start_s <= at_s:
            _tell_episode(coming.pop(0), watcher)
        while (left_s := began_s + at_s + PACKET_S - clock.now_s()) > 0:
            watcher.look(clock.wall_s(left_s))
        sent += _send(recording, float(at_s), began_s, client)
    return sent


def _send(recording: Recording, at_s: float, began_s: float, client: Client) -> int:
    first, last = np.searchsorted(recording.times_s, (at_s - 1e-6, at_s + PACKET_S - 1e-6))
    times_s = recording.times_s[first:last]
    rate_hz = (len(times_s) - 1) / (times_s[-1] - times_s[0])
    for position, samples_g in recording.positions.items():
        payload = wire.encode_binary(
            samples_g[first:last], rate_hz=rate_hz, t=began_s + float(times_s[0]), seq=round(at_s / PACKET_S)
        )
        client.publish(TOPICS.ingest(WEARER, position), payload, qos=1)
    return len(recording.positions)


def _tell_episode(episode: Episode, watcher: Watcher) -> None:
    what = episode.kind.replace("_", " ")
    if episode.kind in KINDS:
        what = f"{what.upper()}, simulated, until {_minutes(episode.end_s)}"
    so_far = "|".join(watcher.state.get("verdict") or [])
    _say(f"{_minutes(episode.start_s)}  ... {what:40}" + (f" last verdict so far: {so_far}" if so_far else ""))


# --- the end


def _summary(watcher: Watcher, episodes: list[Episode], sent: int) -> int:
    starts = [(at_s, event) for at_s, event in watcher.events if event.data.phase == "start"]
    told = {episode.kind: _first(starts, episode) for episode in episodes if episode.kind in KINDS}
    _say(f"\nSummary (simulated): {sent} packets sent, {len(watcher.events)} messages about {len(starts)} events")
    for kind, at_s in told.items():
        found = f"told as {KINDS[kind]} at {_minutes(at_s)}" if at_s is not None else "MISSED"
        _say(f"  {kind.replace('_', ' '):13} {found}")
    others = [event for at_s, event in starts if not _belongs(at_s, event, episodes)]
    alarms = sum(event.data.kind != "abstention" for event in others)
    _say(f"  the rest      {alarms} false alarms, {len(others) - alarms} times in doubt, otherwise quiet")
    return int(None in told.values())


def _first(starts: list[tuple[float, Event]], episode: Episode) -> float | None:
    return min((at_s for at_s, event in starts if _tells(at_s, event, episode)), default=None)


def _belongs(at_s: float, event: Event, episodes: list[Episode]) -> bool:
    return any(_tells(at_s, event, episode) for episode in episodes if episode.kind in KINDS)


def _tells(at_s: float, event: Event, episode: Episode) -> bool:
    inside = episode.start_s <= at_s <= episode.end_s + GRACE_S[episode.kind]
    return inside and event.data.kind == KINDS[episode.kind]


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60):02d}:{int(seconds % 60):02d}"


def _last_line(log: Path) -> str:
    return (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]


def _say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM; `Watcher.look` acts on them.

    An exception out of a signal handler may strike inside a lock of the queue or of the MQTT client, and the
    programs we started would never be ended.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.signal(number, lambda n, _: asked.append(n)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
