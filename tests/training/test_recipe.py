"""The recipe: causal, whatever the units, quiet on the normal part, and it finds what it is meant to find."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: the recipe is NOT tested")

from training.recipe import DEFAULT, score

RATE_HZ = 64
NORMAL = 4000


def walking(rows: int = 8000, channels: int = 3, seed: int = 0) -> np.ndarray:
    """(rows, channels) in g: steps at 1.5 Hz with a harmonic, standing still every 20 s."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(rows) / RATE_HZ
    step = np.sin(2 * np.pi * 1.5 * times_s) + 0.2 * np.sin(2 * np.pi * 3 * times_s)
    swing = np.where(times_s % 20 < 14, step, 0)[:, None] * rng.uniform(0.2, 0.5, channels)
    return swing + rng.normal(0, 0.02, (rows, channels)) + rng.uniform(-1, 1, channels)


def trembling(values: np.ndarray, start: int, stop: int) -> np.ndarray:
    """The same with steps replaced by a tremble of 5 Hz."""
    changed = values.copy()
    times_s = np.arange(stop - start) / RATE_HZ
    changed[start:stop] = values.mean(axis=0) + 0.15 * np.sin(2 * np.pi * 5 * times_s)[:, None]
    return changed


def test_what_comes_later_changes_no_score() -> None:
    values = walking()
    later = values.copy()
    later[6001:] += 5
    np.testing.assert_array_equal(score(values, NORMAL)[:6001], score(later, NORMAL)[:6001])


def test_freezing_stands_out_of_walking_and_standing() -> None:
    values = trembling(walking(), 6000, 6300)
    scores = score(values, NORMAL)
    rest = np.r_[scores[NORMAL:6000], scores[6500:]]
    assert np.median(scores[6064:6300]) > 2 * rest.max()


def test_a_change_of_one_channel_stands_out() -> None:
    """A level that was never seen, at one channel of many: novelty, without any shaking."""
    values = walking(channels=12)
    values[6000:6200, 3] += 3
    scores = score(values, NORMAL)
    assert np.median(scores[6032:6200]) > np.quantile(scores[NORMAL:6000], 0.99)


def test_units_and_offsets_of_the_channels_do_not_matter() -> None:
    values = trembling(walking(), 6000, 6300)
    other = values * np.array([1000.0, 0.1, 9.81]) + np.array([0.0, 7.0, -3.0])
    np.testing.assert_allclose(score(other, NORMAL), score(values, NORMAL), rtol=1e-4, atol=1e-4)


def test_one_seed_gives_one_answer_and_scores_are_finite_from_the_first_row() -> None:
    values = walking(channels=2)
    values[:, 1] = 0.25  # a sensor that sends nothing
    first, again = score(values, NORMAL), score(values, NORMAL)
    np.testing.assert_array_equal(first, again)
    assert np.isfinite(first).all()
    assert (first[: DEFAULT.hop_rows - 1] == first.min()).all()


def test_a_very_short_normal_part_is_enough() -> None:
    assert np.isfinite(score(walking(rows=300), 40)).all()


def test_a_long_series_is_described_in_parts_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = score(walking(), NORMAL)
    monkeypatch.setattr("training.recipe._AT_ONCE", 10_000)
    np.testing.assert_allclose(score(walking(), NORMAL), whole, rtol=1e-9, atol=1e-12)
