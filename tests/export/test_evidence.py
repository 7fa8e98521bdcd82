"""What counts as measured wrong, how strong faults are drawn, and that reliability keeps its promise."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import beta

pytest.importorskip("torch", reason="torch is absent: teaching the evidential layer is NOT tested")

from agent.records import LEAST_BELIEF
from agent.symptoms import width
from export import evidence
from export.evidence import MOST_WRONGED, Shown, _allowed, _strength, _truth, lasting, reliability, taught
from training.benchmarks.noise_novelty.episodes import Change
from training.benchmarks.noise_novelty.taxonomy import TAXONOMY

WIDTH = width(5)


def test_a_window_is_wrong_where_the_fault_changed_it_and_undecided_where_it_hardly_did():
    times_s = np.arange(0, 20, 0.02)
    apart = np.where(times_s < 5, 0.0, np.where(times_s < 10, 0.01, 0.2))
    change = Change(times_s, apart, (times_s > 17).astype(float))
    episode = SimpleNamespace(change=change, start_s=0.0)
    truth = _truth(episode, np.array([-1.0, 4.0, 9.0, 14.0, 19.9]), 2.56)
    assert truth[0] == 0  # before it all
    assert np.isnan(truth[1:3]).all()  # at fault, and nothing shown; hardly anything shown
    assert truth[3:].tolist() == [1, 1]


def test_where_two_sensors_were_exchanged_nobody_says():
    assert np.isnan(_truth(SimpleNamespace(change=None, start_s=3.0), np.array([2.0, 9.0]), 2.56)).tolist() == [
        False,
        True,
    ]


@pytest.mark.parametrize("fault", [one for one in TAXONOMY if one.tellable], ids=lambda one: one.name)
def test_drawn_strengths_are_more_than_slight(fault):
    rng = np.random.default_rng(0)
    drawn = [_strength(fault, rng) for _ in range(200)]
    if "slight" in fault.grades and fault.name != "stuck":
        between = sorted((fault.grades["slight"], fault.grades["gross"]))
        beyond = max(drawn) > between[1] if fault.name != "clipping" else min(drawn) < between[0]
        assert beyond
        slight = fault.grades["slight"]
        assert all(one < slight for one in drawn) if fault.name == "clipping" else all(one > slight for one in drawn)
    else:
        assert set(drawn) == {fault.grades["clear"], fault.grades["gross"]}


@pytest.mark.parametrize("episodes", [10, 150, 429, 2000])
def test_so_many_may_be_wronged_that_the_interval_ends_below_the_limit(episodes):
    count = _allowed(episodes)
    upper = beta.ppf(0.95, count + 1, episodes - count)
    more = beta.ppf(0.95, count + 2, episodes - count - 1)
    assert upper <= MOST_WRONGED or count == 0
    assert more > MOST_WRONGED


@pytest.fixture(scope="module")
def shown():
    """Two heaps: of what is wrong the first number is high; 40 episodes of 60 windows each."""
    rng = np.random.default_rng(0)
    episode = np.repeat(np.arange(40), 60)
    wrong = (episode % 4 == 0).astype(np.float32)
    symptoms = rng.normal(size=(len(episode), WIDTH)).astype(np.float32)
    symptoms[:, 0] += 4 * wrong
    kind = np.where(wrong == 1, "noise", np.where(episode % 4 == 1, "novelty", "normal"))
    same = np.zeros(len(episode), np.int64)
    truth = np.ones(len(episode), np.bool_)
    end_s = np.tile(0.5 * np.arange(60), 40)
    return Shown(symptoms, wrong, kind, episode, same, end_s, truth, ~truth)


@pytest.fixture(scope="module")
def layer(shown):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "STEPS", 300)
        return taught(shown, 1)


def test_the_layer_learns_what_is_wrong_and_fits(shown, layer):
    assert layer.fits(WIDTH)
    right, wrong = layer.masses(shown.symptoms)
    told = wrong > LEAST_BELIEF
    assert told[shown.wrong == 1].mean() > 0.8
    assert told[shown.wrong == 0].mean() < 0.05
    assert (right + wrong <= 1 + 1e-9).all()


def test_after_discounting_hardly_any_fall_or_normal_minute_is_believed_wrong(shown, layer):
    harsh = evidence.replace(layer, caution=1.0, side=np.minimum(layer.side, np.float32(0.3)))
    _, before = lasting(harsh, shown)
    factor = reliability(harsh, shown)
    for kind in ("novelty", "normal"):
        rows = shown.kind == kind
        most = np.array([before[rows & (shown.episode == one)].max() for one in np.unique(shown.episode[rows])])
        assert (factor * most >= LEAST_BELIEF).mean() <= MOST_WRONGED
    assert 0 < factor < 1


def test_one_seed_gives_one_layer(shown, layer, monkeypatch):
    monkeypatch.setattr(evidence, "STEPS", 300)
    again = taught(shown, 1)
    assert np.array_equal(again.places, layer.places)
    assert np.array_equal(again.first, layer.first)
