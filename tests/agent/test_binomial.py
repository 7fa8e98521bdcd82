"""The approximate ends against scipy's exact ones."""

import numpy as np
import pytest
from scipy.stats import beta

from agent.binomial import Z_95_BOTH, Z_95_UPPER, beta_quantile, interval

COUNTS = np.array([(k, n) for n in (1, 5, 20, 120, 2880) for k in {0, 1, 2, 5, n // 2, n - 1, n} if k <= n], float)


@pytest.mark.parametrize(("least", "within"), [(0.5, 0.025), (1.0, 0.01)])
@pytest.mark.parametrize(("z", "share"), [(Z_95_BOTH, 0.975), (Z_95_UPPER, 0.95)])
def test_an_upper_end_is_close_to_the_exact_one(least, within, z, share):
    a, b = (values.ravel() for values in np.meshgrid(np.geomspace(least, 3000, 40), np.geomspace(1.0, 3000, 40)))
    exact = beta.ppf(share, a, b)
    assert np.abs(beta_quantile(z, a, b) - exact).max() < 0.02
    rare = b > 5 * a
    assert np.abs(beta_quantile(z, a, b)[rare] / exact[rare] - 1).max() < within


def test_the_interval_is_that_of_clopper_and_pearson_or_lower_at_its_lower_end():
    hits, trials = COUNTS.T
    low, high = interval(hits, trials)
    exact_low = np.where(hits > 0, beta.ppf(0.025, np.maximum(hits, 1e-9), trials - hits + 1), 0.0)
    exact_high = np.where(hits < trials, beta.ppf(0.975, hits + 1, np.maximum(trials - hits, 1e-9)), 1.0)
    assert (low <= exact_low * 1.005 + 1e-12).all()
    assert (low >= 0.45 * exact_low).all()
    assert np.abs(high - exact_high).max() < 0.02


def test_nothing_counted_says_nothing():
    low, high = interval(np.zeros(1), np.zeros(1))
    assert (low[0], high[0]) == (0.0, 1.0)


def test_shapes_below_a_half_are_taken_as_a_half_and_the_ends_stay_in_the_unit_interval():
    shapes = np.geomspace(1e-9, 1e9, 50)
    for z in (-Z_95_BOTH, Z_95_BOTH):
        a, b = np.meshgrid(shapes, shapes)
        found = beta_quantile(z, a, b)
        assert ((found >= 0) & (found <= 1)).all()
    assert beta_quantile(Z_95_UPPER, np.array([0.1]), np.array([30.0])) >= beta.ppf(0.95, 0.1, 30)
