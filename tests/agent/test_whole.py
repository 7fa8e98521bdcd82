"""The whole explanation on request: true to the event, drawn without leaking samples, and bounded."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from agent import messages
from agent.asks import LARGEST, MOST_HELD, AskBox
from agent.counters import Counters
from agent.events import Topics
from agent.pipeline import Pipeline
from agent.settings import Settings
from agent.sources.replay import ReplaySource
from agent.whole import Explanations, Kept, told

TOPICS = Topics("ward", "gw")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module", params=["en", "fr"])
def kept(request, shipped, simulated):
    """Every explanation of the demo's recording."""
    found = []
    source = ReplaySource(simulated)
    keeper = SimpleNamespace(put=lambda events: None)
    pipeline = Pipeline(source, shipped, Settings(language=request.param), keeper, Counters())
    pipeline.observer.on_explained = lambda event, why: found.append(Kept(event, why))
    now_s = 0.0
    while not source.ended:
        now_s += 10.0
        pipeline.step(now_s)
    pipeline.finish(now_s)
    assert {one.event.data.kind for one in found} >= {"novelty", "sensor_fault"}
    return found


def test_shares_and_rest_on_the_wire_sum_to_the_score(kept):
    for one in kept:
        sent = told(one, picture=False, trace=False)
        if sent.score is not None:
            assert np.sum(sent.shares) + sum(sent.rest.values()) == pytest.approx(sent.score, abs=3e-3)  # 5 digits each
            assert np.shape(sent.shares) == (len(sent.positions), len(sent.axes), 4, len(sent.aspects))


def test_it_reads_back_the_same_and_says_what_its_event_says(kept):
    for one in kept:
        sent = told(one, picture=True, trace=True)
        assert msgspec.json.decode(messages.encode(sent), type=messages.Explanation) == sent
        assert (sent.id, sent.sentence, sent.why) == (one.event.id, one.event.data.sentence, one.event.data.why)


def drawn(one, *, trace):
    return ET.fromstring(told(one, picture=True, trace=trace).picture)


def test_the_picture_has_a_panel_a_position_and_frames_what_is_told(kept):
    for one in kept:
        root = drawn(one, trace=True)
        texts = [text.text for text in root.iter(f"{SVG}text")]
        assert all(position.replace("_", " ") in texts for position in one.why.positions)
        frames = [box for box in root.iter(f"{SVG}rect") if box.get("stroke") == "#CC3311"]
        assert len(frames) == 1 + (one.why.account is not None) + len(one.why.faulty)  # one stands in the legend
        for box in root.iter(f"{SVG}rect"):
            assert float(box.get("width")) >= 0
            assert float(box.get("height")) >= 0
        assert "nan" not in ET.tostring(root, encoding="unicode")


def test_the_picture_of_a_fault_frames_the_sensor_that_its_sentence_names_and_nothing_else(kept):
    faults = [one for one in kept if one.event.data.kind == "sensor_fault"]
    assert faults
    for one in faults:
        assert one.why.faulty == ("right_wrist",)
        root = drawn(one, trace=True)
        (first, *_) = (text for text in root.iter(f"{SVG}text") if text.get("font-weight") == "bold")
        _, frame = (box for box in root.iter(f"{SVG}rect") if box.get("stroke") == "#CC3311")
        assert first.text == "right wrist"
        assert 0 < float(frame.get("y")) - float(first.get("y")) < 10
        assert "score" not in "".join(text.text for text in root.iter(f"{SVG}text") if text.get("x") != "327")
        assert told(one, picture=False, trace=False).shares == []


def test_no_sample_is_drawn_unless_the_settings_allow_it(kept):
    for one in kept:
        assert not list(drawn(one, trace=False).iter(f"{SVG}polyline"))
        assert list(drawn(one, trace=True).iter(f"{SVG}polyline"))
        with_signal, without = (messages.encode(told(one, picture=False, trace=trace)) for trace in (True, False))
        assert with_signal == without


def test_a_gap_is_not_drawn_across(kept):
    samples = kept[0].why.samples_g.copy()
    samples[:, :, 40:60] = np.nan
    why = replace(kept[0].why, samples_g=samples)
    root = drawn(Kept(kept[0].event, why), trace=True)
    assert len(list(root.iter(f"{SVG}polyline"))) == 2 * 3 * len(why.positions)


def test_the_title_cannot_break_the_picture(kept):
    data = msgspec.structs.replace(kept[0].event.data, sentence='<script>&"')
    event = msgspec.structs.replace(kept[0].event, data=data)
    assert drawn(Kept(event, kept[0].why), trace=True).find(f"{SVG}title").text == '<script>&"'


def asking(kept, *, trace=False):
    explanations, counters = Explanations(), Counters()
    for one in kept:
        explanations.keep(one.event, one.why)
    return AskBox(explanations.find, TOPICS, counters, trace=trace), counters


def test_who_asks_is_answered_below_the_wearers_own_topics(kept):
    box, counters = asking(kept)
    one = kept[0]
    box.take(json.dumps({"id": one.event.id, "picture": True}).encode())
    (answer,) = box.answers()
    assert answer.topic == f"veille/v1/ward/gw/wearer/{one.event.subject}/explanation"
    assert not answer.retain
    sent = msgspec.json.decode(answer.payload, type=messages.Explanation)
    assert sent.id == one.event.id
    assert sent.picture.startswith("<svg")
    assert "polyline" not in sent.picture
    assert counters.snapshot() == {"explanations_asked": 1}
    assert box.answers() == []


@pytest.mark.parametrize(
    "payload", [b"", b"null", b"{", b"\xff", b'{"id": 7}', b'{"id": ""}', b"[" * 500, b" " * (LARGEST + 1)]
)
def test_what_is_no_question_is_counted_and_has_no_effect(kept, payload):
    box, counters = asking(kept)
    box.take(payload)
    assert box.answers() == []
    assert counters.counts["asks_malformed"] == 1


def test_an_event_that_is_not_kept_is_counted_and_a_flood_cut_off(kept):
    box, counters = asking(kept)
    for _ in range(MOST_HELD + 5):
        box.take(b'{"id": "nobody"}')
    assert box.answers() == []
    assert counters.counts["explanations_unknown"] == MOST_HELD
    assert counters.counts["asks_overflow"] == 5


def test_only_the_latest_explanations_are_kept(kept):
    explanations, one = Explanations(3), kept[0]
    for number in range(5):
        explanations.keep(msgspec.structs.replace(one.event, id=str(number)), one.why)
    assert [explanations.find(str(number)) is not None for number in range(5)] == [False, False, True, True, True]
