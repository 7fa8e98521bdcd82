"""Whatever a wearable sends: the ring holds what was measured, what cannot be used is counted, memory is bounded."""

from dataclasses import replace

import numpy as np
import pytest

from agent.counters import Counters
from agent.errors import PacketError
from agent.ingest import HELD_PACKETS, LONGEST_PACKET_S, RING_CELLS, Streams
from agent.layout import POSITIONS, Layout

LAYOUT = Layout(positions=POSITIONS)
YEAR_S = 365.25 * 86_400


@pytest.fixture
def streams():
    return Streams(LAYOUT, Counters())


def content(streams, slot=0, last=500):
    """The newest cells of one stream."""
    written = int(streams.written[slot])
    return streams.ring[slot, :, np.arange(written - last, written) % RING_CELLS]


def played(packets):
    streams = Streams(LAYOUT, Counters())
    for one in packets:
        streams.put(one)
    streams.flush()
    return streams


def refused(streams, packet):
    with pytest.raises(PacketError) as caught:
        streams.put(packet)
    assert "\n" not in str(caught.value)
    return caught.value.reason


def test_packets_in_order_fill_the_ring_with_what_was_measured(packet, walking_g):
    streams = played([packet(float(n)) for n in range(12)])
    cells = np.arange(streams.written[0] - 500, streams.written[0])
    assert np.abs(content(streams) - walking_g(cells / 50)).max() < 0.05
    assert streams.counters.snapshot() == {"samples": 600}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda p: replace(p, times_s=p.times_s[:0], samples_g=p.samples_g[:0]), "empty_packet"),
        (lambda p: replace(p, samples_g=p.samples_g[:-1]), "bad_fields"),
        (lambda p: replace(p, samples_g=p.samples_g[:, :2]), "bad_fields"),
        (lambda p: replace(p, times_s=p.times_s[::-1]), "time_backwards"),
        (lambda p: replace(p, times_s=np.repeat(p.times_s[:25], 2)), "time_backwards"),
        (lambda p: replace(p, times_s=np.where(p.times_s > 0.5, np.nan, p.times_s)), "time_backwards"),
        (lambda p: replace(p, times_s=np.append(p.times_s[:-1], np.inf)), "time_backwards"),
        (lambda p: replace(p, times_s=p.times_s * (LONGEST_PACKET_S + 1)), "too_long"),
        (lambda p: replace(p, samples_g=np.full_like(p.samples_g, np.nan)), "non_finite"),
        (lambda p: replace(p, samples_g=np.full_like(p.samples_g, -np.inf)), "non_finite"),
        (lambda p: replace(p, samples_g=p.samples_g * np.float32(9.80665)), "unit_mismatch"),
        (lambda p: replace(p, samples_g=p.samples_g * 1000), "unit_mismatch"),
        (lambda p: replace(p, position="left_ear"), "unknown_position"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name_and_the_stream_goes_on(packet, change, reason):
    streams, clean = Streams(LAYOUT, Counters()), Streams(LAYOUT, Counters())
    for n in range(20):
        if n == 10:
            assert refused(streams, change(packet(10.0))) == reason
        streams.put(packet(float(n)))
        clean.put(packet(float(n)))
    assert np.array_equal(content(streams, last=200), content(clean, last=200))
    assert streams.positions == ["waist"]


def test_a_wearer_who_is_not_named_in_the_settings_is_refused(packet):
    streams = Streams(LAYOUT, Counters(), allowed=("w1",))
    streams.put(packet())
    assert refused(streams, packet(wearer="w2")) == "unknown_wearer"
    assert streams.wearers == ["w1"]


def test_wearers_beyond_the_limit_are_refused_and_leave_no_trace(packet):
    streams = Streams(LAYOUT, Counters(), max_wearers=3)
    for n in range(3):
        streams.put(packet(wearer=f"w{n}"))
    for n in range(3, 100):
        assert refused(streams, packet(wearer=f"w{n}")) == "too_many_wearers"
        assert refused(streams, packet(wearer=f"w{n}", position="left_ear")) == "unknown_position"
    assert len(streams.ring) == 4
    assert len(streams._streams) == 3


def test_missing_and_infinite_samples_are_counted_and_left_out(packet):
    packets = [packet(float(n)) for n in range(10)]
    packets[5].samples_g[10:14] = [[np.nan, 0, 0], [0, np.inf, 0], [-np.inf, 0, 0], [np.nan] * 3]
    streams = played(packets)
    assert streams.counters.counts["missing_samples"] == 4
    assert np.isfinite(content(streams, last=400)).all()  # 0.08 s are bridged


def test_duplicates_and_late_packets_change_nothing_and_are_counted(packet):
    plain = played([packet(float(n)) for n in range(20)])
    again = [packet(float(n)) for n in range(20) for _ in range(2)]
    again.insert(21, packet(4.5, 25))  # parts of packets that were there already
    streams = played(again)
    assert np.array_equal(content(streams), content(plain))
    assert streams.counters.counts["duplicate_packets"] == 20
    assert streams.counters.counts["late_packets"] == 1


def test_packets_that_overlap_are_merged_and_the_overlap_is_counted(packet):
    plain = played([packet(float(n)) for n in range(20)])
    streams = played([packet(float(n), 60 if n % 4 == 1 else 50) for n in range(20)])
    assert np.array_equal(content(streams), content(plain))
    assert (
        streams.counters.counts["late_samples"] == 49
    )  # the last has nothing to overlap with but the first ten of its own


def test_swapped_packets_are_put_in_order(packet):
    order = [0, 2, 1, 3, 5, 4, 6, 7, 9, 8, 10, 11]
    plain = played([packet(n * 0.5, 25) for n in range(12)])
    swapped = played([packet(n * 0.5, 25) for n in order])
    assert np.array_equal(content(swapped, last=280), content(plain, last=280))
    assert swapped.counters.snapshot() == {"samples": 300}


def test_a_lost_packet_leaves_a_gap_and_is_counted(packet):
    streams = played([packet(float(n)) for n in range(12) if n != 6])
    missing = np.isnan(content(streams)[:, 0])
    assert 48 <= missing.sum() <= 53
    assert streams.counters.counts["gaps"] == 1


def test_a_restarted_clock_does_not_stop_the_stream(packet):
    now_s = 1.7e9
    packets = [packet(now_s + n, device_s=-now_s + 1e6) for n in range(10)]
    packets += [packet(now_s + n, device_s=-now_s - 10) for n in range(10, 30)]
    streams = played(packets)
    assert streams.counters.counts["clock_jumps"] == 1
    assert streams.written[0] == pytest.approx((now_s + 30) * 50, abs=3)
    assert np.isfinite(content(streams, last=900)).all()


@pytest.mark.parametrize("gap_s", [0.3, 5.0, 11.0, 50.0, 3600.0, YEAR_S])
def test_after_a_gap_of_any_length_the_stream_goes_on_in_the_same_memory(packet, gap_s):
    starts = [*range(60), *(60 + gap_s + np.arange(20))]
    streams = played([packet(float(start)) for start in starts])
    assert streams.ring.nbytes == 4 * 3 * RING_CELLS * 4
    assert np.isfinite(content(streams, last=900)).all()
    assert streams.counters.counts["gaps"] == 1


def test_what_the_ring_held_before_a_long_gap_does_not_show_in_it(packet):
    streams = played([packet(float(start)) for start in [*range(60), *range(90, 100)]])
    ago = np.arange(streams.written[0] - 1500, streams.written[0] - 505) % RING_CELLS
    assert np.isnan(streams.ring[0, 0, ago]).all()


def test_packets_that_wait_are_bounded(packet):
    streams = Streams(LAYOUT, Counters())
    streams.put(packet(0.0))
    for n in range(200):  # single samples after a hole: each would wait for the hole to be filled
        streams.put(packet(2.0 + n * 0.001, 1))
        assert len(streams._streams["w1", "waist"].held) <= HELD_PACKETS


def test_long_packets_announce_that_the_ring_fills_before_it_overflows(packet, streams):
    uncut = 0
    for n in range(30):
        streams.put(packet(n * 10.0, 500))
        uncut = int(streams.written[0] - streams.cut_at[0])
        assert uncut <= RING_CELLS - LAYOUT.window_samples
        if streams.crowded:
            streams.cut()
    assert uncut < RING_CELLS


def test_two_hundred_wearers_share_nothing(packet):
    streams = Streams(LAYOUT, Counters(), max_wearers=200)
    rng = np.random.default_rng(0)
    sent = rng.normal(0, 0.3, (200, 250, 3)).astype(np.float32) + np.float32([0, 0, 1])
    for second in range(5):
        for n in rng.permutation(200):
            streams.put(packet(float(second), wearer=f"w{n}", samples_g=sent[n, second * 50 : second * 50 + 50]))
    for slot, wearer in enumerate(streams.wearers):
        alone = Streams(LAYOUT, Counters())
        for second in range(5):
            alone.put(packet(float(second), samples_g=sent[int(wearer[1:]), second * 50 : second * 50 + 50]))
        assert np.array_equal(content(streams, slot, 240), content(alone, 0, 240))
    assert len(streams.ring) <= 256


def test_a_number_that_no_sensor_gives_is_taken_as_missing(packet):
    packets = [packet(float(n)) for n in range(20)]
    packets[15].samples_g[25] = 1e30
    streams = played(packets)
    assert np.abs(content(streams, last=400)).max() < 2
    assert streams.counters.counts["missing_samples"] == 1


def test_times_that_fall_together_on_the_gateways_clock_are_refused(streams, packet):
    with pytest.raises(PacketError, match="microsecond"):
        streams.put(packet(0.0, 2, rate_hz=1e9))
