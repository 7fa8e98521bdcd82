"""The head for falls: an answer for every row, taken apart without a remainder, and refused where it does not fit."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.known import Known
from agent.past import LAGS

D = 12


def head(rng, width=D, hidden=(9, 5)):
    def draw(*shape):
        return (rng.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32)

    return Known(
        first=draw((1 + LAGS) * width, hidden[0]),
        first_bias=draw(hidden[0]),
        second=draw(*hidden),
        second_bias=draw(hidden[1]),
        last=draw(hidden[1]),
        last_bias=float(rng.normal()),
    )


def drawn(seed, rows=20):
    """A head, embeddings, those before, whether they are known, and the nearest normal places."""
    rng = np.random.default_rng(seed)
    embedding, normal = rng.normal(0, 2, (2, rows, D)).astype(np.float32)
    before = rng.normal(0, 2, (rows, LAGS, D)).astype(np.float32)
    return head(rng), embedding, before, rng.random((rows, LAGS)) < 0.7, normal


def test_the_logit_is_that_of_two_hidden_layers_by_hand():
    known, embedding, before, there, _ = drawn(0)
    found = known.evidence(embedding, before, there)
    for row in range(20):
        inputs = [*embedding[row], *(value for lag in range(LAGS) for value in before[row, lag] * there[row, lag])]
        one = [
            max(0.0, sum(x * w for x, w in zip(inputs, known.first[:, j], strict=True)) + known.first_bias[j])
            for j in range(9)
        ]
        two = [
            max(0.0, sum(x * w for x, w in zip(one, known.second[:, j], strict=True)) + known.second_bias[j])
            for j in range(5)
        ]
        assert found[row] == pytest.approx(
            sum(x * w for x, w in zip(two, known.last, strict=True)) + known.last_bias, abs=1e-4
        )


def test_windows_before_that_are_unknown_count_as_zeros_whatever_stands_there():
    known, embedding, before, there, normal = drawn(1)
    other = np.where(there[..., None], before, 1e3).astype(np.float32)
    zeros = np.where(there[..., None], before, 0).astype(np.float32)
    every = np.ones_like(there)
    assert np.array_equal(known.evidence(embedding, before, there), known.evidence(embedding, other, there))
    assert np.array_equal(known.evidence(embedding, before, there), known.evidence(embedding, zeros, every))
    assert np.array_equal(
        known.apart(embedding, before, there, normal).shares, known.apart(embedding, other, there, normal).shares
    )


def test_what_came_before_matters_where_it_is_known():
    known, embedding, before, there, _ = drawn(2)
    apart = known.evidence(embedding, before, there) != known.evidence(embedding, before, np.zeros_like(there))
    assert apart[there.any(axis=1)].any()
    assert not apart[~there.any(axis=1)].any()


@given(seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_the_shares_add_up_to_the_difference_of_the_logits(seed):
    known, embedding, before, there, normal = drawn(seed)
    shares = known.apart(embedding, before, there, normal).shares
    want = known.evidence(embedding, before, there) - known.evidence(normal, before, there)
    assert shares.shape == embedding.shape
    assert np.abs(shares.sum(axis=1, dtype=np.float64) - want).max() < 1e-4


def test_the_rest_of_a_logit_is_what_the_nearest_normal_place_gives_alone_and_what_came_before():
    known, embedding, before, there, normal = drawn(9)
    found = known.apart(embedding, before, there, normal)
    whole = found.shares.sum(axis=1, dtype=np.float64) + found.before + found.alone
    assert whole == pytest.approx(known.evidence(embedding, before, there), abs=1e-4)
    assert found.alone == pytest.approx(known.evidence(normal, before, np.zeros_like(there)), abs=1e-5)


def test_where_the_head_is_linear_a_share_is_weight_times_way():
    known, embedding, before, there, normal = drawn(3)
    weights = np.abs(known.first)
    linear = replace(
        known,
        first=weights,
        first_bias=np.full(9, 1e3, np.float32),
        second=np.abs(known.second),
        second_bias=np.zeros(5, np.float32),
    )
    slope = weights[:D] @ (np.abs(known.second) @ known.last)
    assert linear.apart(embedding, before, there, normal).shares == pytest.approx(
        (embedding - normal) * slope, abs=2e-3
    )


def test_a_normal_window_has_no_shares():
    known, embedding, before, there, _ = drawn(4)
    assert np.abs(known.apart(embedding, before, there, embedding).shares).max() < 1e-6


def test_no_row_has_no_evidence():
    known, embedding, before, there, normal = drawn(5)
    assert known.evidence(embedding[:0], before[:0], there[:0]).shape == (0,)
    assert known.apart(embedding[:0], before[:0], there[:0], normal[:0]).shares.shape == (0, D)


def test_a_whole_head_fits_its_own_width_and_no_other():
    known = head(np.random.default_rng(6))
    assert known.fits(D)
    assert not known.fits(D + 1)


@pytest.mark.parametrize("name", [field.name for field in fields(Known) if field.name != "last_bias"])
@pytest.mark.parametrize(
    "harm", [lambda a: a[:-1], lambda a: a[..., :-1], lambda a: a[None], lambda a: a * np.nan, lambda a: a * np.inf]
)
def test_a_head_with_a_wrong_array_does_not_fit(name, harm):
    known = head(np.random.default_rng(7))
    assert not replace(known, **{name: harm(getattr(known, name))}).fits(D)


@pytest.mark.parametrize("bias", [np.nan, np.inf])
def test_a_bias_that_is_no_number_does_not_fit(bias):
    assert not replace(head(np.random.default_rng(8)), last_bias=bias).fits(D)
