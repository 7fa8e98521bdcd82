"""What is remembered of a wearer's normal wear: various, recent, bounded, and never what was told."""

from types import SimpleNamespace

import numpy as np
import pytest

from agent.familiar import APART_S, KEPT, Familiar

D = 6


def tick(places, end_s, *, normal=True, stream=0, fault=0.0):
    """Windows of one stream, as `Judged` has them."""
    n = len(places)
    labels = np.tile([normal, False, not normal], (n, 1))
    return SimpleNamespace(
        windows=SimpleNamespace(owner=np.arange(n), stream=np.full(n, stream), end_s=np.asarray(end_s, float)),
        scores=SimpleNamespace(embedding=np.asarray(places, np.float32), score=np.zeros(n)),
        verdicts=SimpleNamespace(labels=labels),
        fault=np.full(n, fault),
    )


def test_one_window_of_each_half_minute_is_taken():
    familiar = Familiar(D)
    familiar.learn(tick(np.arange(100)[:, None] * np.ones(D), np.arange(100)))
    seen = {familiar.closest(0, np.full(D, place, np.float32), 1000).end_s for place in range(100)}
    assert seen == {0.0, 30.0, 60.0, 90.0}


@pytest.mark.parametrize("other", [{"normal": False}, {"fault": 1.0}])
def test_what_was_told_or_is_faulty_is_not_taken(other):
    familiar = Familiar(D)
    familiar.learn(tick(np.zeros((3, D)), [0, 40, 80], **other))
    assert familiar.closest(0, np.zeros(D, np.float32), 1000) is None


def test_nothing_is_known_of_a_stream_that_was_never_heard():
    assert Familiar(D).closest(3, np.zeros(D, np.float32), 0.0) is None


def test_the_closest_is_found_with_its_time_and_distance_and_only_earlier_ones_count():
    familiar = Familiar(D)
    familiar.learn(tick([[0] * D, [3] * D], [10, 50]))
    found = familiar.closest(0, np.full(D, 2.5, np.float32), 100)
    assert (found.end_s, found.distance) == (50.0, pytest.approx(0.5))
    assert familiar.closest(0, np.full(D, 2.5, np.float32), 50 + APART_S).end_s == 10.0


def test_a_tick_offered_again_is_learnt_once_and_only_up_to_the_time_that_is_asked():
    familiar, whole = Familiar(D), tick(np.arange(4)[:, None] * np.ones(D), [0, 40, 80, 120])
    familiar.learn(whole, before_s=80)
    assert familiar.closest(0, np.full(D, 3, np.float32), 1000).end_s == 40.0
    familiar.learn(whole)
    familiar.learn(whole)
    assert familiar.closest(0, np.full(D, 3, np.float32), 1000).end_s == 120.0


def test_hours_of_sitting_do_not_push_out_the_one_walk():
    familiar, rng = Familiar(D), np.random.default_rng(0)
    places = 0.01 * rng.normal(size=(40 * KEPT, D))
    places[5] = 4.0
    familiar.learn(tick(places, 30.0 * np.arange(len(places))))
    walk = familiar.closest(0, np.full(D, 4, np.float32), 1e9)
    assert walk.end_s == 150.0
    sitting = [familiar.closest(0, place.astype(np.float32), 1e9).end_s for place in places[-KEPT:]]
    assert np.median(sitting) > 30.0 * 5


def test_memory_is_bounded_however_long_someone_wears_it():
    familiar, rng = Familiar(D), np.random.default_rng(1)
    familiar.learn(tick(rng.normal(size=(5 * KEPT, D)), 30.0 * np.arange(5 * KEPT)))
    assert familiar._places.shape == (1, KEPT, D)
    assert np.isfinite(familiar._end_s).all()


def test_streams_are_apart():
    familiar = Familiar(D)
    familiar.learn(tick(np.zeros((1, D)), [0], stream=0))
    familiar.learn(tick(np.ones((1, D)), [0], stream=4))
    assert familiar.closest(4, np.zeros(D, np.float32), 100).distance == pytest.approx(1.0)
    assert familiar.closest(2, np.zeros(D, np.float32), 100) is None
