"""The whole agent, real network and all, killed in the middle: nothing committed is lost, and an id stays an id."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from agent.contract import schemas
from agent.events import Event, Topics, encode

ROOT = Path(__file__).parents[2]
TOPICS = Topics("ward", "gw")
WEARER = "anna"


@pytest.fixture
def wear(simulated, publish_recording):
    """Publishes the simulated two minutes as one wearer's, `t0` = Unix time of their start."""
    return lambda port, t0: publish_recording(port, TOPICS, WEARER, simulated, t0)


def taken_in(subscriber) -> int:
    found = [health["counters"].get("samples", 0) for health in subscriber.payloads("/health")]
    return found[-1] if found else 0


def committed(tmp_path: Path) -> list[tuple[str, int]]:
    """(id, revision) of the rows in the outbox."""
    with sqlite3.connect(f"file:{tmp_path / 'outbox.sqlite'}?mode=ro", uri=True) as database:
        return [(row[0], row[1]) for row in database.execute("SELECT id, revision FROM rows")]


def test_a_killed_agent_loses_no_committed_event_and_scores_the_same_ids_again(
    tmp_path, start_mosquitto, agent_on, wear, listen, wait_for
):
    """The events' broker is away at first, so that all is committed and nothing sent when the kill comes."""
    wearables, hospital = start_mosquitto(), start_mosquitto()
    wearables.start()
    t0 = float(int(time.time()) - 600)
    first = agent_on(hospital.port, wearables.port)
    wait_for(lambda: has_subscriber(wearables.port, wait_for), "the agent to subscribe", 40)
    wear(wearables.port, t0)
    wait_for(lambda: len(committed(tmp_path)) >= 2, "events in the outbox", 40)
    time_to_settle(tmp_path, wait_for)
    rows = committed(tmp_path)
    first.send_signal(signal.SIGKILL)
    first.wait(10)

    hospital.start()
    subscriber = listen(hospital.port, f"{TOPICS.root}/#", name="hospital")
    agent_on(hospital.port, wearables.port)
    wait_for(lambda: set(rows) <= {key(event) for event in subscriber.events()}, "every committed event", 40)
    seqs = [event.seq for event in subscriber.events()]
    assert seqs == sorted(seqs)

    wait_for(lambda: not committed(tmp_path), "the broker's word to settle", 20)

    before = {event.id for event in subscriber.events()}
    sent = wear(wearables.port, t0)  # the same samples again: scored again by another process
    wait_for(lambda: taken_in(subscriber) >= sent, "the samples to be taken in again", 40)
    wait_for(lambda: again(subscriber), "events again", 20)
    assert again(subscriber) <= before, "an event that was scored again got another id"


def again(subscriber) -> set[str]:
    """Identities that the second agent gave."""
    return {event.id for event in subscriber.events() if event.epoch > 1}


def key(event) -> tuple[str, int]:
    return event.id, event.data.revision


def time_to_settle(tmp_path, wait_for) -> None:
    """Until the outbox has not grown for a second."""
    seen = {"count": -1, "since": time.monotonic()}

    def settled() -> bool:
        count = len(committed(tmp_path))
        if count != seen["count"]:
            seen.update(count=count, since=time.monotonic())
        return time.monotonic() - seen["since"] > 1.0

    wait_for(settled, "the outbox to settle", 40)


def has_subscriber(port: int, wait_for) -> bool:
    """Whether someone takes packets: MQTT 5 answers a publication that nobody hears with a code of its own."""
    codes = []
    client = Client(CallbackAPIVersion.VERSION2, "probe", protocol=MQTTProtocolVersion.MQTTv5)
    client.on_publish = lambda _client, _data, _mid, code, _properties: codes.append(code.value)
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish(TOPICS.ingest("probe", "nowhere"), b"{}", qos=1)
    wait_for(lambda: codes, "an answer", 5)
    client.disconnect()
    client.loop_stop()
    return codes == [0]


def test_an_alarm_that_was_open_at_the_kill_ends_at_the_next_start(
    tmp_path, start_mosquitto, agent_on, simulated, publish_recording, listen, wait_for
):
    """A nurse's screen must not show it for ever, nor be told that it is over; what is found again is shown again."""
    wearables, hospital = start_mosquitto(), start_mosquitto()
    wearables.start()
    hospital.start()
    subscriber = listen(hospital.port, f"{TOPICS.root}/#")
    first = agent_on(hospital.port, wearables.port)
    wait_for(lambda: has_subscriber(wearables.port, wait_for), "the agent to subscribe", 40)
    fallen = replace(
        simulated,
        times_s=simulated.times_s[: 67 * 50],
        positions={name: samples[: 67 * 50] for name, samples in simulated.positions.items()},
    )
    t0 = float(int(time.time()) - 600)
    publish_recording(wearables.port, TOPICS, WEARER, fallen, t0)
    (start,) = wait_for(lambda: [one for one in subscriber.events() if one.data.kind == "novelty"], "the fall", 40)
    wait_for(lambda: not committed(tmp_path), "the broker's word to settle", 20)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    assert start.data.phase == "start"

    agent_on(hospital.port, wearables.port)

    def heard() -> list[Event]:
        return [one for one in subscriber.events() if one.id == start.id and one.epoch == 2]

    (end,) = wait_for(heard, "its end", 40)
    assert (end.data.phase, end.data.ended, end.data.revision) == ("end", "restart", 1)
    assert "not known" in end.data.sentence
    assert end.data.verdict == ["novelty"]
    jsonschema.Draft202012Validator(schemas.schema("novelty")).validate(json.loads(encode(end)))
    counts = wait_for(lambda: subscriber.payloads("/health")[-1]["counters"].get("events_ended_by_restart"), "health")
    assert counts == 1

    publish_recording(wearables.port, TOPICS, WEARER, fallen, t0)  # the same happening is found again
    wait_for(lambda: heard()[1:], "the alarm again", 60)
    assert [(one.data.phase, one.data.revision) for one in heard()[:2]] == [("end", 1), ("start", 2)]


def test_packets_made_to_kill_leave_the_agent_watching(mosquitto, agent_on, wear, listen, wait_for):
    """Two samples that fall together once the clock's offset is added, a time beyond all reason, one kept for later."""
    subscriber = listen(mosquitto.port, f"{TOPICS.root}/#")
    agent = agent_on(mosquitto.port, mosquitto.port)
    wait_for(lambda: subscriber.payloads("/health"), "the agent's health", 40)
    publish = ["mosquitto_pub", "-p", str(mosquitto.port), "-q", "1", "-t", TOPICS.ingest("mallory", "waist")]
    for body in ('{"t":[0,1e-9],"samples":[[0,0,1],[0,0,1]]}', '{"t":1e25,"samples":[[0,0,1]]}'):
        subprocess.run([*publish, "-m", body], check=True)
    subprocess.run([*publish, "-r", "-m", '{"samples":[[0,0,1]]}'], check=True)

    def refused() -> bool:
        return subscriber.payloads("/health")[-1]["counters"].get("bad_time", 0) >= 2

    wait_for(refused, "both to be refused by name", 20)
    wear(mosquitto.port, float(int(time.time()) - 600))
    wait_for(lambda: any(event.data.kind == "novelty" for event in subscriber.events()), "the simulated fall", 40)
    assert agent.poll() is None


def test_a_second_agent_on_one_state_directory_is_refused_in_one_line(tmp_path, mosquitto, agent_on, listen, wait_for):
    subscriber = listen(mosquitto.port, f"{TOPICS.root}/#")
    agent_on(mosquitto.port, mosquitto.port)
    wait_for(lambda: subscriber.payloads("/status"), "the first agent", 40)
    command = [sys.executable, "-m", "agent", "run", "--config", str(tmp_path / "agent.toml")]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=40)
    assert second.returncode == 2
    assert "another agent uses it" in second.stderr
    assert len(second.stderr.splitlines()) == 1
