"""Events as FHIR R4B: every resource validates, says that a model said it, and is passed on until it is taken."""

import http.server
import json
import threading
from pathlib import Path

import msgspec
import pytest

from agent import events
from agent.consumer.inbox import Envelope, Inbox
from agent.counters import Counters
from agent.errors import PublishError, StopError

pytest.importorskip("fhir.resources", reason="NOT TESTED: FHIR; the extra `fhir` is not installed")
from fhir.resources.R4B import get_fhir_model_class
from fhir.resources.R4B.bundle import Bundle as FhirBundle
from hypothesis import given, settings
from hypothesis import strategies as some

from agent.fhir import codes, forward
from agent.fhir.convert import ConvertError, convert
from agent.fhir.forward import Forwarder, Ndjson, RefusedError, Server

TEMPLATE = json.loads((Path(__file__).parents[1] / "contract" / "event-of-0.1.json").read_text())
KINDS = ("novelty", "sensor_fault", "abstention", "silence", "drift", "arm_use_change", "asymmetry_change", "summary")


def event(kind: str = "novelty", *, name: str | None = None, **data) -> events.Event:
    changed = TEMPLATE | {"type": f"org.veille.event.{kind}.v1", "id": name or TEMPLATE["id"]}
    return msgspec.convert(changed | {"data": TEMPLATE["data"] | {"kind": kind} | data}, events.Event)


def said(one: events.Event) -> dict[str, dict]:
    """Type of resource -> resource, after each was read back and validated."""
    resources = json.loads(json.dumps(convert(one)))
    for resource in resources:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    return {resource["resourceType"]: resource for resource in resources}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("phase", ["start", "update", "end"])
def test_every_resource_of_every_kind_validates(kind, phase):
    found = said(event(kind, phase=phase))
    assert set(found) == {"Device", "Observation", "Provenance"}
    assert found["Observation"]["status"] == ("final" if phase == "end" else "preliminary")
    assert found["Observation"]["code"]["coding"][0]["code"] == kind


def test_an_event_that_a_restart_ended_is_not_final():
    assert said(event(phase="end", ended="restart"))["Observation"]["status"] == "unknown"


def test_everything_says_that_a_model_said_it():
    for resource in said(event()).values():
        labels = [(one["system"], one["code"]) for one in resource["meta"]["security"]]
        assert labels == [("http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "AIAST")]


def test_an_observation_carries_how_sure_the_agent_is():
    observation = said(event(p_value=0.003, p_interval=[0.0, 0.04]))["Observation"]
    (extension,) = observation["extension"]
    parts = {part["url"]: part["valueDecimal"] for part in extension["extension"]}
    assert (parts["p-value"], parts["p-low"], parts["p-high"]) == (0.003, 0.0, 0.04)
    assert {"alpha", "belief-novelty", "plausibility-normal", "promise-per-day", "epistemic"} <= set(parts)
    assert observation["valueCodeableConcept"]["coding"][0]["code"] == "label-novelty"
    assert observation["note"][0]["text"] == TEMPLATE["data"]["sentence"]


def test_doubt_is_no_finding_and_silence_has_no_value():
    doubt = said(event("abstention", verdict=["normal", "novelty"], cause="ambiguous"))["Observation"]
    assert doubt["valueCodeableConcept"]["coding"][0]["code"] == "label-undecided"
    assert doubt["valueCodeableConcept"]["text"] == "normal or novelty"
    silence = said(event("silence", verdict=["normal", "noise", "novelty"], score=None))["Observation"]
    assert "valueCodeableConcept" not in silence
    assert silence["dataAbsentReason"]["coding"][0]["code"] == "not-performed"


def test_the_person_is_a_pseudonym_and_the_ids_are_stable():
    first, second = said(event()), said(event(revision=1, phase="update"))
    assert first["Observation"]["subject"]["identifier"] == {"system": "urn:veille:site:wearer", "value": "anna"}
    assert first["Observation"]["id"] == second["Observation"]["id"] == TEMPLATE["id"]
    assert first["Device"] == second["Device"]
    assert first["Provenance"]["id"] != second["Provenance"]["id"]
    assert first["Provenance"]["target"] == [{"reference": f"Observation/{TEMPLATE['id']}"}]
    assert "DetectedIssue" not in json.dumps(list(first.values()))


unit = some.floats(0, 1)


@settings(max_examples=60, deadline=None)
@given(
    kind=some.sampled_from(KINDS),
    verdict=some.lists(some.sampled_from(["normal", "noise", "novelty"]), min_size=1, max_size=3, unique=True),
    score=some.none() | some.floats(-1e6, 1e6),
    p_value=some.none() | unit,
    quality=some.dictionaries(some.sampled_from(["stuck", "clipped"]), unit),
    sentence=some.text(some.characters(min_codepoint=33, exclude_categories=("Cs", "Cc", "Zs")), min_size=1),
)
def test_whatever_an_event_says_is_valid(kind, verdict, score, p_value, quality, sentence):
    interval = None if p_value is None else [p_value, 1.0]
    figures = {"score": score, "p_value": p_value, "p_interval": interval, "quality": quality}
    said(event(kind, verdict=verdict, sentence=sentence, **figures))


def test_what_cannot_be_said_in_fhir_is_an_error_of_that_event():
    with pytest.raises(ConvertError, match="not valid as FHIR"):
        convert(event(start="yesterday"))


def test_every_code_that_is_used_is_in_the_published_code_system():
    published = codes.published("codesystem")
    get_fhir_model_class("CodeSystem").model_validate(published)
    get_fhir_model_class("StructureDefinition").model_validate(codes.published("uncertainty"))
    assert published["count"] == len(published["concept"]) == len(codes.displays())
    assert published["url"] == codes.FINDINGS
    assert set(KINDS) | {"label-undecided", "p-value"} <= set(codes.displays())


@pytest.fixture
def inbox(tmp_path):
    one = Inbox(tmp_path / "inbox.sqlite")
    yield one
    one.close()


def store(inbox, *stored: events.Event) -> None:
    payloads = [events.encode(one) for one in stored]
    inbox.put([(msgspec.json.decode(payload, type=Envelope), payload) for payload in payloads], 0.0)


class Scripted:
    """Answers as told: an exception, or none."""

    def __init__(self, *answers):
        self.answers, self.taken = list(answers), []

    def take(self, resources):
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.taken.append(resources)


def test_what_is_not_taken_now_is_tried_again_and_what_never_is_is_put_aside(inbox):
    store(inbox, *(event(name=f"00000000-0000-4000-8000-00000000000{n}") for n in range(3)))
    target = Scripted(PublishError("busy"), PublishError("busy"), RefusedError("no such code"))
    counters = Counters()
    forwarder = Forwarder(inbox, target, counters)
    assert forwarder.turn() == 1.0
    assert forwarder.turn() == 2.0  # waits longer each time
    assert forwarder.turn() == forward.IDLE_S
    assert counters.counts == {"retries": 2, "refused": 1, "forwarded": 2}
    assert inbox.unforwarded(10) == []


def test_an_old_revision_that_comes_late_does_not_overwrite_a_new_one(inbox):
    store(inbox, event(revision=2, phase="end"))
    target, counters = Scripted(), Counters()
    forwarder = Forwarder(inbox, target, counters)
    forwarder.turn()
    store(inbox, event(revision=0))
    forwarder.turn()
    assert len(target.taken) == 1
    assert counters.counts == {"forwarded": 1, "superseded": 1}


def test_an_unknown_kind_of_a_newer_agent_is_put_aside_not_tried_for_ever(inbox):
    payload = json.dumps(TEMPLATE | {"data": TEMPLATE["data"] | {"kind": "mood"}}).encode()
    inbox.put([(msgspec.json.decode(payload, type=Envelope), payload)], 0.0)
    counters = Counters()
    Forwarder(inbox, Scripted(), counters).turn()
    assert counters.counts == {"refused": 1}


def test_ndjson_has_one_file_a_type_and_one_resource_a_line(inbox, tmp_path):
    store(inbox, event(), event(revision=1, phase="end"))
    Forwarder(inbox, Ndjson(tmp_path / "out"), Counters()).turn()
    lines = {path.stem: path.read_text().splitlines() for path in (tmp_path / "out").iterdir()}
    assert {name: len(found) for name, found in lines.items()} == {"Device": 2, "Observation": 2, "Provenance": 2}
    for name, found in lines.items():
        for line in found:
            get_fhir_model_class(name).model_validate_json(line)


class FhirServer(http.server.BaseHTTPRequestHandler):
    """Takes transactions, after some failures."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        FhirBundle.model_validate(body)
        self.server.seen.append((self.path, self.headers["Content-Type"], self.headers["Authorization"], body))
        code = self.server.codes.pop(0) if self.server.codes else 200
        self.send_response(code)
        self.end_headers()
        self.wfile.write(b'{"resourceType": "OperationOutcome"}')

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), FhirServer) as one:
        one.seen, one.codes = [], []
        thread = threading.Thread(target=one.serve_forever)
        thread.start()
        yield one
        one.shutdown()
        thread.join(10)


def test_a_server_gets_each_event_as_a_transaction_until_it_takes_it(inbox, server, tmp_path):
    token = tmp_path / "token"
    token.write_text("secret\n")
    server.codes = [503, 429, 200, 422]
    store(inbox, event(), event(name="00000000-0000-4000-8000-000000000000"))
    counters = Counters()
    forwarder = Forwarder(inbox, Server(f"http://127.0.0.1:{server.server_port}/r4/", token), counters)
    while inbox.unforwarded(1):
        forwarder.turn()
    assert counters.counts == {"retries": 2, "forwarded": 1, "refused": 1}
    path, kind, authorization, body = server.seen[-2]
    assert (path, kind, authorization) == ("/r4", "application/fhir+json", "Bearer secret")
    assert [one["request"]["url"].split("/")[0] for one in body["entry"]] == ["Device", "Observation", "Provenance"]
    assert {one["request"]["method"] for one in body["entry"]} == {"PUT"}


def test_a_server_that_is_away_is_tried_again(inbox):
    store(inbox, event())
    counters = Counters()
    assert Forwarder(inbox, Server("http://127.0.0.1:9/r4"), counters).turn() == 1.0
    assert counters.counts == {"retries": 1}


def test_what_is_no_url_is_told_at_once():
    with pytest.raises(StopError, match="give one like https"):
        Server("fhir.hospital.example")
