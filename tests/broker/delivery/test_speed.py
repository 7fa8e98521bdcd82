"""How fast the durable path is: events a second, and the time from the decision to the broker's word."""

import threading
import time

import numpy as np
import pytest

from agent.clock import WallClock
from agent.counters import Counters
from agent.events import Topics
from agent.outbox import Outbox
from agent.publish import Publisher
from agent.settings import Broker, Delivery

TOPICS = Topics("ward", "gw")
PER_S = 200.0
P99_S = 0.030


@pytest.fixture
def desk(tmp_path, mosquitto, wait_for):
    outbox, counters = Outbox.open(tmp_path / "outbox.sqlite", 100_000), Counters()
    broker = Broker(host="127.0.0.1", port=mosquitto.port)
    publisher = Publisher(outbox, broker, TOPICS, WallClock(), counters, describe={}, delivery=Delivery(settle_s=0.1))
    publisher.start()
    wait_for(lambda: publisher.connected, "the connection")
    yield outbox, publisher, counters
    publisher.stop()
    outbox.close()


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_two_hundred_events_a_second_pass_each_in_a_transaction_of_its_own(desk, make_event, wait_for, count):
    outbox, _, counters = desk
    events = [(TOPICS.event("w1", "novelty"), make_event(f"e{n}")) for n in range(count)]
    began = time.monotonic()
    for pair in events:
        outbox.put([pair])
    wait_for(lambda: outbox.depth() == 0, "everything to be delivered", 120)
    per_s = count / (time.monotonic() - began)
    print(f"{per_s:.0f} events/s committed, sent, acknowledged and deleted one by one")
    assert counters.counts["events_acknowledged"] == count
    # The disk of a shared machine has slow seconds; the full count is held to the promise itself.
    assert per_s >= (PER_S if count >= 10_000 else PER_S / 2)


@pytest.mark.parametrize("count", [300, pytest.param(3_000, marks=pytest.mark.slow)])
def test_the_broker_has_an_event_soon_after_the_decision(desk, make_event, wait_for, count, monkeypatch):
    """One event every 20 ms, as in a ward where much happens; from before the commit to the broker's answer."""
    outbox, publisher, _ = desk
    answered, flight = {}, publisher._flight
    original = flight.answered

    def note(mid, code):
        row = flight._under_way.get(mid)
        original(mid, code)
        if row is not None:
            answered[row.seq] = time.monotonic()

    monkeypatch.setattr(flight, "answered", note)
    decided = {}
    for n in range(1, count + 1):
        decided[n] = time.monotonic()
        outbox.put([(TOPICS.event("w1", "novelty"), make_event(f"e{n}"))])
        threading.Event().wait(max(0.0, decided[n] + 0.02 - time.monotonic()))
    wait_for(lambda: len(answered) == count, "every answer")
    took = np.array([answered[n] - decided[n] for n in decided])
    p50, p99 = np.quantile(took, [0.5, 0.99])
    print(f"decision to PUBACK: median {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms over {count} events")
    # One slow disk write of a shared machine must not fail a change; the full count is held to the promise itself.
    assert p99 <= (P99_S if count >= 1000 else 4 * P99_S)
    assert p50 <= P99_S
