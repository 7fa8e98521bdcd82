import numpy as np
import pytest

from agent.limbs.upright import Upright


def _rest(rng, count, postures=None):
    up = (
        rng.normal(size=(count, 3))
        if postures is None
        else np.asarray(postures)[rng.integers(len(postures), size=count)]
    )
    return up / np.linalg.norm(up, axis=1, keepdims=True)


def _fit(readings):
    upright, stream = Upright(), np.zeros(len(readings), np.int64)
    upright.learn(readings, stream, np.ones(len(readings), np.bool_))
    gain, offset = upright.gains(np.array([0]))
    return gain[0], offset[0]


def test_gain_and_offset_are_found_from_rest_in_many_postures():
    rng = np.random.default_rng(0)
    gain, offset = np.array([0.9, 1.05, 1.1]), np.array([0.05, -0.04, 0.02])
    true = _rest(rng, 2000)
    found_gain, found_offset = _fit(true / gain + offset + rng.normal(0, 0.003, true.shape))
    assert np.allclose(found_gain, gain, atol=0.01)
    assert np.allclose(found_offset, offset, atol=0.01)


def test_one_posture_moves_only_the_common_gain():
    rng = np.random.default_rng(1)
    readings = 0.8 * _rest(rng, 500, [[0.0, 0.6, 0.8]])
    gain, offset = _fit(readings)
    assert np.linalg.norm((readings[0] - offset) * gain) == pytest.approx(1, abs=0.02)
    assert np.abs(offset).max() < 0.12


def test_a_sensor_that_is_right_is_left_alone():
    gain, offset = _fit(_rest(np.random.default_rng(2), 300))
    assert np.allclose(gain, 1, atol=0.005)
    assert np.allclose(offset, 0, atol=0.005)


def test_nothing_seen_or_nonsense_corrects_nothing():
    upright = Upright()
    assert np.array_equal(upright.gains(np.array([0]))[0], np.ones((1, 3)))
    upright.learn(np.full((50, 3), 2.0), np.zeros(50, np.int64), np.ones(50, np.bool_))
    assert np.array_equal(upright.gains(np.array([0]))[0], np.ones((1, 3)))


def test_the_order_of_the_moments_does_not_matter():
    readings = 0.9 * _rest(np.random.default_rng(3), 200)
    once, piecemeal = _fit(readings), Upright()
    for one in readings[::-1]:
        piecemeal.learn(one[None], np.array([0]), np.array([True]))
    assert np.allclose(piecemeal.gains(np.array([0]))[0][0], once[0])
