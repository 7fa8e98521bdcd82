"""Acknowledgements from consumers over a real broker, and all that only looks like one."""

import json

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from agent.clock import ManualClock, WallClock
from agent.counters import Counters
from agent.events import Topics
from agent.outbox import Outbox
from agent.publish import Publisher
from agent.settings import Broker, Delivery

TOPICS = Topics("s", "g")


class Voice:
    """A consumer by hand."""

    def __init__(self, port: int) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def say(self, topic: str, body: object, *, retain: bool = False) -> None:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._client.publish(topic, payload, 1, retain).wait_for_publish(10)

    def ack(self, *ids: str, consumer: str = "ehr", revision: int = 0, topics: Topics = TOPICS) -> None:
        self.say(topics.ack(consumer), {"acks": [{"id": one, "revision": revision} for one in ids]})

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def voice(mosquitto):
    one = Voice(mosquitto.port)
    yield one
    one.close()


@pytest.fixture
def open_desk(tmp_path, mosquitto, voice, wait_for):
    """An outbox with its publisher that waits for consumers, and hears them already."""
    opened = []

    def make(clock=None, **delivery):
        clock, counters = clock or WallClock(), Counters()
        outbox = Outbox.open(tmp_path / "outbox.sqlite", 100_000, clock)
        settings = Delivery(**{"consumers": ("ehr",)} | delivery)
        broker = Broker(host="127.0.0.1", port=mosquitto.port)
        publisher = Publisher(outbox, broker, TOPICS, clock, counters, describe={}, delivery=settings)
        publisher.start()
        opened.append((publisher, outbox))

        def hears() -> bool:
            voice.ack("x", consumer="probe")
            return counters.counts["acks_stranger"] > 0

        wait_for(hears, "the subscription")
        counters.counts.clear()
        return outbox, counters

    yield make
    for publisher, outbox in opened:
        publisher.stop()
        outbox.close()


def put(outbox, make_event, *names: str, wearer: str = "w1", kind: str = "novelty") -> None:
    outbox.put([(TOPICS.event(wearer, kind), make_event(name, kind, wearer)) for name in names])


def test_a_row_leaves_only_when_its_consumer_has_acknowledged_it(
    mosquitto, open_desk, voice, make_event, listen, wait_for
):
    subscriber = listen(mosquitto.port)
    outbox, counters = open_desk()
    put(outbox, make_event, "a", "b", "c")
    wait_for(lambda: counters.counts["events_acknowledged"] == 3, "the broker to take them")
    wait_for(lambda: len(subscriber.events()) == 3, "them to be heard")
    assert outbox.depth() == 3  # the broker's word is not enough
    voice.ack("a", "c")
    wait_for(lambda: outbox.depth() == 1, "two to leave")
    voice.ack("b")
    wait_for(lambda: outbox.depth() == 0, "the last to leave")
    assert counters.counts["acks"] == 3


def test_with_several_consumers_a_row_waits_for_all_of_them(open_desk, voice, make_event, wait_for):
    outbox, counters = open_desk(consumers=("ehr", "lab"))
    put(outbox, make_event, "a", "b")
    voice.ack("a", "b")
    wait_for(lambda: counters.counts["acks"] == 2, "the first consumer")
    assert outbox.depth() == 2
    assert outbox.behind(("ehr", "lab")) == {"ehr": 0, "lab": 2}
    voice.ack("a", "b")  # again: no news
    voice.ack("a", consumer="lab")
    wait_for(lambda: outbox.depth() == 1, "the row that both have")
    wait_for(lambda: counters.counts["acks_unknown"] == 2, "the repetition to be counted")


def test_a_consumer_answers_only_for_its_wearers(open_desk, voice, make_event, wait_for):
    outbox, counters = open_desk(consumers=("ehr", "lab"), wearers={"lab": ("w1",)})
    put(outbox, make_event, "mine", wearer="w1")
    put(outbox, make_event, "other", wearer="w2")
    voice.ack("mine", "other", consumer="lab")
    wait_for(lambda: counters.counts["acks_unknown"] == 1, "the acknowledgement that is none of its business")
    voice.ack("mine", "other")
    wait_for(lambda: outbox.depth() == 0, "both to leave")


def test_an_event_of_no_consumer_leaves_on_the_brokers_word(open_desk, make_event, wait_for):
    outbox, _ = open_desk(wearers={"ehr": ("w1",)}, settle_s=0.05)
    put(outbox, make_event, "nobodys", wearer="w2")
    put(outbox, make_event, "waits", wearer="w1")
    wait_for(lambda: outbox.depth() == 1, "the one that nobody answers for")


def test_what_is_no_acknowledgement_is_counted_and_has_no_effect(open_desk, voice, make_event, wait_for):
    outbox, counters = open_desk()
    put(outbox, make_event, "a")
    malformed = [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"acks": "a"}',
        b'{"acks": [{"id": "a"}]}',
        b'{"acks": [{"id": 7, "revision": 0}]}',
        b'{"acks": [{"id": "a", "revision": -1}]}',
        b'{"acks": [{"id": "a", "revision": 99999999999999999999999}]}',
        b'{"replay": "yes"}',
        json.dumps({"acks": [{"id": "a", "revision": 0}] * 1001}).encode(),
        b" " * 300_000,
    ]
    for payload in malformed:
        voice.say(TOPICS.ack("ehr"), payload)
    voice.ack("a", consumer="mallory")
    voice.ack("unknown", "a'; DROP TABLE rows; --", "x" * 200)
    voice.ack("a", revision=3)
    voice.ack("a", topics=Topics("s", "another"))
    voice.say(TOPICS.ack("ehr"), {"acks": [{"id": "a", "revision": 0}]}, retain=True)  # kept: heard once, live
    wait_for(lambda: outbox.depth() == 0, "the one that is right")
    # One event left once; nothing else had an effect.
    wait_for(lambda: counters.counts["acks_unknown"] == 4, "the unknown to be counted")
    assert counters.counts["acks_malformed"] == len(malformed)
    assert counters.counts["acks_stranger"] >= 1  # probes may have come late
    assert counters.counts["acks"] == 1


def test_an_acknowledgement_of_another_gateways_event_has_no_effect(open_desk, voice, make_event, wait_for):
    outbox, counters = open_desk()
    put(outbox, make_event, "a")
    voice.ack("b", "c", "d")  # ids of others, on our topic
    voice.ack("a", topics=Topics("s", "another"))  # our id, on the topic of others
    wait_for(lambda: counters.counts["acks_unknown"] == 3, "them to be counted")
    assert outbox.depth() == 1


def test_a_retained_acknowledgement_is_an_old_one(mosquitto, voice, open_desk, make_event, wait_for):
    voice.say(TOPICS.ack("ehr"), {"acks": [{"id": "a", "revision": 0}]}, retain=True)
    outbox, counters = open_desk()
    put(outbox, make_event, "a")
    voice.ack("other")
    wait_for(lambda: counters.counts["acks_unknown"] == 1, "the other")
    assert outbox.depth() == 1


def test_a_flood_of_acknowledgements_stops_nothing(open_desk, voice, make_event, mosquitto, listen, wait_for):
    subscriber = listen(mosquitto.port, f"{TOPICS.root}/wearer/#")
    outbox, counters = open_desk()
    for number in range(60):
        voice.say(TOPICS.ack("ehr"), {"acks": [{"id": f"{number}-{n}", "revision": 0} for n in range(1000)]})
    put(outbox, make_event, "a")
    wait_for(subscriber.events, "the event", 10)
    voice.ack("a")
    wait_for(lambda: outbox.depth() == 0, "its acknowledgement", 10)
    assert counters.counts["acks_unknown"] + counters.counts["acks_overflow"] == 60_000


def test_a_consumer_that_comes_back_asks_for_what_it_missed(mosquitto, open_desk, voice, make_event, listen, wait_for):
    outbox, counters = open_desk()
    put(outbox, make_event, "a", "b")
    wait_for(lambda: counters.counts["events_acknowledged"] == 2, "the broker to take them while nobody listens")
    subscriber = listen(mosquitto.port)
    assert subscriber.events() == []
    voice.say(TOPICS.ack("ehr"), {"replay": True})
    wait_for(lambda: [event.id for event in subscriber.events()] == ["a", "b"], "both again")
    assert [event.seq for event in subscriber.events()] == [1, 2]
    voice.say(TOPICS.ack("ehr"), {"replay": True})
    voice.say(TOPICS.ack("ehr"), {"replay": True})
    wait_for(lambda: counters.counts["replays_asked"] == 3, "the others to be counted")
    assert len(subscriber.events()) == 2  # asking often does not help


def test_what_was_acknowledged_before_a_restart_is_not_asked_again(tmp_path, make_event):
    """One of two consumers has acknowledged; then the other is taken off the list."""
    from agent.audience import Audience

    both, one = Audience(Delivery(consumers=("ehr", "lab"))), Audience(Delivery(consumers=("ehr",)))
    first = Outbox.open(tmp_path / "o.sqlite", 100, ManualClock())
    put(first, make_event, "a", "b")
    assert first.confirm("ehr", [("a", 0)], both) == [1]
    assert first.confirm("ehr", [("a", 0)], both) == []
    first.close()
    second = Outbox.open(tmp_path / "o.sqlite", 100, ManualClock())
    second.release(both)
    assert second.depth() == 2
    second.release(one)
    assert [row.seq for row in second.pending(9)] == [2]
    second.close()
