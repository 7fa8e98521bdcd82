"""Agent, broker and consumer killed again and again: no event is lost, none counts twice, each wearer's keep order."""

import json
import random

import pytest

CI = {"agent": 4, "broker": 2, "consumer": 1, "events": 300}
FORGETFUL = "autosave_on_changes false\nautosave_interval 1800"
"""End to end nothing rests on the broker: here it forgets everything at each kill, as it does by default."""
FULL = {"agent": 100, "broker": 20, "consumer": 10, "events": 10_000}


def check(consumer, committed: int, *, session_kept: bool = True) -> None:
    """All that was committed, each once, and of each wearer in the order in which it happened.

    What came late (`historical`: it had waited for more than 30 s) comes behind what happens now, by design; it is in
    order among its own. Where the broker forgets the consumer's session, what was sent before it subscribed anew comes
    behind what was sent after: then only `seq` tells the order, and the consumer's replay goes by it.
    """
    stored, late = consumer.stored(), consumer.late()
    assert sorted(seq for seq, _, _ in stored) == list(range(1, committed + 1)), "lost, or twice"
    assert {name for _, name, _ in stored} == {f"e{n}" for n in range(1, committed + 1)}
    replayed = [json.loads(line)["seq"] for line in consumer.replay()]
    assert replayed == list(range(1, committed + 1)), "the order of the replay"
    for wearer in {wearer for _, _, wearer in stored} if session_kept else ():
        mine = [seq for seq, _, who in stored if who == wearer]
        for seqs in ([seq for seq in mine if seq not in late], [seq for seq in mine if seq in late]):
            assert seqs == sorted(seqs), f"the order of {wearer}"
    print(f"{committed} events: 0 lost, 0 twice, order kept; {len(late)} of them came late")


def kills_of(counts: dict[str, int], rng: random.Random) -> list[str]:
    """Who is killed when: broker and consumer somewhere among the kills of the agent."""
    others = ["broker"] * counts["broker"] + ["consumer"] * counts["consumer"]
    order = ["agent"] * counts["agent"] + others
    rng.shuffle(order)
    return order


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("counts", [CI, pytest.param(FULL, marks=pytest.mark.slow)], ids=["few", "full"])
@pytest.mark.parametrize("mode", ["end-to-end", "broker"])
def test_nothing_is_lost_whoever_is_killed(shipped, consumer_on, maker_on, wait_for, pause, mode, counts):
    """In broker mode the consumer's life is spared: what the broker handed over is the consumer's to keep."""
    rng = random.Random(11)
    broker = shipped("2.0", extra=FORGETFUL if mode == "end-to-end" else "")
    broker.start()
    consumer = consumer_on(broker.tls_port)
    maker = maker_on(broker.tls_port, broker.plain_port, 'consumers = ["ehr"]' if mode == "end-to-end" else "")
    consumer.start()
    wait_for(lambda: "veille-ehr" in broker.log(), "the consumer to come")
    maker.start(counts["events"])
    each = counts["events"] / counts["agent"]
    for victim in kills_of(counts, rng):
        if victim == "agent":
            least = min(counts["events"], maker.numbers()[0] + int(each * rng.uniform(0.2, 1.0)))
            wait_for(lambda least=least: maker.numbers()[0] >= least, "some more events", 60)
            maker.kill()
            maker.start(counts["events"])
        elif victim == "broker":
            pause(rng.uniform(0.0, 0.4))
            broker.kill()
            broker.start()
        else:
            consumer.kill()
            consumer.start()
    wait_for(lambda: maker.numbers() == (counts["events"], 0), "every event to be delivered", 600)
    wait_for(lambda: len(consumer.stored()) >= counts["events"], "every event to be stored", 60)
    check(consumer, counts["events"], session_kept=mode == "broker")


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kills", "each"), [(3, 100), pytest.param(20, 50, marks=pytest.mark.slow)])
@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_the_shipped_broker_loses_nothing_that_the_agent_has_deleted(
    shipped, consumer_on, maker_on, wait_for, pause, version, kills, each
):
    """The consumer is away, so all lies with the broker when it is killed: its own durability is on trial."""
    rng = random.Random(13)
    broker = shipped(version)
    broker.start()
    consumer = consumer_on(broker.tls_port)
    consumer.start()
    wait_for(lambda: "veille-ehr" in broker.log(), "the consumer to come")
    pause(0.5)
    consumer.kill()  # its session stays, and all is queued for it
    maker = maker_on(broker.tls_port, broker.plain_port)
    maker.start(kills * each, each_step=each // 5)
    for number in range(kills):
        least = int((number + rng.uniform(0.3, 0.9)) * each)
        wait_for(lambda least=least: maker.numbers()[0] >= least, "some more events", 60)
        broker.kill()
        broker.start()
    wait_for(lambda: maker.numbers() == (kills * each, 0), "the broker to take every event", 600)
    broker.kill()
    broker.start()
    consumer.start()
    wait_for(lambda: len(consumer.stored()) >= kills * each, "every event to be stored", 120)
    check(consumer, kills * each)
