"""A number is called by the term that holds best, and how truly is part of the answer."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.terms import DIFFERENCE, DURATION, SHARE, called, truth

VARIABLES = [DURATION, SHARE, DIFFERENCE]


@pytest.mark.parametrize("edges", VARIABLES)
@given(value=st.floats(0, 20))
def test_the_terms_of_a_variable_sum_to_one_everywhere(edges, value):
    assert math.fsum(truth(value, edges, name) for name, _, _ in edges) == pytest.approx(1)


@pytest.mark.parametrize("edges", VARIABLES)
@given(value=st.floats(0, 20))
def test_some_term_holds_with_at_least_a_half_and_the_best_is_chosen(edges, value):
    term = called(value, edges)
    assert 0.5 - 1e-9 <= term.truth <= 1
    assert term.truth == max(truth(value, edges, name) for name, _, _ in edges)


@pytest.mark.parametrize(
    ("value", "edges", "name", "holds"),
    [
        (0.64, DURATION, "half_second", 1.0),
        (1.28, DURATION, "one_second", 1.0),
        (1.92, DURATION, "two_seconds", 1.0),
        (2.56, DURATION, "whole_window", 1.0),
        (0.5, SHARE, "mostly", 0.5),
        (0.0, SHARE, "all", 1.0),
        (1.0, SHARE, "only", 1.0),
        (0.3, DIFFERENCE, "slightly", 1.0),
        (2.5, DIFFERENCE, "clearly", 1.0),
        (3.8, DIFFERENCE, "much", 0.8),
    ],
)
def test_numbers_get_the_names_that_people_would_give_them(value, edges, name, holds):
    assert truth(value, edges, name) == pytest.approx(holds)
    assert holds < 0.6 or called(value, edges).name == name
