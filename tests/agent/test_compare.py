"""Comparing two bundles: the test holds its level however often one looks, and sees what it must see."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from agent.compare import LEVEL, NEW, OLD, Comparison

NORMAL, NOVEL, DOUBT = [True, False, False], [False, False, True], [True, False, True]


def tick(end_s, labels, scored=True, wearer=0):
    """One window a time."""
    n = len(labels)
    return SimpleNamespace(
        verdicts=SimpleNamespace(labels=np.array(labels, bool).reshape(n, 3)),
        windows=SimpleNamespace(end_s=np.full(n, float(end_s)), wearer=np.full(n, wearer)),
        surprise=SimpleNamespace(p_value=np.where(scored, 0.5, np.nan) * np.ones(n)),
    )


def played(old, new, factor=2.0):
    """A verdict for each half-minute and side."""
    compared = Comparison(factor)
    for block, pair in enumerate(zip(old, new, strict=True)):
        for side, labels in enumerate(pair):
            compared.hear(side, tick(30 * block + 1, [labels]), ["w"])
    for side in (OLD, NEW):
        compared.hear(side, tick(30 * (len(old) + 10), [NORMAL]), ["w"])
    return compared


def test_half_minutes_are_counted_once_and_by_both():
    compared = played([NORMAL, NOVEL, DOUBT, NOVEL], [NORMAL, NOVEL, NORMAL, NORMAL])
    assert compared.half_minutes == 4
    assert compared.alarms == [2, 1, 1]
    assert compared.doubts == [1, 0]


def test_what_only_one_has_heard_does_not_count():
    compared = Comparison(2.0)
    compared.hear(OLD, tick(1, [NOVEL]), ["w"])
    compared.hear(OLD, tick(400, [NORMAL]), ["w"])
    assert compared.half_minutes == 0


def test_wearers_are_known_by_name_for_their_slots_may_differ():
    compared = Comparison(2.0)
    compared.hear(OLD, tick(1, [NOVEL], wearer=0), ["anna", "bert"])
    compared.hear(NEW, tick(1, [NOVEL], wearer=1), ["bert", "anna"])
    compared.hear(OLD, tick(400, [NORMAL]), ["anna"])
    assert compared.alarms == [1, 1, 1]


def test_evidence_is_that_of_a_fair_bet_by_hand():
    compared = played([NORMAL] * 3, [NOVEL] * 3)
    # KT: 1/2 * 3/4 * 5/6 against (1/2)^3
    assert math.exp(compared.evidence()) == pytest.approx((1 / 2) * (3 / 4) * (5 / 6) * 8)
    assert played([NORMAL] * 5, [NORMAL] * 5).evidence() == pytest.approx(0, abs=1e-9)


def test_ten_times_as_many_alarms_and_ten_times_as_few_are_both_a_fault():
    quiet, loud = [NORMAL] * 20, [NOVEL] * 12 + [NORMAL] * 8
    assert "more alarms: in 12 of 20 half-minutes, the bundle before in 0" in played(quiet, loud).fault()
    assert "fewer alarms: in 0 of 20" in played(loud, quiet).fault()
    assert played(loud, loud).fault() == ""


def test_within_the_factor_nothing_is_a_fault_however_sure_it_is():
    old, new = [NOVEL] * 60 + [NORMAL] * 140, [NOVEL] * 100 + [NORMAL] * 100
    compared = played(old, new)
    assert compared.evidence() > math.log(1 / LEVEL)
    assert compared.fault() == ""
    assert played(old, new, factor=1.2).fault()


def test_equal_bundles_are_found_guilty_no_more_often_than_promised_however_often_one_looks():
    """Binomial test at 1 %: of 1000 fair pairs watched at every one of 400 half-minutes, at most 23 may be accused."""
    rng, accused = np.random.default_rng(0), 0
    n = np.arange(1, 401)
    from agent.compare import _log_beta

    beta = np.vectorize(_log_beta)
    for _ in range(1000):
        b = np.cumsum(rng.random(400) < 0.5)
        log_e = n * math.log(2) + beta(b + 0.5, n - b + 0.5) - _log_beta(0.5, 0.5)
        accused += bool((log_e >= math.log(1 / LEVEL)).any())
    assert accused <= 18  # P(Binomial(1000, 0.01) > 18) < 0.01
    assert accused > 0


def test_a_flood_is_seen_within_half_a_minute_and_only_where_the_other_is_calm():
    for old, fault in ((NORMAL, "a flood of alarms"), (NOVEL, "")):
        compared = Comparison(2.0)
        compared.hear(OLD, tick(1, [old] * 60), ["w"])
        compared.hear(NEW, tick(1, [NOVEL] * 60), ["w"])
        assert compared.look(30.0)[: len("a flood of alarms")] == fault
        assert compared.look(30.0) == ""  # looked at once


def test_a_bundle_that_cannot_score_is_seen():
    compared = Comparison(2.0)
    compared.hear(OLD, tick(1, [NORMAL] * 60), ["w"])
    compared.hear(NEW, tick(1, [[True, True, True]] * 60, scored=False), ["w"])
    assert "cannot score 100 %" in compared.look(30.0)


def test_few_windows_say_nothing():
    compared = Comparison(2.0)
    compared.hear(OLD, tick(1, [NORMAL] * 10), ["w"])
    compared.hear(NEW, tick(1, [NOVEL] * 10), ["w"])
    assert compared.look(30.0) == ""


def test_a_slow_bundle_is_seen():
    compared = Comparison(2.0)
    compared.shares[NEW].busy_s = 20.0
    assert "too slow: it computes for 67 % of the time" in compared.look(30.0)


def test_memory_stays_bounded():
    compared = Comparison(2.0)
    for block in range(2000):
        for side in (OLD, NEW):
            compared.hear(side, tick(30 * block, [NORMAL]), ["w"])
    assert len(compared._open) <= 6
    assert compared.half_minutes > 1990
