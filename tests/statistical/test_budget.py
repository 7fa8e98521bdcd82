"""The budget over days, on simulated wearers: drawn as the calibration assumes, and unlike it. Binomial at `LEVEL`."""

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: the budget over days is NOT tested")
from scipy.stats import binomtest

from agent.calibrate import Calibration, FamilyCalibration
from agent.own import Own
from agent.records import Surprise
from export.calibration import intervals
from training.days import DAY, Days, lived

LEVEL = 1e-4
CONCENTRATION = 30.0
FAMILY = np.sort(np.random.default_rng(0).exponential(size=319))
CALIBRATION = Calibration((FamilyCalibration(FAMILY, *intervals(319, 319.0), 12),), CONCENTRATION)

pytestmark = pytest.mark.slow


def population(score):
    p, low, high = CALIBRATION.p_values(score, np.zeros(len(score), np.int64))
    whole = np.zeros(len(score), np.int64)
    return Surprise(score, whole, p, low, high, np.full(len(score), 1 / 320), p, whole)


def urn(rng, wearers, length, concentration):
    """(wearers, length) half-minutes of wearers drawn from a Dirichlet process around the population's."""
    scores = rng.choice(FAMILY, (wearers, length)) + rng.uniform(0, 1e-6, (wearers, length))
    for n in range(1, length):
        again = np.flatnonzero(rng.random(wearers) >= concentration / (concentration + n))
        scores[again, n] = scores[again, rng.integers(0, n, len(again))]
    return scores


@pytest.mark.parametrize("alpha", [0.02, 0.05])
def test_wearers_who_differ_as_assumed_are_alarmed_no_more_often_than_the_level_at_any_age(alpha):
    rng, wearers, ages = np.random.default_rng(5), 3000, (0, 20, 60, 150, 299)
    scores = urn(rng, wearers, ages[-1] + 1, CONCENTRATION)
    own, cell, hits = Own(CONCENTRATION, 1, alpha), 3 * np.arange(wearers), {}
    for age in range(ages[-1] + 1):
        p = own.rank(population(scores[:, age]), cell, np.ones(wearers)).p_value
        hits[age] = int((p <= alpha).sum())
        own.learn(cell, scores[:, age], p, p <= alpha)
    for age in ages:
        assert binomtest(hits[age], wearers, alpha, alternative="greater").pvalue > LEVEL, (age, hits[age])
    assert sum(hits.values()) > 0.3 * alpha * wearers * len(hits)  # and not by never alarming


def made_up(score):
    return Days(np.ones(score.shape, np.int64), score, np.zeros(score.shape, np.int64), np.ones(score.shape))


@pytest.fixture(scope="module")
def unlike():
    """Eight days of 40 wearers who differ from the population far more than assumed: in place and in spread."""
    rng = np.random.default_rng(6)
    spread, place = rng.lognormal(0, 0.5, (40, 1)), rng.normal(0, 0.5, (40, 1))
    return lived(made_up(place + spread * rng.exponential(size=(40, 8 * DAY))), CALIBRATION, 96 / DAY)


def test_the_budget_is_kept_and_used_by_nine_wearers_in_ten_even_if_they_differ_more_than_assumed(unlike):
    ratio = unlike.alarm[:, 3 * DAY :].mean(axis=1) / (96 / DAY)
    kept = ((ratio >= 0.8) & (ratio <= 1.2)).sum()
    assert binomtest(int(kept), len(ratio), 0.9, alternative="less").pvalue > LEVEL
    assert 0.85 < np.median(ratio) < 1.05


def test_the_bound_after_a_day_is_exceeded_by_no_more_than_one_wearer_in_twenty(unlike):
    over = (unlike.alarm[:, DAY:].mean(axis=1) * DAY > unlike.bound[:, -1]).sum()
    assert binomtest(int(over), 40, 0.05, alternative="greater").pvalue > LEVEL


def test_the_test_would_notice_wearers_who_never_stop_becoming_stranger():
    rng = np.random.default_rng(7)
    growing = rng.exponential(size=(10, 2 * DAY)) * np.geomspace(1, 8, 2 * DAY)
    alarm = lived(made_up(growing), CALIBRATION, 96 / DAY).alarm[:, DAY:]
    assert (alarm.mean(axis=1) > 1.2 * 96 / DAY).all()
