"""A packet in another unit or at another rate than it claims is refused by name; honest ones never are."""

import numpy as np
import pytest

from agent.errors import PacketError
from agent.sanity import StreamSanity


def refusals(sanity, packets):
    """The reasons, None where a packet is fine."""
    found = []
    for packet in packets:
        try:
            sanity.check(packet, "w1/waist")
            found.append(None)
        except PacketError as error:
            found.append(error.reason)
    return found


@pytest.mark.parametrize(("factor", "unit"), [(9.80665, "m/s²"), (1000.0, "milli-g")])
@pytest.mark.parametrize("count", [1, 5, 50])
def test_another_unit_is_refused_at_once_and_named(packet, walking_g, factor, unit, count):
    times_s = np.arange(count) / 50
    wrong = packet(count=count, samples_g=walking_g(times_s) * np.float32(factor))
    with pytest.raises(PacketError, match=unit) as caught:
        StreamSanity().check(wrong, "w1/waist")
    assert caught.value.reason == "unit_mismatch"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("count", [1, 10, 50])
def test_a_device_that_is_set_right_is_taken_again(packet, walking_g, count):
    sanity = StreamSanity()
    span_s = count / 50
    wrong = [
        packet(n * span_s, count, samples_g=walking_g(n * span_s + np.arange(count) / 50) * np.float32(9.80665))
        for n in range(5)
    ]
    right = [packet((5 + n) * span_s, count) for n in range(int(30 / span_s))]
    assert set(refusals(sanity, wrong)) == {"unit_mismatch"}
    assert refusals(sanity, right)[-1] is None


def test_a_fall_is_not_another_unit(packet, walking_g):
    sanity = StreamSanity()
    packets = [packet(n / 5, 10) for n in range(50)]
    times_s = 10.0 + np.arange(10) / 50
    blow = walking_g(times_s)
    blow[3:6] += 9.0  # three samples of more than 15 g
    packets.append(packet(10.0, 10, samples_g=blow))
    assert set(refusals(sanity, packets)) == {None}


def test_packets_at_another_rate_than_they_declare_are_refused_after_a_while(packet):
    sanity = StreamSanity()
    packets = [packet(float(n), 25, rate_hz=50.0) for n in range(40)]  # 25 samples a second, said to be 50 Hz
    found = refusals(sanity, packets)
    assert found[0] is None
    assert found[-1] == "rate_mismatch"


def test_the_refusal_of_a_rate_says_what_was_found(packet):
    sanity = StreamSanity()
    refusals(sanity, [packet(float(n), 25, rate_hz=50.0) for n in range(40)])
    with pytest.raises(PacketError, match=r"declares 50\.0 Hz, but 25\.0 samples a second") as caught:
        sanity.check(packet(40.0, 25, rate_hz=50.0), "w1/waist")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lost", [0.1, 0.2, 0.3])
def test_lost_packets_are_not_a_wrong_rate(packet, lost):
    rng = np.random.default_rng(1)
    packets = [packet(float(n)) for n in range(500) if rng.random() > lost]
    assert set(refusals(StreamSanity(), packets)) == {None}


def test_duplicates_and_swapped_neighbours_are_not_a_wrong_rate(packet):
    rng = np.random.default_rng(2)
    packets = [packet(float(n)) for n in range(300)]
    for n in range(0, 298, 3):
        packets[n], packets[n + 1] = packets[n + 1], packets[n]
    packets = [one for one in packets for _ in range(1 + (rng.random() < 0.3))]
    assert set(refusals(StreamSanity(), packets)) == {None}


@pytest.mark.parametrize("rate_hz", [12.5, 20.0, 50.0, 128.0])
@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_any_honest_rate_and_packet_size_is_fine(packet, rate_hz, count):
    packets = [packet(n * count / rate_hz, count, rate_hz=rate_hz) for n in range(60)]
    assert set(refusals(StreamSanity(), packets)) == {None}


@pytest.mark.parametrize("count", [2, 3, 5, 20])
def test_a_device_with_irregular_times_is_fine(packet, walking_g, count):
    rng = np.random.default_rng(4)
    times_s = np.arange(600) / 20 + rng.uniform(-0.4, 0.4, 600) / 20
    packets = []
    for start in range(0, 600, count):
        one = packet(0.0, count)
        times = times_s[start : start + count]
        packets.append(type(one)("w1", "waist", times, walking_g(times), float(times[-1])))
    assert set(refusals(StreamSanity(), packets)) == {None}


def test_a_packet_that_came_before_is_known_again_and_a_late_one_is_not(packet):
    sanity = StreamSanity()
    for n in (0, 1, 3, 4):
        sanity.check(packet(float(n)), "")
    sanity.check(packet(3.0), "")
    assert sanity.seen(packet(3.0))
    sanity.check(packet(2.0), "")
    assert not sanity.seen(packet(2.0))


def test_what_is_remembered_is_bounded(packet):
    sanity = StreamSanity()
    refusals(sanity, [packet(float(n)) for n in range(1000)])
    assert len(sanity.recent) < 20


def test_half_of_all_packets_lost_is_no_wrong_rate(packet):
    sanity, rng = StreamSanity(), np.random.default_rng(5)
    for n in np.flatnonzero(rng.random(2000) < 0.5):
        sanity.check(packet(float(n), 50), "w1/waist")
