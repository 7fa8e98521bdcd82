"""`veille schema`: the contracts in JSON Schema, generated from the types that the agent runs on."""

import argparse
import json
import sys
from typing import Any

from agent.cli.page import Commands, add_command

PAGE = """
Print a contract as JSON Schema (2020-12), generated from the types that the agent itself uses:
  event     what a subscriber receives (the default); novelty, sensor_fault, abstention, silence, drift: one kind of it
  status, describe, health, state, dropped   what else the agent says
  ack       what a consumer answers on .../ack/{consumer}
  asyncapi  all topics with all these, as an AsyncAPI 3 document
  settings  agent.toml
  ask, explanation   what .../command/explain takes, and what is sent in answer
  packet    what a wearable may send as JSON
  bundle    bundle.json, the manifest of a model bundle

Example:
  veille schema event > veille-event-1.schema.json
"""


def add_to(commands: Commands) -> None:
    """Add `schema` to the command line."""
    parser = add_command(commands, "schema", "print a contract as JSON Schema", PAGE, run)
    parser.add_argument(
        "of", nargs="?", choices=(*WIRE, *SCHEMAS), default="event", metavar="NAME", help="which one (default: event)"
    )


def run(given: argparse.Namespace) -> int:
    """Print one schema."""
    document = SCHEMAS[given.of]() if given.of in SCHEMAS else _wire(given.of)
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return 0


def _wire(name: str) -> dict[str, Any]:
    from agent.contract.schemas import schema

    return schema(name)


def _asyncapi() -> dict[str, Any]:
    from agent.contract.asyncapi import document

    return document()


def _settings() -> dict[str, Any]:
    from agent.settings import Settings

    return _of_type(Settings, "urn:veille:schema:settings:1")


def _packet() -> dict[str, Any]:
    from agent.sources.wire import Body

    return _of_type(Body, "urn:veille:schema:packet:1")


def _bundle() -> dict[str, Any]:
    from agent.manifest import Manifest

    return _of_type(Manifest, "urn:veille:schema:bundle:1")


def _of_type(kind: type, name: str) -> dict[str, Any]:
    import msgspec

    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": name, **msgspec.json.schema(kind)}


WIRE: tuple[str, ...] = ("event", "novelty", "sensor_fault", "abstention", "silence", "drift")
WIRE += ("arm_use_change", "asymmetry_change", "summary")
WIRE += ("status", "describe", "health", "state", "dropped", "ack", "ask", "explanation")
"""What goes over the wire, without loading it: `--help` stays quick."""
SCHEMAS = {"asyncapi": _asyncapi, "settings": _settings, "packet": _packet, "bundle": _bundle}
