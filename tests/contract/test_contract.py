"""The contract with hospital systems: what ships is what the types say, what is said validates, the old can read it."""

import gzip
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema
import msgspec
import pytest

from agent import events
from agent.contract import asyncapi, schemas
from agent.contract.__main__ import SHIPPED, documents, text_of
from agent.gateway import describe_gateway
from agent.messages import Acks, Dropped, Health, State, Status
from agent.settings import Delivery, Settings

HERE = Path(__file__).parent
MOMENT = "2026-11-23T12:00:00.000Z"


def test_the_documents_in_the_package_are_those_of_the_types():
    made = documents()
    assert {path.name for path in SHIPPED.iterdir()} == set(made), "run: python -m agent.contract"
    for name, document in made.items():
        assert (SHIPPED / name).read_text(encoding="utf-8") == text_of(document), f"{name}: python -m agent.contract"


@pytest.mark.parametrize("name", sorted(schemas.identities()))
def test_each_contract_is_a_json_schema_and_the_command_line_prints_it(name, veille):
    document = schemas.schema(name)
    jsonschema.Draft202012Validator.check_schema(document)
    assert document["$id"] == schemas.identity(name)
    assert json.loads(veille("schema", name).stdout) == document


def test_the_asyncapi_document_validates_against_the_official_schema():
    """JSON Schema of AsyncAPI 3.0.0 as its project publishes it (@asyncapi/specs 6.11.1, Apache-2.0)."""
    official = json.loads(gzip.decompress((HERE / "asyncapi-3.0.0.schema.json.gz").read_bytes()))
    validator = jsonschema.Draft7Validator(official)
    document = json.loads((SHIPPED / "asyncapi.json").read_text())
    problems = [f"{list(one.absolute_path)}: {one.message[:200]}" for one in validator.iter_errors(document)]
    assert not problems
    broken = document | {"channels": {"status": {"address": 7}}}
    assert not validator.is_valid(broken)


def test_every_reference_in_the_asyncapi_document_leads_somewhere():
    document = asyncapi.document()

    def references(part):
        if isinstance(part, dict):
            yield from ([part["$ref"]] if isinstance(part.get("$ref"), str) else [])
            for value in part.values():
                yield from references(value)
        elif isinstance(part, list):
            for value in part:
                yield from references(value)

    found = list(references(document))
    assert found
    for reference in found:
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_the_asyncapi_document_names_every_topic_that_the_agent_uses():
    addresses = {channel["address"] for channel in asyncapi.document()["channels"].values()}
    root = "veille/v1/{site}/{gateway}"
    kinds = {f"{root}/wearer/{{wearer}}/event/{kind}" for kind in schemas.KINDS if kind != "summary"}
    kinds.add(f"{root}/wearer/{{wearer}}/summary/{{period}}")
    rest = {f"{root}/{end}" for end in ("status", "describe", "health", "dropped", "ack/{consumer}", "command/explain")}
    assert addresses == kinds | rest | {f"{root}/wearer/{{wearer}}/{end}" for end in ("state", "explanation")}


class Bundle:
    id, digest = "student", "0" * 64


MESSAGES = {
    "status": Status(state="online", epoch=1, time=MOMENT),
    "describe": describe_gateway(Settings(wearers=("anna",), delivery=Delivery(consumers=("ehr",))), Bundle(), 3),
    "ack": Acks(acks=[{"id": "a", "revision": 0}]),
    "dropped": Dropped(total=1, kinds={}),
    "state": State(verdict=["normal"], cause="", silent=False, worn=True, window_end=MOMENT),
}


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_what_is_said_validates(name):
    said = json.loads(msgspec.json.encode(MESSAGES[name]))
    jsonschema.Draft202012Validator(schemas.schema(name)).validate(said)


def test_describe_names_the_contract(veille):
    described = MESSAGES["describe"]
    assert described.schemas == schemas.identities()
    assert (described.delivery.mode, described.delivery.consumers) == ("end-to-end", ["ehr"])
    assert described.wearers == ["anna"]


def test_health_has_the_fields_that_the_gateway_tells():
    assert {"depth", "oldest_s", "size_bytes", "dropped", "behind"} <= set(Health.__struct_fields__)


def test_an_event_validates_as_its_own_kind_and_as_no_other(event_of):
    for kind in schemas.KINDS:
        said = json.loads(events.encode(event_of(kind)))
        valid = {
            other for other in schemas.KINDS if jsonschema.Draft202012Validator(schemas.schema(other)).is_valid(said)
        }
        assert valid == {kind}
        jsonschema.Draft202012Validator(schemas.schema("event")).validate(said)


@pytest.fixture
def event_of():
    """A whole event of one kind."""
    template = json.loads((HERE / "event-of-0.1.json").read_text())

    def make(kind: str) -> events.Event:
        changed = template | {"type": f"org.veille.event.{kind}.v1", "data": template["data"] | {"kind": kind}}
        return msgspec.convert(changed, events.Event)

    return make


# --- the compatibility rule: fields are added, never removed, renamed or given another meaning; a new kind comes on a
# topic of its own; within the kinds of the first release no closed list grows. What the first release said and
# understood is frozen here as `event-of-0.1.*`; these files change only with the version of the contract.


@pytest.fixture(scope="module")
def first() -> dict:
    return json.loads((HERE / "event-of-0.1.schema.json").read_text())


FIRST_KINDS = ("novelty", "sensor_fault", "abstention")


@pytest.mark.parametrize("kind", FIRST_KINDS)
def test_an_old_consumer_reads_a_new_event(first, event_of, kind):
    """Both by its schema and by its types, as `old_consumer.py` has frozen them."""
    said = events.encode(event_of(kind))
    jsonschema.Draft202012Validator(first).validate(json.loads(said))
    told = subprocess.run([sys.executable, str(HERE / "old_consumer.py")], input=said, capture_output=True, timeout=60)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {"kind": kind, "sentence": event_of(kind).data.sentence}


def test_an_old_consumer_leaves_a_kind_that_it_does_not_know(event_of):
    said = events.encode(event_of("silence"))
    told = subprocess.run([sys.executable, str(HERE / "old_consumer.py")], input=said, capture_output=True, timeout=60)
    assert json.loads(told.stdout) == {"unknown": "org.veille.event.silence.v1"}


def test_a_new_consumer_reads_an_old_event():
    old = events.decode((HERE / "event-of-0.1.json").read_bytes())
    assert old.data.kind == "novelty"


def test_no_field_has_gone_or_changed_its_meaning(first):
    now = schemas.schema("event")
    for name, definition in first["$defs"].items():
        new = now["$defs"][name]
        assert set(definition["required"]) <= set(new["required"]), f"{name}: readers rely on what is required"
        for field, was in definition["properties"].items():
            assert field in new["properties"], f"{name}.{field} is gone"
            if (name, field) == ("EventData", "kind"):  # a list that may grow: each kind has its own topic
                assert set(was["enum"]) <= set(new["properties"][field]["enum"])
            else:
                assert without_words(was) == without_words(new["properties"][field]), f"{name}.{field} has changed"


def without_words(part):
    """A schema without what is only for people."""
    if isinstance(part, dict):
        return {key: without_words(value) for key, value in part.items() if key not in ("description", "title")}
    return [without_words(one) for one in part] if isinstance(part, list) else part


def test_the_documents_and_the_code_system_are_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"agent/contract/v1/{name}" for name in documents()} <= names
    assert {"agent/fhir/codesystem.json", "agent/fhir/uncertainty.json"} <= names
