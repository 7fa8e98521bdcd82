"""Who asks over MQTT for the whole explanation of an event gets it from the running agent."""

import json
import time

import pytest
from paho.mqtt.publish import single

from agent.events import Topics

TOPICS = Topics("ward", "gw")
pytestmark = pytest.mark.broker


def test_the_whole_explanation_of_a_fall_comes_to_who_asks_for_it(
    simulated, agent_on, publish_recording, mosquitto, listen, wait_for
):
    subscriber = listen(mosquitto.port, f"{TOPICS.root}/#")
    agent_on(mosquitto.port, mosquitto.port)
    wait_for(lambda: any(one.get("state") == "online" for one in subscriber.payloads("/status")), "the agent", 60)
    wait_for(lambda: subscriber.payloads("/health"), "the agent's health", 60)
    publish_recording(mosquitto.port, TOPICS, "anna", simulated, float(int(time.time()) - 130))
    wait_for(lambda: [one for one in subscriber.events() if one.data.kind == "novelty"], "the fall", 60)
    event = next(one for one in subscriber.events() if one.data.kind == "novelty")
    for asked in ("not json", json.dumps({"id": "nobody"}), json.dumps({"id": event.id, "picture": True})):
        single(TOPICS.ask, asked, qos=1, port=mosquitto.port)
    wait_for(lambda: subscriber.payloads("/explanation"), "the explanation", 30)
    (whole,) = subscriber.payloads("/wearer/anna/explanation")
    assert whole["id"] == event.id
    assert whole["picture"].startswith("<svg")
    assert "polyline" not in whole["picture"], "no sample leaves the gateway unless the settings allow it"
    assert whole["why"]["account"]["position"] == "waist"
    wait_for(lambda: subscriber.payloads("/health")[-1]["counters"].get("explanations_unknown"), "the count", 30)
    assert subscriber.payloads("/health")[-1]["counters"]["asks_malformed"] == 1
