"""A device's clock may be anything; what is written carries the gateway's time."""

import numpy as np
import pytest

from agent.clocks import FUTURE_S, RESTART_S, DeviceClock
from agent.counters import Counters

NOW_S = 1_732_350_000.0


def put(clock, counters, packet):
    return clock.on_gateway_time(packet, counters).times_s


def test_a_device_that_keeps_unix_time_is_trusted_even_when_it_delivers_late(packet):
    clock, counters = DeviceClock(), Counters()
    sent = packet(NOW_S - 3600, late_s=3600)
    assert np.array_equal(put(clock, counters, sent), sent.times_s)
    assert clock.offset_s == 0.0
    assert not counters.counts


@pytest.mark.parametrize("device_s", [-NOW_S, -NOW_S + 77, 5 * 86_400.0, -3 * 86_400.0])
def test_any_other_clock_is_anchored_to_the_arrival_of_its_first_packet(packet, device_s):
    clock = DeviceClock()
    for start in range(5):
        times_s = put(clock, Counters(), packet(NOW_S + start, device_s=device_s))
        assert times_s[-1] == pytest.approx(NOW_S + start + 0.98, abs=1e-5)


def test_a_small_delay_on_the_way_does_not_move_the_clock(packet):
    clock, counters = DeviceClock(), Counters()
    put(clock, counters, packet(NOW_S, device_s=-NOW_S))
    offset_s = clock.offset_s
    for start, late_s in ((1, 0.3), (2, 2.0), (3, 0.0)):
        put(clock, counters, packet(NOW_S + start, device_s=-NOW_S, late_s=late_s))
    assert clock.offset_s == offset_s
    assert counters.counts["clock_jumps"] == 0


def test_a_restarted_clock_is_anchored_anew_and_counted(packet):
    clock, counters = DeviceClock(), Counters()
    put(clock, counters, packet(NOW_S, device_s=-NOW_S + 5000))
    times_s = put(clock, counters, packet(NOW_S + 60, device_s=-NOW_S - 60))
    assert times_s[-1] == pytest.approx(NOW_S + 60.98, abs=1e-5)
    assert counters.counts["clock_jumps"] == 1


def test_a_late_packet_is_not_a_restarted_clock(packet):
    clock, counters = DeviceClock(), Counters()
    put(clock, counters, packet(NOW_S, device_s=-NOW_S + 5000))
    put(clock, counters, packet(NOW_S - RESTART_S + 1, device_s=-NOW_S + 5000, late_s=RESTART_S))
    assert counters.counts["clock_jumps"] == 0


def test_a_clock_in_the_future_is_anchored_anew_and_counted(packet):
    clock, counters = DeviceClock(), Counters()
    put(clock, counters, packet(NOW_S))
    times_s = put(clock, counters, packet(NOW_S + 1, device_s=FUTURE_S + 1))
    assert times_s[-1] <= NOW_S + 2
    assert counters.counts["clock_jumps"] == 1


def test_one_false_time_does_not_spoil_what_follows(packet):
    clock, counters = DeviceClock(), Counters()
    put(clock, counters, packet(NOW_S))
    put(clock, counters, packet(NOW_S + 1, device_s=1e9))
    times_s = put(clock, counters, packet(NOW_S + 2))
    assert times_s[-1] == pytest.approx(NOW_S + 2.98, abs=1e-5)
    assert counters.counts["clock_jumps"] == 2


def test_a_recording_that_starts_at_zero_keeps_its_times(packet):
    clock = DeviceClock()
    for start in range(3):
        sent = packet(float(start))
        assert np.array_equal(put(clock, Counters(), sent), sent.times_s)


def test_every_time_is_finite_and_never_far_in_the_future_whatever_the_device_says(packet):
    rng = np.random.default_rng(5)
    clock, counters = DeviceClock(), Counters()
    for start in range(200):
        sent = packet(NOW_S + start, device_s=float(rng.choice([0, -NOW_S, 1e12, -1e12, 86_400.0, 4.0])))
        times_s = put(clock, counters, sent)
        assert np.isfinite(times_s).all()
        assert times_s[-1] <= sent.received_s + FUTURE_S


def test_a_unix_clock_that_is_steadily_slow_is_moved_to_where_its_packets_arrive(packet):
    clock, counters = DeviceClock(), Counters()
    for n in range(20):
        times_s = put(clock, counters, packet(NOW_S + n, device_s=-30.0))
    assert times_s[-1] == pytest.approx(NOW_S + 19 + 0.98, abs=0.1)
    assert counters.counts["clock_jumps"] == 1


@pytest.mark.parametrize("device_s", [0.0, -NOW_S + 5000])
@pytest.mark.parametrize(("each_s", "queued_s"), [(0.1, 1.9), (0.1, 5.0), (0.02, 3.0), (0.5, 20.0), (1.0, 60.0)])
def test_what_a_broker_held_back_and_sent_all_at_once_keeps_its_time(packet, device_s, each_s, queued_s):
    clock, counters = DeviceClock(), Counters()
    count, samples = round(queued_s / each_s), round(each_s * 50)
    for n in range(-20, count + 20):
        start = NOW_S + n * each_s
        late_s = max(0.0, (count - n - 1) * each_s) if n >= 0 else 0.0
        sent = packet(start, count=samples, device_s=device_s, late_s=late_s)
        assert put(clock, counters, sent)[0] == pytest.approx(start, abs=0.02)
    assert counters.counts["clock_jumps"] == 0


def test_stored_data_of_a_true_unix_clock_keeps_its_time(packet):
    clock, counters = DeviceClock(), Counters()
    for n in range(600):  # ten minutes, told within one
        assert put(clock, counters, packet(NOW_S + n, late_s=600 - 0.9 * n))[0] == NOW_S + n
    assert counters.counts["clock_jumps"] == 0
