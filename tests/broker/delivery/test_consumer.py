"""The reference consumer as a program: its output, its replay, several workers of one name."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

from agent.events import Topics

ROOT = Path(__file__).parents[3]
TOPICS = Topics("ward", "gw")


def test_a_consumer_stores_each_event_once_and_replays_them_in_order(shipped, consumer_on, maker_on, wait_for):
    broker = shipped("2.0")
    broker.start()
    maker = maker_on(broker.tls_port, broker.plain_port, 'consumers = ["ehr"]')
    maker.start(80)
    wait_for(lambda: maker.numbers()[0] == 80, "all events to be made while nobody listens", 20)
    consumer = consumer_on(broker.tls_port)
    consumer.start()
    # It asks for what it has missed; nobody waits for a timer.
    wait_for(lambda: maker.numbers() == (80, 0), "every event to be acknowledged", 20)
    events = [json.loads(line) for line in consumer.replay()]
    assert [event["seq"] for event in events] == list(range(1, 81))
    ben = [json.loads(line) for line in consumer.replay("--wearer", "ben")]
    assert {event["subject"] for event in ben} == {"ben"}
    assert len(ben) == 20


def test_workers_of_one_name_share_the_events(shipped, consumer_on, maker_on, wait_for):
    broker = shipped("2.0")
    broker.start()
    workers = [consumer_on(broker.tls_port, more=f'shared = true\nworker = "{n}"') for n in range(2)]
    for worker in workers:
        worker.start()
    wait_for(lambda: "veille-ehr-0" in broker.log() and "veille-ehr-1" in broker.log(), "both to come")
    maker = maker_on(broker.tls_port, broker.plain_port, 'consumers = ["ehr"]')
    maker.start(120)
    wait_for(lambda: maker.numbers() == (120, 0), "every event to be acknowledged by one of them", 40)
    shares = [{seq for seq, _, _ in worker.stored()} for worker in workers]
    assert shares[0] | shares[1] == set(range(1, 121))
    assert all(len(share) > 20 for share in shares)


def test_what_is_not_an_event_is_counted_and_stops_nothing(shipped, consumer_on, tls_options, wait_for):
    broker = shipped("2.0")
    broker.start()
    consumer = consumer_on(broker.tls_port)
    consumer.start()
    wait_for(lambda: "veille-ehr" in broker.log(), "it to come")
    topic = TOPICS.event("anna", "novelty")
    good = {"id": "e", "source": "veille/ward/gw", "type": "t", "subject": "anna", "data": {}}
    bodies = ["", "no json", "[]", "{}", json.dumps(good | {"id": ""}), json.dumps(good | {"seq": -1})]
    # A gateway that speaks for another, or of a wearer whose topic it is not.
    bodies += [json.dumps(good | {"source": "veille/ward/other"}), json.dumps(good | {"subject": "ben"})]
    gateway = tls_options("gw.ward", broker.tls_port)

    def say(body: str) -> None:
        subprocess.run(["mosquitto_pub", *gateway, "-q", "1", "-t", topic, "-m", body], check=True, timeout=20)

    wait_for(consumer.inbox.exists, "its inbox")
    for body in bodies:
        say(body)

    def good_has_come() -> bool:
        say(json.dumps(good))
        return consumer.stored() == [(0, "e", "anna")]

    wait_for(good_has_come, "the one that is right")
    assert consumer.child.poll() is None


def test_a_mistake_is_told_in_one_line(tmp_path):
    path = tmp_path / "consumer.toml"
    path.write_text('name = "ehr"\ninbox = "/proc/none/inbox.sqlite"\n')
    command = [sys.executable, "-m", "agent.consumer", "--config", str(path)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert told.returncode == 2
    assert len(told.stderr.splitlines()) == 1
    assert sqlite3.sqlite_version_info >= (3, 24, 0), "ON CONFLICT is used"
