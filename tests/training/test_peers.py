"""Peers: stranger windows score higher, each family has a peer of its own, scores share one scale."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: the peers are NOT tested")

from training.errors import TrainingError
from training.peers import PEERS, Peer, PerFamily
from training.peers.autoencoder import AutoEncoder
from training.peers.features import BANDS_HZ, plain_features, thirty_features
from training.peers.supervised import Ceiling, Rows
from training.peers.unsupervised import Online

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


def made(name: str) -> Peer:
    """One peer, or a loud skip."""
    if "HalfSpaceTrees" in name:
        pytest.importorskip("river", reason="river is not installed: half-space trees are NOT tested")
    return AutoEncoder(steps=60) if PEERS[name] is AutoEncoder else PEERS[name]()


@pytest.mark.parametrize("name", PEERS)
def test_falls_score_higher_than_walking(name: str) -> None:
    rng = np.random.default_rng(0)
    peer = made(name)
    peer.fit(walking(300, rng))
    assert peer.score(falls(20, rng)).min() > np.median(peer.score(walking(100, rng)))


@pytest.mark.parametrize("name", PEERS)
def test_scores_are_standardised_in_each_family(name: str) -> None:
    rng = np.random.default_rng(0)
    windows = np.concatenate([walking(300, rng), 2 * walking(300, rng)])
    family = np.repeat([0, 3], 300)
    peer = PerFamily(lambda: made(name))
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


def test_thirty_features_are_the_twenty_and_ten_more() -> None:
    windows = walking(4, np.random.default_rng(0))
    features = thirty_features(windows)
    assert features.shape == (4, 30)
    np.testing.assert_array_equal(features[:, :20], plain_features(windows))
    np.testing.assert_allclose(features[1, 20], np.abs(np.diff(windows[1, 0])).max(), rtol=1e-5)
    np.testing.assert_allclose(features[1, 24], np.corrcoef(windows[1, 0], windows[1, 1])[0, 1], rtol=1e-3)
    assert BANDS_HZ[0] == (0.5, 3.0)
    assert (features[:, 27] > features[:, 28:].max(axis=1)).all()  # steps of 2 Hz


def test_a_sensor_that_stands_still_has_finite_features() -> None:
    assert np.isfinite(thirty_features(np.ones((2, 3, 128), dtype=np.float32))).all()


def test_the_online_peer_gets_used_to_what_comes_again_and_again() -> None:
    pytest.importorskip("river", reason="river is not installed: half-space trees are NOT tested")
    rng = np.random.default_rng(0)
    peer = Online(memory=50)
    peer.fit(walking(200, rng))
    strange = falls(200, rng)
    scores = peer.score(strange)
    assert scores[100:].mean() < scores[:20].mean()
    np.testing.assert_array_equal(peer.score(strange), scores)  # each call begins anew


def test_without_river_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "river.anomaly", None)
    monkeypatch.setitem(__import__("sys").modules, "river", None)
    with pytest.raises(TrainingError, match="--group train"):
        Online()


def test_one_seed_gives_one_auto_encoder_and_leaves_chance_alone() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: the auto-encoder is NOT tested")
    windows = walking(200, np.random.default_rng(0))
    before = torch.random.get_rng_state()
    first, again = AutoEncoder(steps=5), AutoEncoder(steps=5)
    first.fit(windows)
    again.fit(windows)
    np.testing.assert_array_equal(first.score(windows), again.score(windows))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_ceiling_learns_falls_family_by_family() -> None:
    rng = np.random.default_rng(0)
    windows = np.concatenate([walking(100, rng), falls(30, rng), walking(50, rng)])
    rows = Rows(windows, np.repeat([0, 3], [130, 50]), np.repeat([0, 1, 0], [100, 30, 50]).astype(np.int8))
    ceiling = Ceiling()
    ceiling.fit(rows)
    unseen = np.concatenate([walking(20, rng), falls(20, rng)])
    scores = ceiling.score(unseen, np.zeros(40, dtype=np.int64))
    assert scores[20:].min() > scores[:20].max()
    assert np.isnan(ceiling.score(unseen, np.full(40, 3))).all()  # nobody fell with that family
