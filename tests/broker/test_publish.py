"""No committed event is lost, whoever is killed; what is sent again has the same id."""

import os
import random
import select
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent.clock import ManualClock, WallClock
from agent.counters import Counters
from agent.errors import SettingsError
from agent.events import Topics
from agent.outbox import Outbox
from agent.publish import Publisher
from agent.settings import Broker, Delivery

ROOT = Path(__file__).parents[2]
TOPICS = Topics("s", "g")
QUICK_S = (0.05, 0.2)
SETTLED = Delivery(settle_s=0.05)


class Desk:
    """An outbox with its publisher."""

    def __init__(self, path: Path, port: int, make_event, clock=None, delivery=SETTLED, **broker) -> None:
        self.clock = clock or WallClock()
        self.counters = Counters()
        self.outbox = Outbox.open(path, 100_000, self.clock)
        self.publisher = Publisher(
            self.outbox,
            Broker(host="127.0.0.1", port=port, **broker),
            TOPICS,
            self.clock,
            self.counters,
            describe={"version": "1.2.3", "bundle": "b"},
            delivery=delivery,
            back_off_s=QUICK_S,
        )
        self._make_event = make_event

    def put(self, *names: str, kind: str = "novelty") -> None:
        events = [self._make_event(name, kind) for name in names]
        self.outbox.put([(TOPICS.event("w1", kind), event) for event in events])

    def empty(self) -> bool:
        return self.outbox.depth() == 0

    def close(self) -> None:
        self.publisher.stop()
        self.outbox.close()


@pytest.fixture
def open_desk(tmp_path, make_event):
    desks: list[Desk] = []

    def make(port: int, clock=None, **broker) -> Desk:
        desks.append(Desk(tmp_path / "outbox.sqlite", port, make_event, clock, **broker))
        return desks[-1]

    yield make
    for desk in desks:
        desk.close()


def names(start: int, count: int) -> list[str]:
    return [f"e{n}" for n in range(start, start + count)]


def check_order(events) -> None:
    """First arrivals come in order of seq, and a seq belongs to one id for ever."""
    first: dict[int, str] = {}
    for event in events:
        assert first.setdefault(event.seq, event.id) == event.id
    assert list(first) == sorted(first)


def test_a_broker_that_is_down_at_the_start_gets_everything_later(start_mosquitto, open_desk, listen, wait_for):
    broker = start_mosquitto()
    desk = open_desk(broker.port)
    desk.put(*names(0, 50))
    desk.publisher.start()
    wait_for(lambda: desk.publisher._connection.failures >= 3, "three attempts without a broker")
    assert not desk.publisher.connected
    assert desk.outbox.depth() == 50
    broker.start()
    subscriber = listen(broker.port)
    desk.put(*names(50, 50))
    wait_for(desk.empty, "the outbox to drain")
    # Those sent before the subscriber came had no listener; the broker took them, so they are not lost by us.
    unheard = desk.counters.counts["events_without_subscriber"]
    wait_for(lambda: len(subscriber.events()) == 100 - unheard, "all others to be heard")
    assert [event.seq for event in subscriber.events()] == list(range(unheard + 1, 101))
    assert desk.counters.counts["events_acknowledged"] == 100


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_nothing_is_lost_when_the_broker_is_killed_and_comes_back(mosquitto, open_desk, listen, wait_for, kills):
    subscriber = listen(mosquitto.port)
    mosquitto.save()
    desk = open_desk(mosquitto.port)
    desk.publisher.start()
    rng, put = random.Random(5), 0
    for _ in range(kills):
        desk.put(*names(put, 400))
        put += 400
        least = len(subscriber.heard) + rng.randint(20, 200)
        wait_for(lambda least=least: len(subscriber.heard) >= least, "the drain to be under way")
        mosquitto.kill()
        wait_for(lambda: not desk.publisher.connected, "the publisher to notice")
        desk.put(*names(put, 30))
        put += 30
        mosquitto.start()
    wait_for(desk.empty, "the outbox to drain", seconds=60)
    wait_for(lambda: len({event.id for event in subscriber.events()}) == put, "every event to be heard")
    check_order(subscriber.events())


@pytest.mark.parametrize("kills", [4, pytest.param(25, marks=pytest.mark.slow)])
def test_nothing_is_lost_when_the_publisher_is_killed(mosquitto, open_desk, listen, wait_for, tmp_path, kills):
    subscriber = listen(mosquitto.port)
    desk = open_desk(mosquitto.port)
    rng, put = random.Random(3), 0
    for kill in range(kills):
        desk.put(*names(put, 1500))
        put += 1500
        least = len(subscriber.heard) + rng.randint(30, 300)
        child = start_child(tmp_path / "outbox.sqlite", mosquitto.port)
        wait_for(lambda least=least: len(subscriber.heard) >= least, "the drain to be under way")
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        child.stdout.close()
        offline = {"state": "offline", "epoch": kill + 2}
        wait_for(lambda last=offline: subscriber.payloads("/status")[-1] == last, "the last will")
    assert desk.outbox.pending(1), "the last kill was meant to come in the middle"
    last = open_desk(mosquitto.port)
    last.publisher.start()
    wait_for(last.empty, "the rest to drain", seconds=60)
    wait_for(lambda: len({event.id for event in subscriber.events()}) == put, "every event to be heard")
    check_order(subscriber.events())
    assert {event.epoch for event in subscriber.events()} == {1}


def start_child(path: Path, port: int) -> subprocess.Popen:
    script = Path(__file__).with_name("drain_child.py")
    command = [sys.executable, str(script), str(path), str(port)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_status_and_describe_are_retained_and_a_clean_stop_is_told(mosquitto, open_desk, listen, wait_for):
    desk = open_desk(mosquitto.port)
    desk.publisher.start()
    wait_for(lambda: desk.publisher.connected, "the connection")
    late = listen(mosquitto.port)
    (status,) = wait_for(lambda: late.payloads("/status"), "the retained status")
    assert (status["state"], status["epoch"]) == ("online", 1)
    (describe,) = wait_for(lambda: late.payloads("/describe"), "the retained description")
    assert describe == {"version": "1.2.3", "bundle": "b"}
    desk.put("last")
    desk.publisher.stop()
    wait_for(lambda: late.payloads("/status")[-1]["state"] == "stopped", "the farewell")
    assert [event.id for event in late.events()] == ["last"]  # a clean stop hands over what waits
    later = listen(mosquitto.port, name="later")
    assert wait_for(lambda: later.payloads("/status"), "the retained status")[0]["state"] == "stopped"


def test_a_clean_stop_is_told_even_while_much_waits(mosquitto, open_desk, listen, wait_for):
    """Else `online` would stand at the broker for ever: a farewell takes back the last will."""
    subscriber = listen(mosquitto.port)
    clock = ManualClock(1000.0)
    desk = open_desk(mosquitto.port, clock, delivery=Delivery(drain_per_s=1))
    desk.put(*names(0, 500))
    clock.set(2000.0)
    desk.publisher.start()
    wait_for(subscriber.events, "the drain to be under way")
    desk.publisher.stop()
    wait_for(lambda: subscriber.payloads("/status")[-1]["state"] == "stopped", "the farewell")
    assert desk.outbox.depth() > 400


def test_an_agent_that_gives_up_is_told_offline(mosquitto, open_desk, listen, wait_for):
    subscriber = listen(mosquitto.port)
    desk = open_desk(mosquitto.port)
    desk.publisher.start()
    wait_for(lambda: subscriber.payloads("/status"), "online")
    desk.publisher.stop(clean=False)
    wait_for(lambda: subscriber.payloads("/status")[-1] == {"state": "offline", "epoch": 1}, "the last will")


def test_states_and_status_are_published_again_to_a_broker_that_forgot(mosquitto, open_desk, listen, wait_for):
    desk = open_desk(mosquitto.port)
    desk.publisher.start()
    desk.publisher.publish_state("w1", {"verdict": "normal"})
    desk.publisher.publish_state("w1", {"verdict": "novelty"})
    desk.publisher.publish_health({"depth": 0})
    first = listen(mosquitto.port, name="first")
    wait_for(lambda: first.payloads("/state") == [{"verdict": "novelty"}] or len(first.payloads("/state")) > 1, "state")
    mosquitto.kill()
    mosquitto.start()
    second = listen(mosquitto.port, name="second")
    wait_for(lambda: second.payloads("/state")[-1:] == [{"verdict": "novelty"}], "the state again")
    wait_for(lambda: [one["state"] for one in second.payloads("/status")][-1:] == ["online"], "the status again")
    wait_for(lambda: second.payloads("/describe"), "the description again")
    assert second.payloads("/health") == []  # not retained, and not repeated: it was true then


def test_what_was_queued_long_ago_is_marked_historical(mosquitto, open_desk, listen, wait_for):
    subscriber = listen(mosquitto.port)
    clock = ManualClock(1000.0)
    desk = open_desk(mosquitto.port, clock)
    desk.put("old")
    clock.set(1031.0)
    desk.put("new")
    (old_row, _) = desk.outbox.pending(2)
    desk.publisher.start()
    wait_for(desk.empty, "the outbox to drain")
    wait_for(lambda: len(subscriber.events()) == 2, "both events")
    # What happens now goes first.
    assert [(event.id, event.historical) for event in subscriber.events()] == [("new", False), ("old", True)]
    (payload,) = [one.payload for one in subscriber.heard if b'"id":"old"' in one.payload]
    assert payload == old_row.payload.replace(b'"historical":false', b'"historical":true')


def test_a_refused_event_stays_and_holds_up_no_other(
    start_mosquitto, open_desk, listen, wait_for, tmp_path, monkeypatch
):
    acl = tmp_path / "acl"
    broker = start_mosquitto(f"acl_file {acl}")
    acl.write_text(f"topic read #\ntopic write {TOPICS.root}/wearer/w1/event/novelty\n")
    broker.start()
    monkeypatch.setattr("agent.flight.AGAIN_S", 0.1)
    subscriber = listen(broker.port)
    desk = open_desk(broker.port)
    desk.put("a")
    desk.put("forbidden", kind="abstention")
    desk.put(*names(0, 50))
    desk.publisher.start()
    wait_for(lambda: desk.outbox.depth() == 1, "all others to drain")
    wait_for(lambda: desk.counters.counts["events_refused"] >= 3, "it to be tried again")
    assert [event.id for event in subscriber.events()] == ["a", *names(0, 50)]
    acl.write_text("topic readwrite #\n")
    broker.reread()
    wait_for(desk.empty, "the forbidden event to go out once it is allowed")
    wait_for(lambda: subscriber.events()[-1].id == "forbidden", "the forbidden event to be heard")


def test_rows_spoilt_on_the_disk_hold_up_no_other(mosquitto, open_desk, listen, wait_for):
    subscriber = listen(mosquitto.port)
    clock = ManualClock(1000.0)
    desk = open_desk(mosquitto.port, clock)
    desk.put(*names(0, 30))
    desk.outbox._file._db.execute("UPDATE rows SET payload = x'ff00' WHERE seq = 2")
    desk.outbox._file._db.execute("UPDATE rows SET topic = 'a/#' WHERE seq = 5")
    clock.set(2000.0)
    desk.publisher.start()
    wait_for(lambda: desk.outbox.depth() == 2, "all others to drain")
    wait_for(lambda: len(subscriber.events()) == 28, "all others to be heard")
    assert desk.counters.counts["events_refused"] == 2
    assert desk.publisher.connected


def test_no_more_is_under_way_than_the_broker_accepts(start_mosquitto, open_desk, listen, wait_for):
    broker = start_mosquitto("max_inflight_messages 3")  # the later line holds
    broker.start()
    subscriber = listen(broker.port)
    desk = open_desk(broker.port)
    desk.put(*names(0, 200))
    desk.publisher.start()
    wait_for(desk.empty, "the outbox to drain")
    assert desk.publisher._flight._room == 1
    wait_for(lambda: len(subscriber.events()) == 200, "every event")


def test_a_password_file_is_used_and_a_missing_one_is_told_at_once(start_mosquitto, open_desk, wait_for, tmp_path):
    users = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(users), "agent", "secret"], check=True)
    broker = start_mosquitto(f"password_file {users}")
    broker._config.write_text(broker._config.read_text().replace("allow_anonymous true", "allow_anonymous false"))
    broker.start()
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    desk = open_desk(broker.port, username="agent", password_file=str(secret))
    desk.publisher.start()
    wait_for(lambda: desk.publisher._connection.failures >= 2, "to be refused twice")
    assert not desk.publisher.connected
    secret.write_text("secret\n")  # changed while the agent runs
    wait_for(lambda: desk.publisher.connected, "the connection")
    with pytest.raises(SettingsError, match="password or certificate file"):
        open_desk(broker.port, username="agent", password_file=str(tmp_path / "none"))


def test_two_thousand_events_drain_within_the_time_of_a_coffee(mosquitto, open_desk, wait_for):
    desk = open_desk(mosquitto.port)
    desk.put(*names(0, 2000))
    desk.publisher.start()
    wait_for(desk.empty, "2000 events to drain", seconds=10)


def test_a_broker_that_speaks_only_3_1_1_is_served(old_broker, open_desk, wait_for):
    desk = open_desk(old_broker)
    desk.put(*names(0, 50))
    desk.publisher.start()
    wait_for(desk.empty, "the outbox to drain")
    assert desk.publisher._connection.version.name == "MQTTv311"
    assert desk.counters.counts["events_acknowledged"] == 50


class Refusing(socketserver.BaseRequestHandler):
    """Answers MQTT 5 as a 3.1.1 broker should, and lets everything else through to the real broker."""

    def handle(self) -> None:
        first = self.request.recv(4096)
        level = first[first.index(b"MQTT") + 4]
        self.server.levels.append(level)
        if level == 5:
            self.request.sendall(b"\x20\x02\x00\x01")  # unacceptable protocol version
            return
        with socket.create_connection(("127.0.0.1", self.server.behind)) as broker:
            broker.sendall(first)
            while True:
                for side in select.select([self.request, broker], [], [])[0]:
                    content = side.recv(4096)
                    if not content:
                        return
                    (broker if side is self.request else self.request).sendall(content)


@pytest.fixture
def refusing_broker(mosquitto):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refusing) as server:
        server.levels, server.behind, server.daemon_threads = [], mosquitto.port, True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


def test_a_broker_that_refuses_mqtt_5_is_spoken_to_in_3_1_1_at_once(refusing_broker, open_desk, wait_for):
    desk = open_desk(refusing_broker.server_address[1])
    desk.put(*names(0, 50))
    desk.publisher.start()
    wait_for(desk.empty, "the outbox to drain")
    assert refusing_broker.levels == [5, 4]
    desk.close()  # before the server ends


def test_while_rows_cannot_be_deleted_sending_goes_on_and_nothing_is_sent_twice(
    mosquitto, open_desk, listen, wait_for, monkeypatch
):
    monkeypatch.setattr("agent.flight.AFTER_ERROR_S", 0.1)
    subscriber = listen(mosquitto.port)
    desk = open_desk(mosquitto.port)
    desk.put(*names(0, 50))
    desk.outbox._file._db.execute("PRAGMA query_only = ON")  # as a full disk
    desk.publisher.start()
    wait_for(lambda: len(subscriber.events()) == 50, "all events")
    wait_for(lambda: desk.counters.counts["outbox_errors"] > 2, "deleting to fail")
    assert desk.outbox.depth() == 50
    desk.outbox._file._db.execute("PRAGMA query_only = OFF")
    wait_for(desk.empty, "the rows to be deleted")
    assert [event.id for event in subscriber.events()] == names(0, 50)


@pytest.fixture
def certificate(tmp_path) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, `broker.pem` and `broker.key`."""
    names = ["-subj", "/CN=veille-test", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(tmp_path / "broker.key"), "-out", str(tmp_path / "broker.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files]
    subprocess.run(command, check=True, capture_output=True)
    return tmp_path / "broker.pem"


def test_tls_is_spoken_with_a_broker_whose_certificate_is_known(
    start_mosquitto, open_desk, wait_for, certificate, tmp_path
):
    broker = start_mosquitto(f"certfile {certificate}\nkeyfile {certificate.with_suffix('.key')}")
    broker.start()
    doubtful = open_desk(broker.port, tls=True)
    doubtful.publisher.start()
    wait_for(lambda: "CERTIFICATE_VERIFY_FAILED" in doubtful.publisher._connection._reason, "the refusal")
    assert not doubtful.publisher.connected
    desk = open_desk(broker.port, tls=True, ca_file=str(certificate))
    desk.put("secret")
    desk.publisher.start()
    wait_for(desk.empty, "the event to be delivered")
