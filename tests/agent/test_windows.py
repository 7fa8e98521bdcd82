"""Windows start on the grid, are cut once, in order, and wait for a slow sensor but not for a silent one."""

import numpy as np
import pytest

from agent.batch import cut_recording, join, packets
from agent.counters import Counters
from agent.ingest import RING_CELLS, Streams
from agent.layout import POSITIONS, Layout
from agent.recording import Recording
from agent.windows import Cutter

LAYOUT = Layout(positions=POSITIONS)
YEAR_S = 365.25 * 86_400


@pytest.fixture
def gateway():
    streams = Streams(LAYOUT, Counters(), max_wearers=500)
    return streams, Cutter(streams)


def played(gateway, packets):
    """Each packet is followed by a cut."""
    streams, cutter = gateway
    parts = []
    for one in packets:
        streams.put(one)
        parts.append(cutter.cut())
    return join(parts)


def test_windows_end_at_every_hop_of_the_grid(gateway, packet):
    windows = played(gateway, [packet(3.21 + n) for n in range(10)])
    assert np.allclose(np.diff(windows.end_s), LAYOUT.hop_s)
    starts = (windows.end_s - LAYOUT.window_s) / LAYOUT.hop_s
    assert np.allclose(starts, np.round(starts))
    assert windows.end_s[0] - LAYOUT.window_s >= 3.21 - 0.01
    assert windows.end_s[0] - LAYOUT.window_s < 3.21 + LAYOUT.hop_s


def test_a_window_holds_what_was_measured_while_it_lasted(gateway, packet, walking_g):
    windows = played(gateway, [packet(float(n)) for n in range(10)])
    for end_s, samples in zip(windows.end_s, windows.samples_g, strict=True):
        times_s = end_s - LAYOUT.window_s + np.arange(LAYOUT.window_samples) / 50
        assert np.abs(samples.T - walking_g(times_s)).max() < 0.05


def test_no_window_is_cut_twice_and_none_before_it_is_full(gateway, packet):
    streams, cutter = gateway
    ends = []
    for n in range(100):
        streams.put(packet(n * 0.2, 10))
        found = cutter.cut().end_s
        assert (found <= n * 0.2 + 0.2).all()
        ends += list(found)
        assert len(cutter.cut().end_s) == 0
    assert len(ends) == len(set(ends))


def test_a_restarted_agent_cuts_the_same_windows(packet):
    def ends(first):
        streams = Streams(LAYOUT, Counters())
        return set(played((streams, Cutter(streams)), [packet(first + n) for n in range(20)]).end_s)

    assert len(ends(1000.0) & ends(1007.0)) == len([e for e in ends(1007.0) if e <= max(ends(1000.0))])


def test_a_slow_sensor_is_waited_for(gateway, packet):
    streams, cutter = gateway
    for n in range(5):
        streams.put(packet(float(n), position="waist"))
        streams.put(packet(float(n), position="left_wrist"))
    cutter.cut()
    streams.put(packet(5.0, position="waist"))
    assert len(cutter.cut().end_s) == 0
    streams.put(packet(5.0, position="left_wrist"))
    assert np.bincount(cutter.cut().owner).tolist() == [2, 2]


def test_a_silent_sensor_is_waited_for_only_so_long(gateway, packet):
    both = [packet(float(n), position=where) for n in range(6) for where in ("waist", "left_wrist")]
    alone = [packet(float(n)) for n in range(6, 20)]
    windows = played(gateway, both + alone)
    assert windows.end_s[-1] >= 19
    rows = np.bincount(windows.owner)
    assert set(rows[windows.end_s <= 6]) == {2}
    assert set(rows[windows.end_s > 6 + LAYOUT.window_s]) == {1}
    assert np.isfinite(windows.samples_g[windows.stream == 0]).all()
    streams, cutter = gateway
    streams.put(packet(20.0))
    assert len(cutter.cut().end_s) == 2  # and there is no further waiting


def test_the_last_windows_are_given_when_the_streams_have_ended(gateway, packet):
    streams, cutter = gateway
    for n in range(5):
        streams.put(packet(float(n), position="waist"))
        streams.put(packet(n + 0.0, 50 if n < 4 else 5, position="left_wrist"))
    cutter.cut()
    assert len(cutter.cut(to_the_last=True).end_s) == 1  # the wrist did not reach its end


@pytest.mark.parametrize("gap_s", [11.0, 45.0, 3600.0, YEAR_S])
def test_after_a_long_gap_no_window_reaches_across_it(gateway, packet, gap_s):
    starts = [*range(10), *(10 + gap_s + np.arange(10))]
    windows = played(gateway, [packet(float(start)) for start in starts])
    assert np.isfinite(windows.samples_g).all()
    inside = (windows.end_s > 10.1) & (windows.end_s < 10 + gap_s + LAYOUT.window_s)
    assert not inside.any()
    assert (windows.end_s <= 10.1).sum() == (windows.end_s > 11).sum() == 15


@pytest.mark.parametrize("gap_s", [11.0, 15.0, 45.0, 3600.0])
def test_what_came_before_a_long_gap_is_not_lost_however_seldom_windows_are_cut(walking_g, gap_s):
    times_s = np.concatenate([np.arange(500) / 50, 10 + gap_s + np.arange(500) / 50])
    recording = Recording("gap", "w1", times_s, {"waist": walking_g(times_s)})
    windows = cut_recording(recording, LAYOUT)  # cuts only when a ring is half full, and at the end
    assert (windows.end_s <= 10.1).sum() == (windows.end_s > 11).sum() == 15


def test_a_short_gap_shows_as_missing_samples(gateway, packet):
    windows = played(gateway, [packet(float(n)) for n in range(20) if n != 10])
    missing = np.isnan(windows.samples_g[:, 0]).sum(axis=1)
    assert missing.max() in range(48, 54)
    assert np.array_equal(np.diff(windows.end_s) > 0.51, np.zeros(len(windows.end_s) - 1, bool))


def test_windows_come_ordered_by_end_then_wearer_with_ascending_owners(gateway, packet):
    streams, cutter = gateway
    for n in range(6):
        for wearer in range(5):
            for position in ("left_wrist", "waist"):
                streams.put(packet(n + wearer * 0.1, wearer=f"w{wearer}", position=position))
    windows = cutter.cut()
    order = np.lexsort((windows.wearer, windows.end_s))
    assert np.array_equal(order, np.arange(len(order)))
    assert (np.diff(windows.owner) >= 0).all()
    assert set(np.bincount(windows.owner)) == {2}
    assert np.array_equal(windows.wearer[windows.owner], streams.wearer_of[windows.stream])
    assert np.array_equal(windows.family, streams.family_of[windows.stream])


def test_two_hundred_wearers_get_what_each_would_get_alone(gateway, packet):
    streams, cutter = gateway
    rng = np.random.default_rng(1)
    parts = []
    for n in range(8):
        for wearer in rng.permutation(200):
            streams.put(packet(n + wearer * 0.011, wearer=f"w{wearer}"))
        parts.append(cutter.cut())
    windows = join(parts)
    for wearer in (0, 57, 199):
        alone = Streams(LAYOUT, Counters())
        expected = played((alone, Cutter(alone)), [packet(n + wearer * 0.011) for n in range(8)])
        mine = windows.wearer == streams.slot_of[f"w{wearer}"]
        assert np.array_equal(windows.end_s[mine], expected.end_s)
        assert np.array_equal(windows.samples_g[mine[windows.owner]], expected.samples_g)


def test_windows_that_the_ring_no_longer_holds_are_left_out_and_never_false(gateway, packet, walking_g):
    streams, cutter = gateway
    for n in range(120):
        streams.put(packet(float(n)))  # nobody cuts, though asked to
    assert streams.crowded
    windows = cutter.cut()
    assert len(windows.end_s) <= RING_CELLS // LAYOUT.hop_samples
    times_s = windows.end_s[0] - LAYOUT.window_s + np.arange(LAYOUT.window_samples) / 50
    assert np.abs(windows.samples_g[0].T - walking_g(times_s)).max() < 0.05


def test_a_recording_shorter_than_a_window_gives_none(walking_g):
    for count in (1, 2, 100):
        times_s = np.arange(count) / 50
        windows = cut_recording(Recording("short", "w1", times_s, {"waist": walking_g(times_s)}), LAYOUT)
        assert windows.samples_g.shape == (0, 3, LAYOUT.window_samples)


def test_a_recording_with_a_gap_of_a_year_becomes_no_more_packets_than_it_has_seconds(walking_g):
    times_s = np.concatenate([np.arange(500) / 50, YEAR_S + np.arange(500) / 50])
    recording = Recording("year", "w1", times_s, {"waist": walking_g(times_s)})
    found = list(packets(recording))
    assert len(found) in (20, 21)
    assert sum(len(one.times_s) for one in found) == 1000


@pytest.mark.parametrize("packet_s", [0.3, 2.0])
def test_packets_hold_every_sample_once_in_order(simulated, packet_s):
    for position, samples_g in simulated.positions.items():
        mine = [one for one in packets(simulated, packet_s) if one.position == position]
        assert np.array_equal(np.concatenate([one.times_s for one in mine]), simulated.times_s)
        assert np.array_equal(np.concatenate([one.samples_g for one in mine]), samples_g)
        assert max(one.times_s[-1] - one.times_s[0] for one in mine) <= packet_s


def test_a_recording_that_begins_before_zero_gives_the_windows_of_one_that_begins_later(walking_g):
    times_s = np.arange(1500) / 50
    samples_g = walking_g(times_s)
    early, late = (
        cut_recording(Recording("r", "w", times_s + at, {"waist": samples_g}), LAYOUT) for at in (-20.0, 20.0)
    )
    assert len(early.end_s) > 50
    assert np.allclose(early.end_s + 40.0, late.end_s)
    assert np.allclose(early.samples_g, late.samples_g, atol=1e-5)
