import numpy as np
import pytest

from agent.limbs.counts import BACKWARD, FORWARD, Counter, block_filter, to_thirty

REFERENCE = [
    [5, 90, 119, 9, 40, 115, 65, 8, 81, 128, 8, 34],
    [5, 86, 92, 5, 43, 100, 42, 9, 78, 98, 3, 35],
    [0, 50, 44, 0, 24, 58, 15, 1, 52, 42, 0, 17],
]
"""What agcounts 0.2.6 (the package of the authors of the definition) says of `_movement(30, 12)`, axis by axis."""


def _movement(rate_hz, seconds):
    t = np.arange(rate_hz * seconds) / rate_hz
    swell = 0.4 * np.sin(2 * np.pi * t / 7) ** 2
    waves = [np.sin(2 * np.pi * f * t + p) * swell for f, p in ((0.8, 0), (1.3, 1), (2.1, 2))]
    return np.stack(waves, axis=1) + np.array([0, 0, 1])


def _counted(samples, rate_hz, counter=None):
    counter = counter or Counter(rate_hz)
    before = np.concatenate([samples[:1], samples])
    one = np.array([0])
    seconds = len(samples) // rate_hz
    spans = [before[s * rate_hz : (s + 1) * rate_hz + 1].T[None] for s in range(seconds)]
    return np.array([counter.count(span, one, np.array([s == 0]))[0] for s, span in enumerate(spans)])


def test_counts_at_30_hz_are_exactly_those_of_the_authors_package():
    assert _counted(_movement(30, 12), 30).T.tolist() == REFERENCE


@pytest.mark.parametrize("rate_hz", [30, 50, 100])
def test_counts_agree_with_agcounts_where_it_is_installed(rate_hz):
    agcounts = pytest.importorskip(
        "agcounts.extract", reason="agcounts is absent: counts are held to stored values only"
    )
    samples = _movement(rate_hz, 120) + np.random.default_rng(1).normal(0, 0.004, (120 * rate_hz, 3))
    theirs, ours = agcounts.get_counts(samples, rate_hz, 1), _counted(samples, rate_hz)
    if rate_hz == 30:
        assert np.array_equal(theirs, ours)
    assert np.corrcoef(theirs.ravel(), ours.ravel())[0, 1] > 0.998
    assert ours.sum() == pytest.approx(theirs.sum(), rel=0.02)


def test_the_filter_in_blocks_is_the_filter_sample_by_sample():
    signal = pytest.importorskip("scipy.signal", reason="scipy is absent: the filter's matrices are NOT checked")
    samples = np.random.default_rng(0).normal(size=300)
    whole = signal.lfilter(FORWARD, BACKWARD, samples, zi=signal.lfilter_zi(FORWARD, BACKWARD) * samples[0])[0]
    blocks = block_filter(FORWARD, BACKWARD, 30)
    state, parts = blocks.steady * samples[0], []
    for block in samples.reshape(-1, 30):
        out, state = blocks.run(block, state)
        parts.append(out)
    assert np.allclose(np.concatenate(parts), whole, atol=1e-10)


@pytest.mark.parametrize("rate_hz", [25, 50, 52, 100])
def test_the_way_to_30_hz_keeps_constants_and_straight_lines(rate_hz):
    weights = to_thirty(rate_hz)
    line = np.arange(rate_hz + 1) / rate_hz
    assert np.allclose(weights.sum(axis=1), 1)
    assert np.allclose(weights @ line, (np.arange(30) + 0.5) / 30, atol=1e-9)


def test_streams_do_not_touch_each_other():
    samples = _movement(50, 10)
    alone = _counted(samples, 50)
    before = np.concatenate([samples[:1], samples])
    counter, both = Counter(50), []
    for s in range(10):
        span = before[s * 50 : s * 50 + 51].T
        both.append(counter.count(np.stack([np.zeros_like(span), span]), np.array([3, 7]), np.full(2, s == 0))[1])
    assert np.array_equal(both, alone)


def test_a_sensor_at_rest_counts_nothing():
    rest = np.tile([0.3, -0.5, 0.8], (600, 1)) + np.random.default_rng(0).normal(0, 0.004, (600, 3))
    assert _counted(rest, 50).sum() == 0
