"""Everything that goes over the wire, as JSON Schema (2020-12), one document a contract.

The types are the contract; the files in `v1/` are what they give, and a test holds the two together.
"""

import copy
import typing
from typing import Any

import msgspec

from agent import messages
from agent.events import Kind, json_schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MESSAGES: dict[str, type[msgspec.Struct]] = {
    "status": messages.Status,
    "describe": messages.Describe,
    "health": messages.Health,
    "state": messages.State,
    "dropped": messages.Dropped,
    "ack": messages.Acks,
    "ask": messages.Ask,
    "explanation": messages.Explanation,
}
KINDS: tuple[str, ...] = typing.get_args(Kind)


def identities() -> dict[str, str]:
    """Name of each contract -> its `$id`."""
    return {name: identity(name) for name in ("event", *KINDS, *MESSAGES)}


def identity(name: str) -> str:
    """`$id` of a contract; the number at its end changes only with an incompatible version."""
    return f"urn:veille:schema:event:{name}:1" if name in KINDS else f"urn:veille:schema:{name}:1"


def schema(name: str) -> dict[str, Any]:
    """The document of one contract: `event` (any kind), a kind of event, or a name in `MESSAGES`.

    Raises:
        KeyError: no such contract.
    """
    if name == "event":
        return json_schema()
    return _of_kind(name) if name in KINDS else _of_message(name)


def _of_kind(kind: str) -> dict[str, Any]:
    """An event of one kind: the envelope, with what this kind fixes."""
    document = copy.deepcopy(json_schema())
    document["$id"] = identity(kind)
    definitions = document["$defs"]
    definitions["Event"]["properties"]["type"]["const"] = f"org.veille.event.{kind}.v1"
    definitions["EventData"]["properties"]["kind"] = {"const": kind}
    return document


def _of_message(name: str) -> dict[str, Any]:
    (root,), components = msgspec.json.schema_components([MESSAGES[name]], ref_template="#/$defs/{name}")
    return {"$schema": DIALECT, "$id": identity(name), **root, "$defs": components}
