"""Bad lines to a real broker: slow, torn in the middle of a packet, half-open, mute for ever."""

import importlib.util
import random
from pathlib import Path

import pytest

from agent.clock import WallClock
from agent.counters import Counters
from agent.events import Topics
from agent.outbox import Outbox
from agent.publish import Publisher
from agent.settings import Broker, Delivery

TOPICS = Topics("ward", "gw")
spec = importlib.util.spec_from_file_location("line", Path(__file__).with_name("line.py"))
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)


@pytest.fixture
def line(mosquitto):
    one = module.Line(mosquitto.port)
    yield one
    one.close()


@pytest.fixture
def desk(tmp_path, line):
    """(outbox, publisher) that speak through the line."""
    outbox, counters = Outbox.open(tmp_path / "outbox.sqlite", 100_000), Counters()
    broker = Broker(host="127.0.0.1", port=line.port, keepalive_s=5)
    delivery = Delivery(settle_s=0.05, drain_per_s=100_000)
    publisher = Publisher(
        outbox, broker, TOPICS, WallClock(), counters, describe={}, delivery=delivery, back_off_s=(0.05, 0.2)
    )
    publisher.start()
    yield outbox, publisher
    line.mute = False
    publisher.stop()
    outbox.close()


def put(outbox, make_event, count: int) -> None:
    pairs = [(TOPICS.event("w1", "novelty"), make_event(f"e{outbox.newest_seq + 1 + n}")) for n in range(count)]
    outbox.put(pairs)


def check(subscriber, count: int) -> None:
    first = list(dict.fromkeys(event.seq for event in subscriber.events()))
    assert first == list(range(1, count + 1))
    assert {event.id for event in subscriber.events()} == {f"e{n}" for n in range(1, count + 1)}


def test_a_slow_broker_gets_everything(mosquitto, line, desk, listen, make_event, wait_for):
    outbox, _ = desk
    subscriber = listen(mosquitto.port, f"{TOPICS.root}/wearer/#")
    line.bytes_per_s = 60_000
    put(outbox, make_event, 150)
    wait_for(lambda: outbox.depth() == 0, "everything to pass", 60)
    check(subscriber, 150)


def test_packets_cut_in_the_middle_are_sent_again(mosquitto, line, desk, listen, make_event, wait_for):
    outbox, _ = desk
    subscriber = listen(mosquitto.port, f"{TOPICS.root}/wearer/#")
    rng = random.Random(2)
    line.cut_after = 20_000
    put(outbox, make_event, 300)
    for _ in range(8):
        cuts = line.cuts
        wait_for(lambda cuts=cuts: line.cuts > cuts or outbox.depth() == 0, "the line to be torn", 20)
        line.cut_after = rng.randint(10_000, 60_000)
    line.cut_after = None
    wait_for(lambda: outbox.depth() == 0, "everything to pass", 30)
    assert line.cuts >= 5
    check(subscriber, 300)


def test_a_half_open_connection_is_noticed_and_replaced(mosquitto, line, desk, listen, make_event, wait_for):
    """Nothing passes any more, and nobody says so: only the missing answers tell, within two keepalives (5 s each)."""
    outbox, publisher = desk
    subscriber = listen(mosquitto.port, f"{TOPICS.root}/wearer/#")
    wait_for(lambda: publisher.connected, "the connection")
    line.mute = True
    put(outbox, make_event, 50)
    wait_for(lambda: not publisher.connected, "the silence to be noticed", 15)
    assert outbox.depth() == 50
    line.mute = False
    wait_for(lambda: outbox.depth() == 0, "everything to pass", 30)
    check(subscriber, 50)


def test_a_broker_that_answers_pings_but_no_event_is_left(desk, make_event, wait_for, monkeypatch):
    outbox, publisher = desk
    monkeypatch.setattr("agent.flight.DEAF_S", 0.3)
    flight = publisher._flight
    answered = flight.answered
    wait_for(lambda: publisher.connected, "the connection")
    monkeypatch.setattr(flight, "answered", lambda mid, code: None)
    put(outbox, make_event, 5)
    wait_for(lambda: "acknowledged nothing" in publisher._connection._reason, "it to be left", 10)
    monkeypatch.setattr(flight, "answered", answered)
    wait_for(lambda: outbox.depth() == 0, "everything to pass", 30)
