"""Events say what was seen in words and numbers that hold, and stay within their schema."""

from dataclasses import replace

import jsonschema
import msgspec
import numpy as np
import pytest

from agent import events
from agent.batch import cut_recording
from agent.compose import LIGHT_BYTES, Composer, Sender
from agent.counters import Counters
from agent.errors import AgentError
from agent.explain import Explainer
from agent.judge import Judge
from agent.languages import ENGLISH, FRENCH
from agent.quality import CERTAIN
from agent.records import CAUSES, FALL, FAULTS, FREEZING, OPEN, PARTS, Quality, Trust
from agent.settings import Alarms
from agent.track import Tracker

ALPHA = 0.2  # the small bundle's calibration cannot promise less


@pytest.fixture(scope="module")
def judge(bundle):
    return Judge(bundle.model, ALPHA)


@pytest.fixture(scope="module")
def judged(judge, simulated):
    return judge.judge(cut_recording(simulated, judge.model.layout))


@pytest.fixture(params=[ENGLISH, FRENCH], ids=["en", "fr"])
def said(request):
    return request.param


@pytest.fixture
def composer(bundle, judge, simulated, said, recent_of):
    made = ("site", "gate", bundle.id, bundle.digest)
    sender = Sender(*made, ALPHA, bundle.model.layout, bundle.model.calibration, said)
    return Composer(sender, Explainer(judge, recent_of(simulated)), ["p7"], ["right_wrist", "waist"])


@pytest.fixture
def story(bundle, judged, composer):
    """All events of the simulated two minutes."""
    tracker = Tracker(Alarms(), bundle.model.layout.hop_s, Counters())
    changes = tracker.follow(judged, 0.0)
    told = [composer.compose(change, judged, 1000.0)[0] for change in changes]
    return told + [composer.compose(change, None, 1000.0)[0] for change in tracker.finish()]


def test_every_event_fits_its_schema_and_reads_back_the_same(story):
    assert story
    validator = jsonschema.Draft202012Validator(events.json_schema())
    for event in story:
        validator.validate(msgspec.json.decode(events.encode(event)))
        assert events.decode(events.encode(event)) == event


def test_the_story_has_a_fall_and_a_sensor_fault(story):
    starts = {event.data.kind: event.data for event in story if event.data.phase == "start"}
    assert {"novelty", "sensor_fault"} <= starts.keys()
    assert starts["sensor_fault"].sentence.split(" (")[0] in ("right wrist: stuck", "poignet droit : figé")
    assert starts["sensor_fault"].verdict == ["noise"]
    assert starts["novelty"].verdict == ["novelty"]


def test_phases_of_one_happening_share_an_id_and_count_up(story):
    for one in {event.id for event in story}:
        mine = [event for event in story if event.id == one]
        assert [event.data.revision for event in mine] == list(range(len(mine)))
        assert mine[0].data.phase == "start"
        assert mine[-1].data.phase == "end"
        assert {event.data.start for event in mine} == {mine[0].data.start}
        assert sorted(event.data.end for event in mine) == [event.data.end for event in mine]
        assert {event.subject for event in mine} == {"p7"}


def test_an_end_repeats_what_was_last_said(story):
    for event in story:
        if event.data.phase == "end":
            before = [e for e in story if e.id == event.id][-2]
            same = msgspec.structs.replace(event.data, phase=before.data.phase, end=before.data.end, revision=0)
            assert same == msgspec.structs.replace(before.data, revision=0)


def test_numbers_are_consistent_with_the_verdict(story):
    for event in story:
        data = event.data
        for label in ("normal", "noise", "novelty"):
            assert getattr(data.belief, label) <= getattr(data.plausibility, label) + 1e-6
            if label in data.verdict:
                assert getattr(data.plausibility, label) > 0
        assert (len(data.verdict) == 1) == (data.cause == "")
        if data.p_value is not None:
            low, high = data.p_interval
            assert low <= data.p_value + 1e-6
            assert data.p_value <= high + 1e-6


def test_the_contributions_are_shares_of_the_leading_position(story):
    for event in story:
        if event.data.kind == "novelty":
            shares = [place.share for place in event.data.contributions]
            assert shares == sorted(shares, reverse=True)
            assert 0 < sum(shares) <= 1.001
            assert {place.position for place in event.data.contributions} == {event.data.why.account.position}
            assert all(-2.56 <= place.start_s < place.end_s <= 0 for place in event.data.contributions)


def test_the_rarity_in_the_sentence_follows_from_p(story, said):
    data = next(event.data for event in story if event.data.kind == "novelty")
    assert said.rarity.format(one_in=int(1 / data.p_value)) in data.sentence


def test_every_event_is_light(story):
    assert all(len(events.encode(event)) <= LIGHT_BYTES for event in story)


def test_sentences_are_one_line_without_blanks_to_fill(story):
    for event in story:
        assert "\n" not in event.data.sentence
        assert "{" not in event.data.sentence
        assert "nan" not in event.data.sentence


def told_of(composer, judged, window, kind):
    from agent.track import Change, Happening

    end_s = float(judged.windows.end_s[window])
    return composer.compose(Change(Happening(kind, end_s, end_s), "start", 0, window, 0, end_s), judged, end_s)[0]


@pytest.mark.parametrize("cause", range(1, len(CAUSES)))
def test_each_doubt_names_its_cause_even_where_nothing_could_be_scored(composer, judged, cause, said):
    verdicts = replace(judged.verdicts, cause=np.full(len(judged.verdicts.cause), cause))
    for scored in (True, False):
        surprise = judged.surprise
        if not scored:
            nothing = np.full(len(surprise.score), np.nan)
            values = dict.fromkeys(("score", "p_value", "p_low", "p_high", "p_population"), nothing)
            surprise = replace(surprise, **values, leading_row=np.full(len(nothing), -1))
        data = told_of(composer, replace(judged, verdicts=verdicts, surprise=surprise), 3, "abstention").data
        assert data.cause == CAUSES[cause]
        assert data.sentence.startswith(said.cannot_tell)
        assert (data.p_value is None) == (not scored)
        assert (data.spread is None) == (not scored)


@pytest.mark.parametrize("name", Quality.FAULTS)
def test_each_fault_is_named_with_what_to_do(composer, judged, name, said):
    none = np.zeros(len(judged.fault))
    quality = replace(judged.quality, **dict.fromkeys(Quality.FAULTS, none))
    wrist = judged.windows.stream == 0
    quality = replace(quality, **{name: np.where(wrist, 0.95, 0.0)})
    data = told_of(composer, replace(judged, quality=quality), 3, "sensor_fault").data
    assert data.sentence.endswith(f": {said.faults[name]}")
    assert data.sentence.startswith(said.positions.get("right_wrist", "right wrist"))
    assert f"{said.fault_names[name]} (0{said.decimal}95)" in data.sentence
    assert data.quality[name] == 0.95
    assert data.belief.noise >= CERTAIN


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_breaks_no_law_of_physics_is_named_by_what_it_is_most_like(composer, judged, name, said):
    none = np.zeros(len(judged.fault))
    wrist = judged.windows.stream == 0
    changed = replace(
        judged,
        quality=replace(judged.quality, **dict.fromkeys(Quality.FAULTS, none)),
        trust=Trust(none, np.where(wrist, 0.7, 0.0), np.zeros(len(none), np.bool_), np.zeros(len(none), np.bool_)),
        scores=replace(judged.scores, faults=np.tile(np.array(FAULTS) == name, (len(none), 1)).astype(float)),
    )
    data = told_of(composer, changed, 3, "sensor_fault").data
    told, advice = said.learnt_faults[name]
    assert f"0{said.decimal}70" in data.sentence
    assert told in data.sentence
    assert data.sentence.endswith(advice)
    assert data.belief.noise == 0.7
    assert data.plausibility.novelty == 0.3


def strong(judged, window, **parts):
    """The same ticks, but these parts of the window's leading row are as given."""
    row, found = int(judged.surprise.leading_row[window]), judged.scores.parts.copy()
    for name, value in parts.items():
        found[row, PARTS.index(name)] = value
    return replace(judged, scores=replace(judged.scores, parts=found))


@pytest.mark.parametrize(
    ("parts", "resembles"),
    [
        ({"open": 9.0, "fall": 0.9, "freezing": -np.inf}, ""),
        ({"open": 9.0, "fall": 1.0, "freezing": -np.inf}, "fall"),
        ({"open": -1.0, "fall": 2.0, "freezing": 3.0}, "freezing"),
        ({"open": -1.0, "fall": 3.0, "freezing": 2.0}, "fall"),
        ({"open": 2.0, "fall": -np.inf, "freezing": -np.inf}, ""),
    ],
)
def test_an_event_names_the_known_novelty_that_it_resembles_and_its_parts(composer, judged, parts, resembles, said):
    event = told_of(composer, strong(judged, 3, **parts), 3, "novelty")
    assert event.data.resembles == resembles
    told = [name for name, words in said.likeness.items() if words and words in event.data.sentence]
    assert told == [resembles] * bool(resembles)
    assert {name: part.score for name, part in event.data.parts.items()} == {
        name: value for name, value in parts.items() if np.isfinite(value)
    }
    jsonschema.Draft202012Validator(events.json_schema()).validate(msgspec.json.decode(events.encode(event)))
    shown = msgspec.json.decode(events.encode(event))["data"]
    assert shown["resembles"] == resembles
    assert set(shown["parts"]) == set(event.data.parts)


def test_each_part_has_the_p_value_of_its_own_half_minutes(composer, judged, bundle):
    window = 3
    family = int(judged.windows.family[judged.surprise.leading_row[window]])
    normal = bundle.model.calibration.families[family].parts
    told = told_of(composer, strong(judged, window, open=float(normal[OPEN][-2])), window, "novelty").data.parts
    assert told["open"].p_value == pytest.approx(3 / (1 + len(normal[OPEN])), abs=1e-6)
    for name, value in ((PARTS[FALL], 1e6), (PARTS[FALL], -1e6)):
        p_value = told_of(composer, strong(judged, window, **{name: value}), window, "novelty").data.parts[name].p_value
        assert p_value == pytest.approx(1 / (1 + len(normal[FALL])) if value > 0 else 1.0, abs=1e-6)
    assert len(normal[FREEZING]) == 0  # no legs
    assert "freezing" not in told


def test_a_faulty_sensor_resembles_nothing_that_a_person_does(composer, judged):
    data = told_of(composer, strong(judged, 3, fall=9.0), 3, "sensor_fault").data
    assert data.resembles == ""
    assert data.parts == {}
    assert not any(words and words in data.sentence for words in ENGLISH.likeness.values())


def test_the_identity_depends_on_who_what_and_when_alone(story, composer, judged):
    base = told_of(composer, judged, 3, "novelty").id
    assert told_of(composer, judged, 3, "novelty").id == base
    assert told_of(composer, judged, 4, "novelty").id != base
    assert told_of(composer, judged, 3, "sensor_fault").id != base


def test_an_event_that_never_started_cannot_end(composer):
    from agent.track import Change, Happening

    with pytest.raises((TypeError, AgentError)):
        composer.compose(Change(Happening("novelty", 0.0, 0.0), "end", 0, -1, 0, 0.0), None, 0.0)
