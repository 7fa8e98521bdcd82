"""What others see of a gateway: alive, stopped on purpose, or dead; and where it says nothing, how soon that shows."""

import json
import signal
import subprocess
import threading
import time

import jsonschema
import pytest

from agent.contract.schemas import schema
from agent.events import Topics

TOPICS = Topics("ward", "gw")


class Watch:
    """`mosquitto_sub` with a consumer's certificate: when which status came."""

    def __init__(self, options: list[str]) -> None:
        command = ["mosquitto_sub", *options, "-V", "mqttv5", "-q", "1", "-t", TOPICS.status]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.seen: list[tuple[float, dict]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self.child.stdout:
            self.seen.append((time.monotonic(), json.loads(line)))

    def latest(self) -> tuple[str, int]:
        return (self.seen[-1][1]["state"], self.seen[-1][1]["epoch"]) if self.seen else ("", 0)

    def close(self) -> None:
        self.child.terminate()
        self.child.wait(10)
        self._thread.join(10)
        self.child.stdout.close()


@pytest.fixture
def watch(shipped, tls_options):
    """(broker, what a consumer sees of the status)."""
    broker = shipped("2.0")
    broker.start()
    one = Watch(tls_options("ehr", broker.tls_port))
    yield broker, one
    one.close()


def test_a_stop_is_told_from_a_death_and_each_start_has_its_epoch(watch, maker_on, wait_for):
    broker, seen = watch
    maker = maker_on(broker.tls_port, broker.plain_port)
    first = maker.start(10)
    wait_for(lambda: seen.latest() == ("online", 1), "the first start", 20)
    first.send_signal(signal.SIGTERM)
    assert first.wait(20) == 0
    wait_for(lambda: seen.latest() == ("stopped", 1), "the clean stop")
    maker.start(10)
    wait_for(lambda: seen.latest() == ("online", 2), "the second start", 20)
    died = time.monotonic()
    maker.kill()
    wait_for(lambda: seen.latest() == ("offline", 2), "the death", 45)
    assert seen.seen[-1][0] - died < 5  # its connection is closed by the system
    assert [one["state"] for _, one in seen.seen] == ["online", "stopped", "online", "offline"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("keepalive_s", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_a_gateway_that_hangs_or_loses_its_power_is_told_within_45_seconds(watch, maker_on, wait_for, keepalive_s):
    """Nobody closes its connection: only the missing pings tell. 20 s is the default."""
    broker, seen = watch
    maker = maker_on(broker.tls_port, broker.plain_port)
    text = maker.config.read_text()
    maker.config.write_text(text.replace("[broker]\n", f"[broker]\nkeepalive_s = {keepalive_s}\n"))
    child = maker.start(10)
    wait_for(lambda: seen.latest() == ("online", 1), "the start", 20)
    child.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        wait_for(lambda: seen.latest()[0] == "offline", "its death to be told", 45)
    finally:
        child.send_signal(signal.SIGCONT)
    print(f"keepalive {keepalive_s} s: told dead after {seen.seen[-1][0] - stopped:.1f} s")
    wait_for(lambda: seen.latest() == ("online", 1), "it to say that it lives, once it does", 30)


def test_all_that_a_gateway_says_keeps_its_contract(shipped, maker_on, tls_options, wait_for):
    """What is heard with an operator's certificate, and a consumer's, validates against the published schemas."""
    broker = shipped("2.0")
    broker.start()
    children, heard = [], {}
    threads = []

    def read(child: subprocess.Popen) -> None:
        for line in child.stdout:
            topic, _, body = line.partition(" ")
            heard[topic.rsplit("/", 1)[-1]] = json.loads(body)

    for name in ("ops", "ehr"):
        command = ["mosquitto_sub", *tls_options(name, broker.tls_port), "-V", "mqttv5", "-v", "-t", "#"]
        children.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        threads.append(threading.Thread(target=read, args=(children[-1],), daemon=True))
        threads[-1].start()
    maker = maker_on(broker.tls_port, broker.plain_port, 'consumers = ["ehr"]', "[outbox]\nmax_rows = 10")
    maker.start(40)  # more than the outbox holds, and nobody acknowledges
    wanted = {"status", "describe", "health", "dropped", "novelty"}
    try:
        wait_for(lambda: wanted <= set(heard) and heard["health"]["dropped"] == 30, "all of it", 30)
    finally:
        for child, thread in zip(children, threads, strict=True):
            child.terminate()
            child.wait(10)
            thread.join(10)
            child.stdout.close()
    for name in wanted:
        jsonschema.Draft202012Validator(schema(name)).validate(heard[name])
    assert heard["dropped"]["total"] == 30
    assert heard["health"]["behind"] == {"ehr": 10}
    assert heard["describe"]["delivery"]["consumers"] == ["ehr"]
