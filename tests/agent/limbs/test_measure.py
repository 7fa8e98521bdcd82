import numpy as np
import pytest

from agent.batch import cut_recording, join
from agent.layout import POSITIONS, Layout
from agent.limbs import posture
from agent.limbs.measure import Measurer
from agent.recording import Recording
from agent.records import Windows

LAYOUT = Layout(positions=POSITIONS)
LEFT, RIGHT = 0, 1


def _recording(left, right, rate_hz=50):
    times = np.arange(len(left)) / rate_hz
    sides = {"left_wrist": left.astype(np.float32), "right_wrist": right.astype(np.float32)}
    return Recording("two", "w", times, sides)


def _rest(seconds, up=(0.0, 0.0, 1.0), seed=0):
    return np.asarray(up) + np.random.default_rng(seed).normal(0, 0.004, (seconds * 50, 3))


def _reaching(seconds, seed=0):
    """The forearm turns by 60 degrees about level, back and forth in two seconds."""
    t = np.arange(seconds * 50) / 50
    angle = np.radians(30) * np.sin(2 * np.pi * t / 2)
    up = np.stack([np.sin(angle), np.zeros_like(t), np.cos(angle)], axis=1)
    return up + np.random.default_rng(seed).normal(0, 0.004, up.shape)


def _measured(recording, **packets):
    return Measurer(LAYOUT).measure(cut_recording(recording, LAYOUT, **packets), np.array([LEFT, RIGHT]))


def _split(windows, marks):
    """The same windows as several ticks."""
    parts = []
    for first, last in zip([0, *marks], [*marks, len(windows.end_s)], strict=True):
        rows = (windows.owner >= first) & (windows.owner < last)
        fields = (windows.owner[rows] - first, windows.stream[rows], windows.family[rows], windows.samples_g[rows])
        parts.append(Windows(windows.wearer[first:last], windows.end_s[first:last], *fields))
    return parts


def test_only_the_arm_that_reaches_is_used():
    seconds = _measured(_recording(_rest(60), _reaching(60)))
    assert len(seconds) == pytest.approx(58, abs=1)
    for used in (seconds.by_counts, seconds.by_gross, seconds.by_both):
        assert used[3:, RIGHT].mean() > 0.95
        assert not used[:, LEFT].any()
    assert seconds.still[:, LEFT].all()


def test_a_hanging_arm_that_swings_counts_but_is_no_gross_movement():
    t = np.arange(3000) / 50
    swing = np.stack([-1 + 0.1 * np.sin(2 * np.pi * 1.8 * t), 0.3 * np.sin(2 * np.pi * 0.9 * t), 0 * t], axis=1)
    seconds = _measured(_recording(_rest(60), swing))
    assert seconds.by_counts[3:, RIGHT].all()
    assert not seconds.by_both[:, RIGHT].any()
    assert seconds.walking[3:].mean() > 0.95


def test_a_live_stream_gives_what_the_whole_recording_gives():
    windows = cut_recording(_recording(_reaching(90, 1), _rest(90, seed=2)), LAYOUT)
    whole, live = Measurer(LAYOUT).measure(windows, np.array([0, 1])), Measurer(LAYOUT)
    ticks = [live.measure(part, np.array([0, 1])) for part in _split(windows, [1, 2, 5, 60, 61, 100])]
    for name in whole.__dataclass_fields__:
        parts = np.concatenate([getattr(tick, name) for tick in ticks])
        assert np.array_equal(parts, getattr(whole, name), equal_nan=parts.dtype.kind == "f"), name


def test_packet_sizes_do_not_matter():
    recording = _recording(_reaching(60, 1), _reaching(60, 2))
    small, large = _measured(recording, packet_s=0.5), _measured(recording, packet_s=5.0)
    assert np.array_equal(small.counts, large.counts)


def test_one_wrist_alone_is_heard_on_its_side_only():
    recording = _recording(_rest(30), _reaching(30))
    alone = Recording("one", "w", recording.times_s, {"right_wrist": recording.positions["right_wrist"]})
    seconds = Measurer(LAYOUT).measure(cut_recording(alone, LAYOUT), np.array([RIGHT]))
    assert seconds.heard.tolist() == [[False, True]] * len(seconds)
    assert np.isnan(seconds.counts[:, LEFT]).all()


def test_a_tenth_of_the_packets_lost_moves_use_by_less_than_a_tenth():
    samples = _reaching(300, 3)
    samples[(np.arange(15000) // 25) % 4 < 2] = [0, 0, 1]  # used every other second
    kept, lost = samples.copy(), np.random.default_rng(0).random(600) < 0.1
    kept[np.repeat(lost, 25)] = np.nan
    whole, gappy = (_measured(_recording(_rest(300), one)) for one in (samples, kept))
    assert gappy.by_counts[:, RIGHT].mean() == pytest.approx(whole.by_counts[:, RIGHT].mean(), rel=0.1)


def test_a_gain_of_three_quarters_does_not_bias_what_is_counted():
    true = _reaching(600, 4)
    true[:15000] = _rest(300, (0.2, -0.5, 0.84), 5)
    scaled = 0.75 * true
    seconds = _measured(_recording(scaled, true))
    late = seconds.end_s > 400
    ratio = seconds.counts[late, LEFT].sum() / seconds.counts[late, RIGHT].sum()
    assert ratio == pytest.approx(1, abs=0.05)


def test_the_two_ticks_of_a_joined_record_are_one():
    windows = cut_recording(_recording(_reaching(20), _rest(20)), LAYOUT)
    again = join(_split(windows, [7]))
    assert np.array_equal(again.end_s, windows.end_s)


def test_turning_and_tilt_are_angles():
    up = np.array([[0.0, 0, 1], [0, 0, 1], [np.sin(np.radians(40)), 0, np.cos(np.radians(40))]])[None]
    assert posture.turned_deg(up)[0] == pytest.approx(40)
    assert posture.tilt_deg(np.array([[[0, 0, 1.0], [0.5, 0, np.sqrt(0.75)]]]), 0)[0] == pytest.approx(30)


def test_a_tenth_of_the_packets_lost_and_clocks_100_ms_apart_leave_the_use_ratio_within_03():
    rng, second = np.random.default_rng(6), np.arange(600)
    # bouts of one length: the filter of the counts makes each about a second longer
    truth = {"left": second % 40 < 8, "right": second % 20 < 8}
    sides = {}
    for name, used in truth.items():
        samples = np.where(np.repeat(used, 50)[:, None], _reaching(600, 7), _rest(600, seed=8))
        samples[np.repeat(rng.random(1200) < 0.1, 25)] = np.nan
        sides[name] = samples
    late = np.roll(sides["right"], 5, axis=0)
    seconds = _measured(_recording(sides["left"], late))
    both = seconds.heard.all(axis=1)
    told = seconds.by_counts[both].sum(axis=0)
    assert told[LEFT] / told[RIGHT] == pytest.approx(0.5, abs=0.03)
