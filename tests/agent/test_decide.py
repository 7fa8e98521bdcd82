"""The set, its masses and its cause cannot contradict each other, whatever the evidence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.calibrate import BLOCKS_PER_DAY
from agent.decide import decide, level
from agent.evidence import physics
from agent.quality import CERTAIN
from agent.records import CAUSES, LABELS, NOISE, NORMAL, NOVELTY, Surprise

ALPHA = 1 / 120
HEADS = ("interval_dominance", "interval_criterion")


def surprise(p, low=None, high=None):
    p = np.atleast_1d(np.array(p, float))
    low = p / 2 if low is None else np.atleast_1d(np.array(low, float))
    high = np.minimum(1, 2 * p) if high is None else np.atleast_1d(np.array(high, float))
    score = np.where(np.isnan(p), np.nan, 1.0)
    leading = np.where(np.isnan(p), -1, np.arange(len(p)))
    smallest = np.where(np.isnan(p), 1.0, 0.001)
    return Surprise(score, leading, p, low, high, smallest, p, np.zeros(len(p), np.int64))


def trusted(fault, alien=False, *, borne=False):
    """Trust by physics alone; `alien` where nothing was ever like it, `borne` where the fault is."""
    fault = np.atleast_1d(np.array(fault, float))
    blinding = np.zeros(len(fault)) if borne else fault
    return physics(1 - fault, np.zeros(len(fault)), fault, np.broadcast_to(np.asarray(alien), fault.shape), blinding)


def every(size, alpha=ALPHA):
    """(size,) the same level."""
    return np.full(size, alpha)


def answer(p, low=None, fault=0.0, *, alien=False, alpha=ALPHA, head="interval_dominance"):
    """(labels, cause) of one window."""
    verdicts = decide(surprise(p, low), trusted(fault, alien), every(1, alpha), head)
    labels = {label for label, kept in zip(LABELS, verdicts.labels[0], strict=True) if kept}
    return labels, CAUSES[int(verdicts.cause[0])]


def test_a_budget_is_shared_among_the_half_minutes_of_a_day():
    assert level(24) == pytest.approx(1 / 120)
    assert level(BLOCKS_PER_DAY) == 1


def test_what_is_surely_common_is_normal():
    assert answer(0.5, 0.3) == ({"normal"}, "")


def test_what_is_rarer_than_alpha_is_novelty():
    assert answer(ALPHA / 3, 0.0) == ({"novelty"}, "")


def test_at_alpha_itself_normal_is_ruled_out():
    labels, _ = answer(ALPHA, ALPHA / 2)
    assert "normal" not in labels


def test_what_calibration_cannot_tell_is_left_open_and_says_so():
    assert answer(2 * ALPHA, ALPHA / 2) == ({"normal", "novelty"}, "too_little_calibration")


@pytest.mark.parametrize("p", [0.5, ALPHA / 3, np.nan])
def test_a_certain_fault_is_noise_whatever_the_score(p):
    assert answer(p, fault=1.0) == ({"noise"}, "")
    assert answer(p, fault=CERTAIN) == ({"noise"}, "")


def test_a_doubtful_signal_and_an_unusual_movement_are_ambiguous():
    assert answer(ALPHA / 5, fault=0.6) == ({"noise", "novelty"}, "ambiguous")


def test_what_nothing_was_ever_like_is_novelty_or_a_fault():
    assert answer(ALPHA / 5, alien=True) == ({"noise", "novelty"}, "unlike_anything_seen")
    assert answer(ALPHA / 5, alien=False) == ({"novelty"}, "")


def test_a_certain_fault_needs_no_doubt_even_where_nothing_was_ever_like_it():
    assert answer(ALPHA / 5, fault=CERTAIN, alien=True) == ({"noise"}, "")


def test_what_could_not_be_scored_is_poor_and_not_unlike_anything():
    assert answer(np.nan, alien=True) == (set(LABELS), "poor_signal")


def test_a_window_that_could_not_be_scored_leaves_everything_open():
    assert answer(np.nan) == (set(LABELS), "poor_signal")
    assert answer(np.nan, fault=0.5) == (set(LABELS), "poor_signal")


def test_a_doubtful_signal_with_common_movement_stays_normal_or_says_poor_signal():
    labels, cause = answer(0.9, 0.8, fault=0.3)
    assert (labels, cause) == ({"normal"}, "")
    labels, cause = answer(0.9, 0.8, fault=0.8)
    assert labels == {"normal", "noise"}
    assert cause == "poor_signal"


def test_a_lower_p_never_makes_novelty_less_believed():
    p = np.linspace(1e-4, 1, 2000)
    verdicts = decide(surprise(p), trusted(np.zeros(2000)), every(2000))
    assert (np.diff(verdicts.belief[:, NOVELTY]) <= 1e-12).all()
    assert (np.diff(verdicts.plausibility[:, NORMAL]) >= -1e-12).all()


def test_more_evidence_of_a_fault_never_makes_noise_less_plausible():
    for p in (0.5, 2 * ALPHA, ALPHA / 5):
        fault = np.linspace(0, 1, 500)
        verdicts = decide(surprise(np.full(500, p)), trusted(fault), every(500))
        assert (np.diff(verdicts.plausibility[:, NOISE]) >= -1e-12).all()


@pytest.mark.parametrize("head", HEADS)
def test_normal_is_ruled_out_no_more_often_than_p_falls_to_alpha(head):
    """What the guarantee of `calibrate` needs: without a fault, an answer without `normal` means p <= alpha."""
    p = np.linspace(1e-4, 1, 5000)
    verdicts = decide(surprise(p), trusted(np.zeros(5000)), every(5000), head)
    assert np.array_equal(~verdicts.labels[:, NORMAL], p <= ALPHA)


def test_an_unusual_movement_under_a_fault_that_is_borne_may_be_either_and_a_usual_one_is_the_fault():
    p = np.array([0.5, 2 * ALPHA, ALPHA, ALPHA / 5])
    borne = decide(surprise(p), trusted(np.ones(4), borne=True), every(4))
    blind = decide(surprise(p), trusted(np.ones(4)), every(4))
    noise, either = [False, True, False], [False, True, True]
    assert borne.labels.tolist() == [noise, noise, either, either]
    assert blind.labels.tolist() == [noise] * 4
    assert borne.belief[2:, NOISE].max() < 0.5
    assert [CAUSES[cause] for cause in borne.cause[2:]] == ["ambiguous"] * 2


def test_no_window_gets_no_verdict():
    verdicts = decide(surprise(np.empty(0)), trusted(np.empty(0)), every(0))
    assert verdicts.labels.shape == (0, 3)


def shares(low=0.0, high=1.0):
    return st.floats(low, high, allow_nan=False)


@given(
    p=st.lists(st.one_of(shares(1e-6), st.just(np.nan), st.just(ALPHA)), min_size=1, max_size=20),
    data=st.data(),
    alpha=st.one_of(shares(1e-6), st.just(ALPHA), st.just(1.0)),
    head=st.sampled_from(HEADS),
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_every_verdict_is_consistent_with_its_masses(p, data, alpha, head):
    size = len(p)
    many = {"min_size": size, "max_size": size}
    low = np.array(p) * data.draw(st.lists(shares(), **many))
    fault = np.array(data.draw(st.lists(st.one_of(shares(), st.sampled_from([0.0, 0.5, CERTAIN, 1.0])), **many)))
    alien = np.array(data.draw(st.lists(st.booleans(), **many)))
    verdicts = decide(surprise(p, low), trusted(fault, alien), every(size, max(alpha, 1e-9)), head)
    belief, plausibility, labels = verdicts.belief, verdicts.plausibility, verdicts.labels
    assert np.isfinite(belief).all()
    assert ((belief >= 0) & (belief <= plausibility + 1e-12) & (plausibility <= 1)).all()
    assert (belief.sum(axis=1) <= 1 + 1e-9).all()
    assert (plausibility.sum(axis=1) >= 1 - 1e-9).all()
    assert labels.any(axis=1).all()
    assert np.array_equal(labels.sum(axis=1) == 1, verdicts.cause == 0)
    for window in range(size if head == "interval_dominance" else 0):
        for label in range(3):
            beaten = plausibility[window, label] <= 0.5 + 1e-9
            assert labels[window, label] != beaten or labels[window].sum() == 1
        assert labels[window, int(plausibility[window].argmax())]


def test_what_nothing_was_ever_like_does_not_rule_out_normal_by_itself():
    """The guarantee holds for strange sensors too."""
    labels, cause = answer(2 * ALPHA, ALPHA / 2, alien=True)
    assert (labels, cause) == (set(LABELS), "unlike_anything_seen")


@pytest.mark.parametrize("p", [0.5, 2 * ALPHA, ALPHA / 5])
@pytest.mark.parametrize("fault", [0.0, 0.3, 0.55, 0.7, 0.95])
def test_the_interval_criterion_abstains_no_more_than_interval_dominance(p, fault):
    prudent, _ = answer(p, p / 2, fault)
    bold, _ = answer(p, p / 2, fault, head="interval_criterion")
    assert bold <= prudent


def test_the_interval_criterion_decides_some_of_what_interval_dominance_leaves_open():
    assert answer(ALPHA / 5, fault=0.55) == ({"noise", "novelty"}, "ambiguous")
    assert answer(ALPHA / 5, fault=0.55, head="interval_criterion") == ({"novelty"}, "")


@given(p=shares(1e-6), share=shares(), fault=shares(), alpha=shares(1e-6), alien=st.booleans())
@settings(max_examples=50, deadline=None, derandomize=True)
def test_the_masses_sum_to_one(p, share, fault, alpha, alien):
    from agent.decide import _masses

    masses = _masses(surprise(p, p * share), trusted(fault, alien), every(1, alpha), np.isnan(np.array([p])))
    assert masses.sum() == pytest.approx(1, abs=1e-9)
    assert masses.min() >= 0
    assert masses[0, 0] == 0  # nothing on the empty set
