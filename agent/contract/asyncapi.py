"""The AsyncAPI 3 document: which topics there are, who says what on them, how it is delivered.

Written from the point of view of the agent: `send` is what it publishes, `receive` what it listens to.
"""

from typing import Any

from agent.contract import schemas
from agent.events import Topics

WORDS = {"site", "gateway", "wearer", "consumer", "position", "period"}
PLACE = {
    "site": "Site in the settings, for example a ward.",
    "gateway": "The gateway's name.",
    "wearer": "Pseudonym of the person.",
    "consumer": "Name of the hospital system, as in `[delivery] consumers`.",
    "period": "`hour` or `day`; the latest day is retained.",
    "position": "Where the sensor sits, for example `left_wrist`.",
}
ABOUT = """Events about people who wear accelerometers, scored on the gateway.

Delivery is at least once: de-duplicate by `source`, `id` and `data.revision`; the highest revision of an `id` holds;
`seq` gives the order. Store, then acknowledge on `ack/{consumer}`. Events with `historical: true` come late and after
newer ones. Read what you know and ignore the rest: fields are added, new kinds come on topics of their own.
"""
TOPICS = Topics("{site}", "{gateway}")
TITLES = {
    "status": (TOPICS.status, "Whether the agent lives; the last will says `offline`", {"qos": 1, "retain": True}),
    "describe": (TOPICS.describe, "Who speaks here, under which contract", {"qos": 1, "retain": True}),
    "health": (TOPICS.health, "Queue, losses, delay and memory, every `health_s` seconds", {"qos": 0, "retain": False}),
    "dropped": (TOPICS.dropped, "Events that were given up and will not come", {"qos": 0, "retain": True}),
    "state": (TOPICS.state("{wearer}"), "The wearer's last verdict", {"qos": 0, "retain": True}),
    "ack": (TOPICS.ack("{consumer}"), "What a consumer has stored for good", {"qos": 1, "retain": False}),
    "ask": (TOPICS.ask, "Who wants the whole explanation of an event", {"qos": 1, "retain": False}),
    "explanation": (TOPICS.explanation("{wearer}"), "The whole of it, on request", {"qos": 0, "retain": False}),
}


def document() -> dict[str, Any]:
    """The whole document, with every schema inside."""
    channels = {name: _channel(name, address, title) for name, (address, title, _) in TITLES.items()}
    operations = {name: _operation(name, binding) for name, (_, _, binding) in TITLES.items()}
    for kind in schemas.KINDS:
        title = f"Events of the kind {kind}"
        address = TOPICS.summary("{wearer}", "{period}") if kind == "summary" else TOPICS.event("{wearer}", kind)
        channels[f"event_{kind}"] = _channel(f"event_{kind}", address, title)
        operations[f"event_{kind}"] = _operation(f"event_{kind}", {"qos": 1, "retain": False})
    return {
        "asyncapi": "3.0.0",
        "id": "urn:veille:v1",
        "info": _info(),
        "defaultContentType": "application/json",
        "servers": {"hospital": _server()},
        "channels": channels,
        "operations": operations,
        "components": {"messages": _messages()},
    }


def _info() -> dict[str, Any]:
    return {
        "title": "Veille",
        "version": "1.0.0",
        "description": ABOUT,
        "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        "tags": [{"name": "mqtt"}, {"name": "cloudevents"}, {"name": "accelerometry"}],
    }


def _server() -> dict[str, Any]:
    will = {"topic": TOPICS.status, "qos": 1, "message": '{"state":"offline","epoch":1}', "retain": True}
    session = {"clientId": "veille-{site}-{gateway}", "cleanSession": True, "keepAlive": 20, "lastWill": will}
    return {
        "host": "mqtt.hospital.example:8883",
        "protocol": "mqtts",
        "protocolVersion": "5",
        "description": "The hospital's broker; a certificate for each gateway and each consumer.",
        "security": [{"type": "X509", "description": "The common name says who may do what."}],
        "bindings": {"mqtt": {**session, "bindingVersion": "0.2.0"}},
    }


def _channel(name: str, address: str, title: str) -> dict[str, Any]:
    parameters = {word: {"description": PLACE[word]} for word in sorted(WORDS) if "{" + word + "}" in address}
    return {
        "address": address,
        "title": title,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "parameters": parameters,
    }


def _operation(name: str, binding: dict[str, Any]) -> dict[str, Any]:
    return {
        "action": "receive" if name in ("ack", "ask") else "send",
        "channel": {"$ref": f"#/channels/{name}"},
        "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
        "bindings": {"mqtt": {**binding, "bindingVersion": "0.2.0"}},
    }


def _messages() -> dict[str, Any]:
    plain = {name: _message(name, title, schemas.schema(name)) for name, (_, title, _) in TITLES.items()}
    events = {
        f"event_{kind}": _message(f"event_{kind}", f"An event of the kind {kind}", schemas.schema(kind))
        for kind in schemas.KINDS
    }
    return plain | events


def _message(name: str, title: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "title": title,
        "contentType": "application/cloudevents+json" if name.startswith("event_") else "application/json",
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": _inside(schema, f"#/components/messages/{name}/payload/schema"),
        },
    }


def _inside(part: Any, root: str) -> Any:
    """The schema as a part of the document: its references begin at the document's root, it has no name of its own."""
    if isinstance(part, list):
        return [_inside(one, root) for one in part]
    if not isinstance(part, dict):
        return part
    kept = {key: _inside(value, root) for key, value in part.items() if key not in ("$id", "$schema")}
    reference = kept.get("$ref")
    if isinstance(reference, str):
        kept["$ref"] = root + reference.removeprefix("#")
    return kept
