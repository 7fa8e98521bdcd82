"""The live loop: from a packet to an event, health and state at the broker, and a clean end at SIGTERM."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.events import Topics, encode
from agent.sources import wire

ROOT = Path(__file__).parents[2]
TOPICS = Topics("s", "g")


@pytest.fixture
def start_gateway(tmp_path, mosquitto, make_event, launch):
    """Starts a gateway in a program of its own; its pipeline makes an event of each packet."""

    def start() -> subprocess.Popen:
        text = encode(make_event("template")).decode()
        script = Path(__file__).with_name("gateway_child.py")
        command = [sys.executable, str(script), str(tmp_path), str(mosquitto.port), text]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return launch(command, env=environment)

    return start


def send(port: int, wearer: str, t: float) -> None:
    command = ["mosquitto_pub", "-p", str(port), "-q", "1", "-t", TOPICS.ingest(wearer, "waist"), "-s"]
    subprocess.run(command, input=wire.encode_json([[0, 0, 1]], t=t), check=True)


def test_a_gateway_turns_packets_into_events_and_ends_cleanly(mosquitto, start_gateway, listen, wait_for):
    subscriber = listen(mosquitto.port, f"{TOPICS.root}/#")
    child = start_gateway()
    wait_for(lambda: subscriber.payloads("/status"), "the gateway to come up")
    (describe,) = wait_for(lambda: subscriber.payloads("/describe"), "the description")
    assert (describe["bundle"], describe["bundle_digest"], describe["epoch"]) == ("test-bundle", "f" * 64, 1)
    send(mosquitto.port, "w1", 1.0)
    send(mosquitto.port, "w2", 2.0)
    wait_for(lambda: [event.id for event in subscriber.events()] == ["w1@1.0", "w2@2.0"], "the events")
    wait_for(lambda: subscriber.payloads("wearer/w2/state") == [{"packets": 1}], "the state")
    subprocess.run(
        ["mosquitto_pub", "-p", str(mosquitto.port), "-q", "1", "-t", TOPICS.ingest("w1", "waist"), "-m", "hello"],
        check=True,
    )
    wait_for(lambda: subscriber.payloads("/health")[-1]["counters"].get("not_json") == 1, "the refusal in health")
    health = subscriber.payloads("/health")[-1]
    assert health["latest_refusals"][0].startswith("w1/waist: not_json")
    assert health["counters"]["events_acknowledged"] == 2
    assert (health["epoch"], health["dropped"], health["scored"]) == (1, 0, 2)
    assert 1e6 < health["memory_peak_bytes"] < 1e9
    assert 0 <= health["lag_s"] < 5
    assert 0 < health["uptime_s"] < 60
    wait_for(lambda: subscriber.payloads("/health")[-1]["depth"] == 0, "an empty outbox in health")
    child.send_signal(signal.SIGTERM)
    assert child.wait(15) == 0
    wait_for(lambda: subscriber.payloads("/status")[-1]["state"] == "stopped", "the farewell")


def test_a_killed_gateway_is_told_offline_and_the_next_one_counts_on(mosquitto, start_gateway, listen, wait_for):
    subscriber = listen(mosquitto.port, f"{TOPICS.root}/#")
    child = start_gateway()
    wait_for(lambda: subscriber.payloads("/status"), "the gateway to come up")
    send(mosquitto.port, "w1", 1.0)
    wait_for(subscriber.events, "the event")
    child.kill()
    wait_for(lambda: subscriber.payloads("/status")[-1] == {"state": "offline", "epoch": 1}, "the last will")
    send(mosquitto.port, "w1", 2.0)  # while the gateway is away: the broker keeps it
    start_gateway()
    wait_for(lambda: subscriber.events()[-1].id == "w1@2.0", "the packet sent meanwhile")
    told = {(event.seq, event.epoch, event.id, event.data.phase) for event in subscriber.events()}  # the first twice
    assert sorted(told) == [(1, 1, "w1@1.0", "start"), (2, 2, "w1@1.0", "end"), (3, 2, "w1@2.0", "start")]


def test_a_gateway_that_fails_is_told_offline_not_stopped(mosquitto, start_gateway, listen, wait_for):
    subscriber = listen(mosquitto.port, f"{TOPICS.root}/#")
    child = start_gateway()
    wait_for(lambda: subscriber.payloads("/status"), "the gateway to come up")
    send(mosquitto.port, "crash", 1.0)
    assert child.wait(15) == 1
    wait_for(lambda: subscriber.payloads("/status")[-1] == {"state": "offline", "epoch": 1}, "the last will")


def test_a_clock_that_is_set_back_ends_the_gateway_and_the_next_one_hears_what_comes(
    mosquitto, start_gateway, listen, wait_for, tmp_path
):
    subscriber = listen(mosquitto.port, f"{TOPICS.root}/#")
    child = start_gateway()
    wait_for(lambda: subscriber.payloads("/status"), "the gateway to come up")
    send(mosquitto.port, "w1", 1.0)
    wait_for(subscriber.events, "the event")
    (tmp_path / "clock.new").write_text("-3")
    (tmp_path / "clock.new").replace(tmp_path / "clock")  # less than a packet may be ahead
    heard = len(subscriber.payloads("/health"))
    wait_for(lambda: len(subscriber.payloads("/health")) > heard + 3, "it to go on")
    (tmp_path / "clock.new").write_text("-3600")
    (tmp_path / "clock.new").replace(tmp_path / "clock")
    assert child.wait(15) == 1
    wait_for(lambda: subscriber.payloads("/status")[-1]["state"] == "offline", "the last will")
    assert '"clock_set_back"' in (tmp_path / "audit" / "audit.jsonl").read_text()
    start_gateway()
    send(mosquitto.port, "w1", 2.0)
    wait_for(lambda: subscriber.events()[-1].id == "w1@2.0", "the packet sent after that")
