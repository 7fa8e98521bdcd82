"""Drift through the live path: judged windows in, events out that keep the contract and that FHIR can say."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from agent import events
from agent.batch import cut_recording, packets
from agent.bundle import default_bundle_path, open_bundle
from agent.compose import Sender
from agent.contract.schemas import schema
from agent.counters import Counters
from agent.decide import level
from agent.departure import Departures
from agent.drift import Turn
from agent.judge import Judge
from agent.languages import LANGUAGES
from agent.pipeline import Pipeline
from agent.records import NORMAL
from agent.reference import BATCH, LEAST_BATCHES, UNIT_S
from agent.settings import Settings
from agent.telling import tell
from agent.wear import disturbed, strangeness

jsonschema = pytest.importorskip("jsonschema")

LAYOUT = SimpleNamespace(hop_s=0.5)
SENDER = Sender("ward", "gw", "b", "0" * 64, 0.01, LAYOUT, SimpleNamespace(), LANGUAGES["en"])
SINCE = "2001-09-09T01:46:40.000Z"
FIRST = LEAST_BATCHES * BATCH + 200


@pytest.fixture
def adrift() -> tuple[Departures, list[events.Event]]:
    """A watch whose only wearer's level has shifted, and what was told of it."""
    departures = Departures(SENDER, None, SimpleNamespace(wearers=["anna"]))
    values = np.random.default_rng(3).normal(size=FIRST + 60) + 1.5 * (np.arange(FIRST + 60) >= FIRST)
    one, kind = np.zeros(1, int), np.array([2])
    turns = []
    for number, value in enumerate(values):
        turns += departures.drift.take(one, np.array([(number + 1) * UNIT_S]), np.array([value]), kind)
    return departures, [departures._event(turn, turn.at_s) for turn in turns]


def test_a_drift_is_an_event_that_keeps_the_contract(adrift):
    (event,) = adrift[1]
    said = json.loads(events.encode(event))
    jsonschema.validate(said, schema("drift"))
    jsonschema.validate(said, schema("event"))
    assert (event.type, event.subject, event.data.phase) == ("org.veille.event.drift.v1", "anna", "start")
    shift = event.data.shift
    assert shift.direction == "stranger"
    assert shift.interval[0] < 1.5 < shift.interval[1]
    assert shift.statistic >= shift.threshold
    assert "standard deviations" in event.data.sentence
    assert "check that the sensor sits where it did" in event.data.sentence
    assert event.data.sentence in " ".join(tell(event).split())


@pytest.mark.parametrize("habit", [False, True])
@pytest.mark.parametrize("phase", ["start", "end"])
@pytest.mark.parametrize("stops", [False, True])
@pytest.mark.parametrize("size", [1.52, -0.83])
def test_a_drift_is_told_in_french_too_with_the_same_numbers(habit, phase, stops, size):
    turn = Turn(0, phase, 1, 1e9 + 9e4, 1e9, size, size - 0.4, size + 0.3, 720, 50.0, habit)
    told = {
        name: Departures(replace(SENDER, words=said), None, SimpleNamespace(wearers=["anna"]))
        ._event(turn, turn.at_s, stops=stops)
        .data.sentence
        for name, said in LANGUAGES.items()
    }
    assert told["en"] != told["fr"]
    numbers = {name: re.findall(r"[-+]?\d+[.,]\d", text.replace(SINCE, "")) for name, text in told.items()}
    assert numbers["fr"] == [one.replace(".", ",") for one in numbers["en"]]
    assert len(numbers["en"]) == (1 if phase == "end" and not stops else 3)
    assert all(SINCE in text and "{" not in text for text in told.values())


def test_its_end_has_the_same_id_and_a_higher_revision(adrift):
    departures, (start,) = adrift
    (end,) = departures.finish(1e6)
    assert (end.id, end.data.phase, end.data.revision) == (start.id, "end", 1)
    assert departures.finish(1e6) == []


def test_an_old_reader_copes_with_a_drift(adrift):
    """Kinds come on topics of their own, fields are only added: without what is new it reads as any event."""
    said = json.loads(events.encode(adrift[1][0]))
    del said["data"]["shift"]
    assert msgspec.convert(said, events.Event).data.shift is msgspec.UNSET


def test_fhir_can_say_it(adrift):
    pytest.importorskip("fhir.resources", reason="NOT TESTED: FHIR; the extra `fhir` is not installed")
    from agent.fhir.convert import convert

    _, observation, _ = convert(adrift[1][0])
    assert observation["code"]["coding"][0]["code"] == "drift"
    sizes = [one for one in observation["component"] if one["code"]["coding"][0]["code"] == "drift-size"]
    assert [float(sizes[0]["valueQuantity"]["value"])] == [adrift[1][0].data.shift.size]
    assert float(sizes[1]["valueRange"]["low"]["value"]) == adrift[1][0].data.shift.interval[0]


def test_health_tells_what_is_learnt_and_how_far_away_a_wearer_is(adrift):
    departures, _ = adrift
    (anna,) = departures.health()["drift"].values()
    assert 0 < anna["learnt"] < 1
    assert anna["size"] > 1
    json.dumps(departures.health())


def test_drift_yields_to_alarms_and_faults_and_comes_before_doubt():
    order = sorted(events.PRIORITIES, key=events.PRIORITIES.__getitem__)
    assert order.index("silence") < order.index("drift") < order.index("abstention")


def test_what_a_pipeline_sees_reaches_the_watch(simulated):
    """The same units as from the whole recording at once; a window that is no plain wear leaves its unit out."""
    if not (default_bundle_path() / "bundle.json").exists():
        pytest.skip("NOT TESTED: no bundle has been packed into agent/shipped_bundle yet")
    bundle = open_bundle(default_bundle_path())
    coming = sorted(packets(simulated), key=lambda packet: packet.received_s)
    source = SimpleNamespace(
        read=lambda now_s: [coming.pop(0) for _ in range(sum(p.received_s <= now_s for p in coming))]
    )
    outbox = SimpleNamespace(put=lambda pairs: None)
    pipeline = Pipeline(source, bundle, Settings(), outbox, Counters())
    last_s = coming[-1].received_s
    for now_s in np.arange(coming[0].received_s, last_s + 10, 1.0):
        pipeline.step(float(now_s))
    pipeline.finish(last_s + 11)
    (told,) = pipeline.health()["drift"].values()

    alpha = level(Settings().alarms.false_alarms_per_day)
    judged = Judge(bundle.model, alpha).judge(cut_recording(simulated, bundle.manifest.layout))
    strange, wrong = strangeness(judged, bundle.model.prototypes), disturbed(judged)
    assert np.isfinite(strange[~wrong]).all()
    assert (judged.verdicts.labels[~wrong].sum(axis=1) == 1).all()
    assert judged.verdicts.labels[~wrong, NORMAL].all()
    units = np.unique(judged.windows.end_s[wrong] // UNIT_S)
    assert told["left_out"] >= len(units) - 1 > 0, "the fall and the fault are in it"
    assert told["learnt"] > 0
