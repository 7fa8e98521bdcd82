import numpy as np
import pytest

from agent.clocks import DeviceClock
from agent.counters import Counters
from agent.limbs import pair
from agent.records import Packet

TRUE_OFFSET_S = 5000.0


def _heard(seed, hours, ppm, start_s=2e9):
    """A clock that drifts; packets of half a second, delayed by 20 ms and an exponential of 60 ms more."""
    rng, clock, counters, off = np.random.default_rng(seed), DeviceClock(), Counters(), []
    for n in range(int(hours * 1200)):  # every sixth packet: what is heard less often is harder
        true_s = 3.0 * n + start_s + np.arange(2) / 50
        device = (true_s - start_s) * (1 + ppm * 1e-6) + TRUE_OFFSET_S
        received = float(true_s[-1]) + 0.02 + rng.exponential(0.06)
        packet = clock.on_gateway_time(
            Packet("w", "left_wrist", device, np.zeros((2, 3), np.float32), received), counters
        )
        off.append(float(packet.times_s[-1] - true_s[-1]))
    return clock, np.array(off)


@pytest.mark.parametrize("ppm", [-50, 0, 50])
def test_a_drifting_clock_is_led_so_that_a_day_later_it_is_right(ppm):
    _, off_s = _heard(1, 8, ppm)
    assert np.abs(off_s[-2000:] - 0.02).max() < 0.05  # 50 ppm are 1.4 s in eight hours
    assert np.all(np.abs(np.diff(off_s)) < 0.01 + 3.0 * 2e-4)


def test_the_doubt_of_a_pair_covers_how_far_it_is_apart():
    apart, doubt = [], []
    for seed in range(20):
        (left, left_off), (right, right_off) = _heard(2 * seed, 1, 40), _heard(2 * seed + 1, 1, -30)
        apart.append(abs(left_off[-1] - right_off[-1]))
        doubt.append(pair.doubt_s(left, right))
    assert np.sum(np.array(apart) <= np.array(doubt)) >= 17  # 95 %: below 17 of 20 in 1.6 % of such tests
    assert max(doubt) < 0.1


def test_before_anything_is_heard_the_doubt_is_endless():
    assert pair.doubt_s(DeviceClock(), DeviceClock()) == np.inf


def test_a_device_with_unix_time_that_is_off_by_half_a_second_is_told_and_not_touched():
    clocks = []
    for wrong_s in (0.0, 0.5):
        clock = DeviceClock()
        for n in range(400):
            times = 2e9 + 3.0 * n + np.arange(2) / 50
            packet = Packet("w", "left_wrist", times - wrong_s, np.zeros((2, 3), np.float32), float(times[-1]) + 0.02)
            clock.on_gateway_time(packet, Counters())
        clocks.append(clock)
        assert clock.offset_s == 0
    assert pair.doubt_s(*clocks) == pytest.approx(0.5, abs=0.02)


def test_exchanged_sides_are_told_from_sides_as_they_were():
    usual = np.array([[0.3, 0.6, -0.5], [0.3, -0.6, -0.5]])
    rng = np.random.default_rng(0)
    for _ in range(50):
        today = usual + rng.normal(0, 0.1, (2, 3))
        assert not pair.exchanged(today, usual)
        assert pair.exchanged(today[::-1], usual)
    alike = np.array([[0.3, 0.1, -0.5], [0.3, 0.0, -0.5]])
    assert not pair.exchanged(alike[::-1], alike)  # they cannot be told apart: nothing is said
