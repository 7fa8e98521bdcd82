"""Peers: stranger windows score higher, each family has a peer of its own, scores share one scale."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: the peers are NOT tested")

from training.peers import PEERS, PerFamily, plain_features

RATE_HZ = 50.0


def walking(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 3, 128) steps at 2 Hz around gravity."""
    times_s = np.arange(128) / RATE_HZ
    phase = rng.uniform(0, 2 * np.pi, (count, 1))
    swing = 0.3 * np.sin(2 * np.pi * 2 * times_s + phase)
    windows = np.stack([swing, 0.5 * swing, 1 + 0.7 * swing], axis=1)
    return (windows + rng.normal(0, 0.02, windows.shape)).astype(np.float32)


def falls(count: int, rng: np.random.Generator) -> np.ndarray:
    windows = walking(count, rng)
    windows[:, :, 60:70] *= 6
    return windows


@pytest.mark.parametrize("name", PEERS)
def test_falls_score_higher_than_walking(name: str) -> None:
    rng = np.random.default_rng(0)
    peer = PEERS[name]()
    peer.fit(walking(300, rng))
    assert peer.score(falls(20, rng)).min() > np.median(peer.score(walking(100, rng)))


@pytest.mark.parametrize("name", PEERS)
def test_scores_are_standardised_in_each_family(name: str) -> None:
    rng = np.random.default_rng(0)
    windows = np.concatenate([walking(300, rng), 2 * walking(300, rng)])
    family = np.repeat([0, 3], 300)
    peer = PerFamily(PEERS[name])
    peer.fit(windows, family)
    scores = peer.score(windows, family)
    for one in (0, 3):
        own = scores[family == one]
        assert np.median(own) == pytest.approx(0, abs=1e-6)
        assert np.median(np.abs(own)) == pytest.approx(1, abs=1e-6)


def test_rows_of_unknown_family_or_half_missing_are_not_scored() -> None:
    rng = np.random.default_rng(0)
    peer = PerFamily(PEERS["peak"])
    peer.fit(walking(50, rng), np.zeros(50, dtype=np.int64))
    windows = walking(3, rng)
    windows[1, :, :70] = np.nan
    windows[2, :, :50] = np.nan
    assert np.isnan(peer.score(windows, np.array([4, 0, 0]))).tolist() == [True, True, False]


def test_features_are_those_of_the_definition() -> None:
    windows = walking(4, np.random.default_rng(0))
    features = plain_features(windows)
    assert features.shape == (4, 20)
    length = np.sqrt((windows[2].astype(float) ** 2).sum(axis=0))
    np.testing.assert_allclose(
        features[2, [3, 7, 11, 15]], [f(length) for f in (np.mean, np.std, np.min, np.max)], rtol=1e-4
    )
    np.testing.assert_allclose(features[2, 16], np.abs(np.diff(windows[2, 0])).mean(), rtol=1e-4)
