"""Parts for the wearers of a folder: the same for the same wearers, and none empty where it can be helped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.datasets.split import NEED, assigned

NAMES = st.sets(st.from_regex(r"own-[a-z0-9]{1,6}", fullmatch=True), min_size=1, max_size=30)


@given(NAMES)
def test_every_part_has_a_wearer_where_there_are_three_and_two_calibrate_where_there_are_four(wearers):
    sizes = [list(assigned(wearers, {}).values()).count(part) for part in NEED]
    assert sum(sizes) == len(wearers)
    assert all(sizes[: min(3, len(wearers))])
    assert sizes[1] >= 2 or len(wearers) < 4


@given(NAMES, st.randoms())
def test_the_order_in_which_wearers_come_does_not_matter(wearers, random):
    mixed = sorted(wearers)
    random.shuffle(mixed)
    assert assigned(mixed, {}) == assigned(wearers, {})


@given(NAMES, st.sampled_from(NEED))
def test_who_was_put_somewhere_stays_there(wearers, part):
    first = min(wearers)
    assert assigned(wearers, {first: part})[first] == part


def test_where_wearers_are_many_the_hash_alone_decides():
    wearers = [f"own-{number}" for number in range(40)]
    parts = assigned(wearers, {})
    assert assigned(wearers[:-1], {}).items() <= parts.items()


@pytest.mark.parametrize("part", NEED)
def test_all_in_one_part_on_purpose_stay_there(part):
    assert set(assigned([], dict.fromkeys("abcd", part)).values()) == {part}
