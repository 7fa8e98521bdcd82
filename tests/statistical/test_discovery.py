"""With a share of false ones given, the levels keep to it: at stated levels, with fixed seeds."""

import numpy as np
import pytest

from agent.discovery import HALF_S, TEST_S, Discovery

pytestmark = pytest.mark.slow

LEVEL = 0.01
DAYS, WEARERS, ALPHA, WANTED = 3, 8, 1 / 288, 0.2


def lived(rng: np.random.Generator, odd_per_day: float, stickiness: float) -> tuple[float, float, float]:
    """Three days of a gateway: decayed false alarms, decayed alarms, and the share of odd half-minutes found.

    A wearer's neighbouring half-minutes are alike: p stays the same with chance `stickiness`, marginally uniform.
    """
    discovery = Discovery(WANTED)
    false, alarms, odd_seen, odd_found = 0.0, 0.0, 0, 0
    p, kept = rng.uniform(size=WEARERS), 0.5 ** (TEST_S / HALF_S)
    for half_minute in range(DAYS * 2880):
        now_s = half_minute * TEST_S
        level = discovery.level(now_s, ALPHA, WEARERS)
        p = np.where(rng.uniform(size=WEARERS) < stickiness, p, rng.uniform(size=WEARERS))
        odd = rng.uniform(size=WEARERS) < odd_per_day / 2880
        seen = np.where(odd, 0.0, p)
        hits = seen <= level
        discovery.tested(now_s, level * WEARERS)
        discovery.told(now_s, int(hits.sum()))
        false, alarms = false * kept + (hits & ~odd).sum(), alarms * kept + hits.sum()
        odd_seen, odd_found = odd_seen + odd.sum(), odd_found + (hits & odd).sum()
    return float(false), float(max(1.0, alarms)), odd_found / max(odd_seen, 1)


@pytest.mark.parametrize("stickiness", [0.0, 0.8])
@pytest.mark.parametrize("odd_per_day", [0.0, 5.0])
def test_false_alarms_stay_within_the_share_of_all_alarms(odd_per_day, stickiness):
    """E[false] <= q E[max(1, alarms)]: a one-sided test of the mean difference over independent gateways."""
    runs = np.array([lived(np.random.default_rng(seed), odd_per_day, stickiness) for seed in range(60)])
    excess = runs[:, 0] - WANTED * runs[:, 1]
    spread = excess.std(ddof=1) / np.sqrt(len(excess))
    assert excess.mean() <= 2.33 * max(spread, 1e-12), f"{excess.mean():.3f} +- {spread:.3f}"


def test_among_nothing_but_normal_wear_an_alarm_is_as_rare_as_q_in_each_memory():
    """Global null: the chance of any alarm while the memory is fresh is at most q, by an exact binomial test."""
    from scipy.stats import binomtest

    hits, draws = 0, 400
    for seed in range(draws):
        rng, discovery = np.random.default_rng(1000 + seed), Discovery(WANTED)
        for half_minute in range(240):  # two hours, in which hardly anything is forgotten
            now_s = half_minute * TEST_S
            level = discovery.level(now_s, ALPHA, WEARERS)
            discovery.tested(now_s, level * WEARERS)
            if (rng.uniform(size=WEARERS) <= level).any():
                hits += 1
                break
    assert binomtest(hits, draws, WANTED, alternative="greater").pvalue > LEVEL


def test_where_odd_half_minutes_are_frequent_the_level_does_not_starve():
    found = np.mean([lived(np.random.default_rng(seed), 5.0, 0.0)[2] for seed in range(5)])
    assert found > 0.99  # p = 0 is found at any level above 0: the level never sticks at nought
