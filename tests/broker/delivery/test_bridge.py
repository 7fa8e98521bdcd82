"""A gateway's own broker passes on to the hospital's: two real mosquittos, either of them killed."""

import json
import random
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[3] / "deploy" / "mosquitto"


@pytest.fixture
def bridged(shipped, authority):
    """(gateway's broker, hospital's broker), joined by the shipped `bridge.conf`."""
    hospital = shipped("2.0")
    text = (DEPLOY / "bridge.conf").read_text()
    for old, new in (
        ("mqtt.hospital.example:8883", f"127.0.0.1:{hospital.tls_port}"),
        ("/etc/mosquitto/veille/bridge.gw1.ward3.", f"{authority}/bridge."),
        ("/etc/mosquitto/veille/", f"{authority}/"),
        ("ward3/gw1", "ward/gw"),
        ("restart_timeout 1 30", "restart_timeout 1 1"),
    ):
        text = text.replace(old, new)
    return shipped("2.0", extra=text), hospital


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_events_cross_the_bridge_and_acknowledgements_come_back(
    bridged, consumer_on, maker_on, wait_for, authority, tls_options, kills
):
    local, hospital = bridged
    rng, events = random.Random(3), kills * 150
    hospital.start()
    local.start()
    consumer = consumer_on(hospital.tls_port)
    consumer.start()
    maker = maker_on(local.tls_port, local.plain_port, 'consumers = ["ehr"]')
    maker.start(events, each_step=30)
    for number in range(kills):
        least = int((number + rng.uniform(0.2, 0.8)) * 150)
        wait_for(lambda least=least: maker.numbers()[0] >= least, "some more events", 60)
        victim = rng.choice([local, hospital])
        victim.kill()
        victim.start()
    wait_for(lambda: maker.numbers() == (events, 0), "every event to be acknowledged", 120)
    stored = consumer.stored()
    assert sorted(seq for seq, _, _ in stored) == list(range(1, events + 1))
    # What a killed broker had taken comes again behind what came meanwhile: the order is that of `seq`.
    assert [json.loads(line)["seq"] for line in consumer.replay()] == list(range(1, events + 1))
    print(f"{events} events over a bridge, {kills} kills: 0 lost, 0 twice")
