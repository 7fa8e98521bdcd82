"""Three days without a broker: all is delivered, in order, what happens now first, within ten minutes."""

import threading
import time

import pytest

from agent.clock import ManualClock
from agent.counters import Counters
from agent.events import Topics
from agent.outbox import Outbox
from agent.publish import Publisher
from agent.settings import Broker, Delivery

TOPICS = Topics("ward", "gw")
HOURS = 72


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [2_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_three_days_offline_are_caught_up_behind_what_happens_now(
    tmp_path, mosquitto, listen, make_event, wait_for, count
):
    clock, counters = ManualClock(0.0), Counters()
    outbox = Outbox.open(tmp_path / "outbox.sqlite", 1_000_000, clock)
    each_hour = count // HOURS + 1
    for hour in range(HOURS):
        clock.set(hour * 3600.0)
        outbox.put([pair(make_event, f"old{hour}-{n}") for n in range(each_hour)])
    waiting = outbox.depth()
    assert outbox.oldest_s() == (HOURS - 1) * 3600.0
    clock.set(HOURS * 3600.0)
    subscriber = listen(mosquitto.port, f"{TOPICS.root}/wearer/#")
    broker = Broker(host="127.0.0.1", port=mosquitto.port)
    publisher = Publisher(outbox, broker, TOPICS, clock, counters, describe={}, delivery=Delivery(settle_s=0.05))
    began = time.monotonic()
    publisher.start()
    live = []
    while outbox.depth():
        assert time.monotonic() - began < 600, "ten minutes"
        name = f"new{len(live)}"
        put_at, since = time.monotonic(), len(subscriber.heard)
        outbox.put([pair(make_event, name)])
        wait_for(lambda name=name, since=since: heard(subscriber, name, since), "the new event", 5)
        live.append(time.monotonic() - put_at)
        time_until(began + 0.5 * len(live))
    took = time.monotonic() - began
    publisher.stop()
    events = subscriber.events()
    late = [event.seq for event in events if event.historical]
    now = [event.seq for event in events if not event.historical]
    usual = sorted(live)[int(0.99 * (len(live) - 1))]
    print(f"{waiting} events of 72 h drained in {took:.0f} s; 99 in 100 new ones: {usual * 1000:.0f} ms at most")
    assert late == list(range(1, waiting + 1))
    assert now == list(range(waiting + 1, waiting + 1 + len(live)))
    assert usual < 2.0
    assert waiting / took < 1.2 * Delivery().drain_per_s, "faster than allowed"
    outbox.close()


def pair(make_event, name: str):
    return TOPICS.event("w1", "novelty"), make_event(name)


def heard(subscriber, name: str, since: int) -> bool:
    """Looks at what came since then only: there is much."""
    return any(f'"id":"{name}"'.encode() in one.payload for one in subscriber.heard[since:])


def time_until(moment: float) -> None:
    threading.Event().wait(max(0.0, moment - time.monotonic()))
