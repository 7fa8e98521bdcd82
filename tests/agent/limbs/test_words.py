"""A sentence about limbs says what its numbers say, in both languages, and nothing else."""

import re
from dataclasses import fields
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.events import Estimate, Legs, LimbChange, Summary
from agent.languages import ENGLISH, FRENCH, LANGUAGES
from agent.limbs import languages, words
from agent.limbs.change import HEALTHY, HEALTHY_MEAN
from agent.limbs.languages import Phrases, phrases_of
from agent.limbs.tell_legs import SYMMETRY

SIDES = st.sampled_from(["left", "right"])
RATIOS = st.tuples(*[st.floats(0.05, 3.0)] * 3).map(
    lambda ends: Estimate(low=min(ends), value=sorted(ends)[1], high=max(ends))
)
OTHER_LANGUAGE = {
    "en": r"\b(the|than|days?|less|more|people|told once|arm|leg|worn|hours?|is)\b",
    "fr": r"\b(le|la|les|que|jours?|moins|plus|personnes?|bras|jambe|portée?s?|pas|est)\b",
}
"""Words that the one language cannot do without, and the other does not know."""


@st.composite
def changes(draw):
    size, half = draw(st.one_of(st.floats(-0.9, -0.1), st.floats(0.1, 9.0))), draw(st.floats(0, 0.5))
    measure = draw(st.sampled_from(get_args(LimbChange.__annotations__["measure"])))
    reference = draw(st.sampled_from(["own", "healthy"]))
    norm = HEALTHY_MEAN if measure == "use_ratio" else 1.0
    return LimbChange(
        measure=measure,
        reference=reference,
        watched=draw(SIDES),
        size=round(size, 4),
        interval=(round(max(size - half, -1.0), 4), round(size + half, 4)),
        value=round(norm * (1 + size), 4),
        since=f"{draw(st.dates()).isoformat()}T00:00:00.000Z",
        days=draw(st.integers(1, 60)),
        false_event_days=60.0,
        hours=draw(st.lists(st.integers(0, 23), unique=True, max_size=3)) if reference == "own" else [],
    )


def numbers(text):
    """All numbers of a text in order, whatever the language's decimal sign."""
    return [float(one.replace(",", ".")) for one in re.findall(r"[-+]?\d+(?:[.,]\d+)?", text)]


def in_one_language(text, name):
    other = "fr" if name == "en" else "en"
    return re.search(OTHER_LANGUAGE[name], text) and not re.search(OTHER_LANGUAGE[other], text)


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
@given(told=changes())
def test_a_change_says_its_size_limb_direction_beginning_and_hours(language, told):
    sentence, said = words.tell_change(told, language), phrases_of(language)
    assert in_one_language(sentence, language.name)
    limbs = said.arms if told.measure == "use_ratio" else said.legs
    assert limbs[told.watched] in sentence
    assert not any(
        name in sentence for name in (*said.arms.values(), *said.legs.values()) if name != limbs[told.watched]
    )
    if told.reference == "own":
        size = [round(100 * one) for one in (told.size, *told.interval)]
        assert told.since[:10] in sentence
        rest = sentence.replace(told.since[:10], "")
        clock = r"\b(\d+):00" if language is ENGLISH else r"\b(\d+) h\b"
        assert [int(one) for one in re.findall(clock, rest)] == sorted(told.hours)
        assert numbers(re.sub(clock, "", rest)) == [*size, told.days, 60]
        less, more = said.shifts[told.measure]
        assert (less.format(limb=limbs[told.watched]) in sentence) == (told.size < 0)
        assert (more.format(limb=limbs[told.watched]) in sentence) == (told.size > 0)
    else:
        norm, healthy = (HEALTHY_MEAN, HEALTHY) if told.measure == "use_ratio" else (1.0, (0.9, 1.1))
        ends = [norm * (1 + one) for one in told.interval]
        assert numbers(sentence) == pytest.approx([round(100 * one) for one in (told.value, *ends, *healthy)])
        assert said.ways[told.size > 0] in sentence
        assert said.ways[told.size < 0] not in sentence


@given(told=changes())
def test_a_change_has_the_same_numbers_in_both_languages(told):
    english, french = (re.sub(r":00| h\b", "", words.tell_change(told, one)) for one in (ENGLISH, FRENCH))
    assert numbers(english) == numbers(french)


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
@given(told=changes())
def test_healthy_people_and_the_own_days_are_never_taken_for_each_other(language, told):
    """The French page once said of a change against healthy people that it was one against the days before."""
    own, healthy = {"en": ("own days before", "healthy people"), "fr": ("jours précédents", "en bonne santé")}[
        language.name
    ]
    sentence = words.tell_change(told, language)
    assert (own in sentence, healthy in sentence) == (told.reference == "own", told.reference == "healthy")
    lines = words.tell_changes([told], language)
    assert lines[0].casefold() == f"{sentence}.".casefold()
    assert lines[1:] == ([phrases_of(language).unchanged] if told.reference == "healthy" else [])


SUMMARIES = st.builds(
    lambda period, side, worn, use, ratio, why: Summary(
        period=period, profile="stroke", watched=side, worn_h=worn, one_sided_h=0.0, walking_h=0.0,
        use_h={"counts": use}, use_ratio={"counts": ratio} if ratio else {}, withheld="" if period == "hour" else why,
    ),
    period=st.sampled_from(["hour", "day"]),
    side=SIDES,
    worn=st.floats(0.1, 24),
    use=st.tuples(st.floats(0, 12), st.floats(0, 12)),
    ratio=st.none() | RATIOS,
    why=st.sampled_from(get_args(Summary.__annotations__["withheld"])),
)  # fmt: skip
LEGS = st.builds(
    lambda steps, walked, cadence, ratios, why: Legs(
        worn_h=8.0, one_sided_h=0.0, walking_h=walked, steps=steps, cadence=cadence, stride_s=None,
        stride_variation=None, ratios=ratios, trunk_worn_h=0.0, evenness=None, withheld=why,
    ),
    steps=st.none() | st.integers(0, 30_000).map(lambda n: Estimate(value=n, low=n, high=n)),
    walked=st.floats(0, 10),
    cadence=st.none() | st.floats(20, 180),
    ratios=st.dictionaries(st.sampled_from(list(SYMMETRY)), RATIOS),
    why=st.sampled_from(get_args(Legs.__annotations__["withheld"])),
)  # fmt: skip


@given(summary=SUMMARIES)
def test_what_the_arms_did_is_told_with_the_same_figures_in_both_languages(summary):
    english, french = (words.tell_arms(summary, language) for language in (ENGLISH, FRENCH))
    assert numbers(english) == numbers(french)
    assert in_one_language(english, "en")
    assert in_one_language(french, "fr")
    if summary.period == "hour" or summary.use_ratio or not summary.withheld:
        scale, digits = (60, 0) if summary.period == "hour" else (1, 1)
        figures = [*summary.use_h["counts"], summary.worn_h]
        assert set(numbers(english)) >= {round(scale * float(one), digits) for one in figures}
    if summary.period == "day" and summary.use_ratio:
        ratio = summary.use_ratio["counts"]
        assert numbers(english)[-3:] == [round(one, 2) for one in (ratio.value, ratio.low, ratio.high)]
    assert phrases_of(FRENCH).withheld.get(summary.withheld, "") in french
    assert "{" not in english + french


@given(told=LEGS, side=SIDES)
def test_what_the_legs_did_is_told_with_the_same_figures_in_both_languages(told, side):
    english, french = (words.tell_legs(told, side, language) for language in (ENGLISH, FRENCH))
    assert numbers(english) == numbers(french)
    assert phrases_of(ENGLISH).withheld.get(told.withheld, "") in english
    assert phrases_of(FRENCH).withheld.get(told.withheld, "") in french
    assert bool(english) == bool(french) == (told.steps is not None or bool(told.withheld))
    if told.steps:
        figures = [round(told.steps.value), round(60 * told.walking_h)] + (
            [round(told.cadence)] if told.cadence else []
        )
        for ratio in told.ratios.values():
            figures += [round(100 * one) for one in (ratio.value, ratio.low, ratio.high)]
        assert numbers(english)[: len(figures)] == figures
    if told.steps and told.ratios:
        assert phrases_of(FRENCH).legs[side] in french


@pytest.mark.parametrize("said", languages.PHRASES.values(), ids=languages.PHRASES)
def test_each_language_has_words_for_all_that_can_be_told_of_limbs(said):
    assert set(said.shifts) == set(said.figures) == set(get_args(LimbChange.__annotations__["measure"]))
    assert set(said.measures) == set(SYMMETRY)
    told = {why for kind in (Summary, Legs) for why in get_args(kind.__annotations__["withheld"])}
    assert set(said.withheld) == told - {""}
    for limbs in ("arms", "legs"):
        language = LANGUAGES[next(name for name, one in languages.PHRASES.items() if one is said)]
        assert said.limbs[limbs] in words.tell_misplaced(limbs, "sides_swapped", language)
        assert said.limbs[limbs] in words.tell_put_right(limbs, language)


def test_both_languages_leave_the_same_blanks_to_fill_about_limbs(blanks):
    for field in fields(Phrases):
        assert blanks(getattr(languages.ENGLISH, field.name)) == blanks(getattr(languages.FRENCH, field.name)), (
            field.name
        )
