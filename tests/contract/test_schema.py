"""The printed contracts hold: real events, settings and packets validate; broken ones do not."""

import json
import tomllib

import jsonschema
import msgspec
import pytest

from agent.cli import run as run_command
from agent.events import Event, encode
from agent.settings import Settings
from agent.sources import wire

MASSES = {"normal": 0.1, "noise": 0.0, "novelty": 0.9}
MOMENT = "2026-11-23T12:00:00.000Z"
DATA = {
    "kind": "novelty",
    "phase": "start",
    "revision": 0,
    "wearer": "w1",
    "start": MOMENT,
    "end": MOMENT,
    "verdict": ["novelty"],
    "sentence": "The waist moved as in no normal half-minute.",
    "score": 9.5,
    "p_value": 0.002,
    "p_interval": [0.0005, 0.007],
    "alpha": 0.0083,
    "belief": MASSES,
    "plausibility": MASSES,
    "spread": {"aleatoric": 0.3, "epistemic": 0.7, "disagreement": 0.1},
    "promise_per_day": 4.1,
    "quality": {"stuck": 0.0},
    "positions": {"waist": 9.5, "right_wrist": None},
    "parts": {"open": {"score": 2.5, "p_value": 0.02}, "fall": {"score": 9.5}},
    "resembles": "fall",
    "contributions": [{"position": "waist", "axis": "y", "start_s": -0.64, "end_s": 0.0, "share": 0.5}],
    "bundle": "student",
    "bundle_digest": "0" * 64,
    "scored": MOMENT,
}
EVENT = {
    "specversion": "1.0",
    "id": "5a3f5a58-7d4c-5c1e-9b38-0d5c7d3e6a10",
    "source": "veille/site/gateway",
    "type": "org.veille.event.novelty.v1",
    "subject": "w1",
    "time": MOMENT,
    "data": DATA,
}


def validator(veille, name: str) -> jsonschema.Draft202012Validator:
    told = veille("schema", name)
    assert told.returncode == 0, told.stderr
    schema = json.loads(told.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture(scope="module")
def event_schema(veille) -> jsonschema.Draft202012Validator:
    return validator(veille, "event")


@pytest.fixture(scope="module")
def replayed(veille, simulated_csv, tmp_path_factory) -> list[dict]:
    """Events of the simulated recording, as they would be published."""
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    told = veille("replay", simulated_csv, "--events", path)
    assert told.returncode == 0, told.stderr
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_event_of_the_types_validates(event_schema):
    event_schema.validate(json.loads(encode(msgspec.convert(EVENT, Event))))


def test_real_events_validate(event_schema, replayed):
    assert len(replayed) > 0
    for event in replayed:
        event_schema.validate(event)


@pytest.mark.parametrize(
    "broken",
    [
        {**EVENT, "specversion": "2.0"},
        {key: value for key, value in EVENT.items() if key != "id"},
        {**EVENT, "data": {**DATA, "p_value": 1.5}},
        {**EVENT, "data": {**DATA, "verdict": ["ill"]}},
        {**EVENT, "data": {**DATA, "kind": "diagnosis"}},
        {**EVENT, "data": {**DATA, "belief": {"normal": 1.0}}},
        {**EVENT, "data": {**DATA, "p_interval": [0.1]}},
        {**EVENT, "data": {**DATA, "resembles": "seizure"}},
        {**EVENT, "data": {**DATA, "parts": {"fall": {"p_value": 0.5}}}},
        {**EVENT, "data": {**DATA, "parts": {"fall": {"score": 1.0, "p_value": 2.0}}}},
    ],
)
def test_a_broken_event_does_not_validate(event_schema, broken):
    assert not event_schema.is_valid(broken)


def test_a_field_of_a_newer_agent_does_no_harm(event_schema):
    assert event_schema.is_valid({**EVENT, "data": {**DATA, "mood": "calm"}, "traceparent": "00-1-1-00"})


@pytest.mark.parametrize("newer", ["parts", "resembles", "cause"])
def test_an_event_of_an_agent_before_the_parts_still_validates_and_reads(event_schema, newer):
    old = {**EVENT, "data": {key: value for key, value in DATA.items() if key != newer}}
    event_schema.validate(old)
    assert not getattr(msgspec.convert(old, Event).data, newer)


def test_the_example_of_the_help_is_whole_and_holds_the_defaults(veille):
    lines = run_command.PAGE.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("  site ="))
    settings = tomllib.loads("\n".join(lines[start:]))
    validator(veille, "settings").validate(settings)
    assert msgspec.convert(settings, Settings) == Settings()


def test_a_packet_in_json_validates(veille):
    schema = validator(veille, "packet")
    schema.validate(json.loads(wire.encode_json([[0.0, 0.1, 1.0], [0.0, float("nan"), 1.0]], t=1.0, rate_hz=50.0)))
    assert not schema.is_valid({"samples": [[0.0, 1.0]]})
    assert not schema.is_valid({"samples": [[0.0, 0.1, 1.0]], "unit": "furlong"})


def test_the_shipped_manifest_validates(veille, root):
    path = root / "agent" / "shipped_bundle" / "bundle.json"
    schema = validator(veille, "bundle")
    if not path.exists():
        pytest.skip("NOT TESTED: no bundle has been packed into agent/shipped_bundle yet")
    schema.validate(json.loads(path.read_text()))
