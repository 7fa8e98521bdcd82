"""A sentence says what its numbers say, in both languages, and nothing else."""

from dataclasses import fields
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import words
from agent.attribute import ASPECTS
from agent.events import Account, Change, Closest, EventData, Place, Resolution
from agent.languages import ENGLISH, FRENCH, LANGUAGES, Language
from agent.layout import POSITIONS
from agent.records import CAUSES, LABELS, Quality
from agent.regime import REGIMES
from agent.terms import DIFFERENCE, DURATION, SHARE, truth

ACCOUNTS = st.builds(
    lambda axis, share, start, length, aspect, difference: Account(
        position="right_wrist", axis=axis, axis_share=share, start_s=-start, end_s=-start + length, aspect=aspect,
        difference=difference,
    ),
    axis=st.sampled_from(["x", "y", "z"]),
    share=st.floats(0.5, 1),
    start=st.sampled_from([2.56, 1.92, 1.28, 0.64]),
    length=st.sampled_from([0.64, 1.28, 1.92, 2.56]),
    aspect=st.sampled_from(ASPECTS[:4]),
    difference=st.floats(-8, 8),
)  # fmt: skip


@pytest.mark.parametrize("said", [ENGLISH, FRENCH], ids=LANGUAGES)
@given(account=ACCOUNTS)
def test_the_terms_in_a_sentence_hold_of_its_numbers_at_least_as_truly_as_it_claims(said, account):
    claimed = words.truth_of(account)
    account = Account(**{**{name: getattr(account, name) for name in account.__struct_fields__}, "truth": claimed})
    sentence = words.tell_account(account, said)
    length = account.end_s - account.start_s
    duration = [name for name, phrase in said.durations.items() if phrase in sentence]
    share = [name for name, phrase in said.axes.items() if phrase.format(axis=account.axis) in sentence]
    phrase = said.aspects[account.aspect][int(account.difference < 0)]
    how = [n for n in said.how if phrase.format(how=said.how[n], how_other=said.how_other[n]) in sentence]
    assert len(duration) == len(share) == len(how) == 1
    assert truth(length, DURATION, duration[0]) >= claimed - 1e-9
    assert truth(account.axis_share, SHARE, share[0]) >= claimed - 1e-9
    assert truth(abs(account.difference), DIFFERENCE, how[0]) >= claimed - 1e-9
    assert f"({claimed:.2f})".replace(".", said.decimal) in sentence


@pytest.mark.parametrize("said", [ENGLISH, FRENCH], ids=LANGUAGES)
def test_each_language_has_words_for_everything_that_can_be_said(said):
    assert set(said.aspects) == set(ASPECTS)
    assert set(said.durations) == {name for name, _, _ in DURATION}
    assert set(said.axes) == {name for name, _, _ in SHARE}
    assert set(said.how) == set(said.how_other) == {name for name, _, _ in DIFFERENCE}
    assert set(said.doubts) == set(CAUSES) - {""}
    assert set(said.faults) == set(said.fault_names) == set(Quality.FAULTS)
    assert set(said.verdicts) == set(LABELS)
    assert set(said.regimes) == set(REGIMES)
    assert set(said.resolutions) == set(get_args(Resolution.__annotations__["needs"]))
    resembles = EventData.__annotations__["resembles"]
    assert set(said.likeness) == set(get_args(resembles))


def test_french_names_every_position_of_the_layout():
    assert set(FRENCH.positions) == set(POSITIONS)


def test_both_languages_leave_the_same_blanks_to_fill(blanks):
    for field in fields(Language):
        if field.name in ("positions", "aspects"):
            continue
        assert blanks(getattr(ENGLISH, field.name)) == blanks(getattr(FRENCH, field.name)), field.name


@pytest.mark.parametrize(
    ("time", "told"),
    [
        ("2026-11-23T08:05:00.000Z", "closest normal: today 08:05 UTC"),
        ("2026-11-22T14:02:00.000Z", "closest normal: yesterday 14:02 UTC"),
        ("2026-11-19T14:02:00.000Z", "closest normal: 2026-11-19 14:02 UTC"),
        (None, ""),
    ],
)
def test_the_closest_normal_wear_is_told_as_people_tell_times(time, told):
    now_s = 1795435200.0  # 2026-11-23 12:00 UTC
    assert words.tell_closest(Closest(distance=1.0, time=time), now_s, ENGLISH) == told


def test_what_the_verdict_hangs_on_names_every_place():
    change = Change(
        places=[
            Place(position="waist", start_s=-1.28, end_s=-0.64),
            Place(position="right_wrist", start_s=-0.6, end_s=0)],
        verdict=["normal"],
        p_value=0.3,
    )  # fmt: skip
    told = words.tell_change(change, ENGLISH)
    assert "waist 1.3 to 0.6 s before the end and the right wrist 0.6 to 0.0 s before the end" in told
    assert "ceinture de 1,3 à 0,6 s" in words.tell_change(change, FRENCH)
    assert words.tell_change(None, ENGLISH) == ""


@pytest.mark.parametrize("said", [ENGLISH, FRENCH], ids=LANGUAGES)
@pytest.mark.parametrize("needs", get_args(Resolution.__annotations__["needs"]))
def test_a_resolution_says_its_figures(said, needs):
    made = Resolution(
        needs=needs, verdict=["novelty"], otherwise=["noise"], position="left_wrist", fault="dropout", minutes=20.0,
        per_day=48.0,
    )  # fmt: skip
    told = words.tell_resolution(made, "moving", said)
    assert said.verdicts["novelty"] in told
    assert {"signal": said.positions.get("left_wrist", "left wrist"), "wear": "20", "budget": f"48{said.decimal}0",
            "readings": said.verdicts["noise"]}[needs] in told  # fmt: skip
    assert "{" not in told
