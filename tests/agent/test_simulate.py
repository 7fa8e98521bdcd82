"""The simulated person behaves like a body under gravity, and like the truth beside the recording says."""

import numpy as np
import pytest

from agent.recording import Recording, read_recording, write_recording
from agent.simulate import DAY, NOISE_G, RANGE_G, STEP_HZ, Episode, simulate

SEEDS = range(20)


def length_g(recording: Recording, position: str) -> np.ndarray:
    return np.linalg.norm(recording.positions[position], axis=1)


def during(recording: Recording, kind: str, inset_s: float = 0.0) -> np.ndarray:
    times_s = recording.times_s
    spans = [(e.start_s + inset_s, e.end_s - inset_s) for e in DAY if e.kind == kind]
    return np.any([(times_s >= start) & (times_s < end) for start, end in spans], axis=0)


@pytest.fixture(params=SEEDS)
def recording(request: pytest.FixtureRequest) -> Recording:
    return simulate(np.random.default_rng(request.param))[0]


def test_it_says_that_it_is_simulated(simulated):
    assert "simulated" in simulated.name
    assert "simulated" in simulated.wearer


def test_it_lasts_two_minutes_at_50_hz_on_both_sites(simulated):
    assert simulated.times_s[0] == 0.0
    assert np.allclose(np.diff(simulated.times_s), 0.02)
    assert {name: samples.shape for name, samples in simulated.positions.items()} == {
        "right_wrist": (6000, 3),
        "waist": (6000, 3),
    }


def test_the_same_seed_gives_the_same_samples_and_another_seed_others():
    one, same, other = (simulate(np.random.default_rng(seed))[0].positions["waist"] for seed in (5, 5, 6))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("rate_hz", [20.0, 100.0, 128.0])
def test_other_rates_tell_the_same_story(rate_hz):
    recording, _ = simulate(np.random.default_rng(1), rate_hz=rate_hz)
    assert len(recording.times_s) == round(120 * rate_hz)
    assert length_g(recording, "waist")[during(recording, "fall")].max() > 3
    assert np.isclose(np.median(length_g(recording, "waist")[during(recording, "sitting", 3)]), 1.0, atol=0.01)


def test_every_sample_is_finite_and_within_the_sensors_range(recording):
    for samples_g in recording.positions.values():
        assert samples_g.dtype == np.float32
        assert np.isfinite(samples_g).all()
        assert np.abs(samples_g).max() <= RANGE_G


@pytest.mark.parametrize("kind", ["sitting", "lying"])
def test_at_rest_the_sensor_reads_1_g_and_its_noise(recording, kind):
    still = during(recording, kind, inset_s=3.0)
    for position in recording.positions:
        length = length_g(recording, position)[still]
        assert abs(np.median(length) - 1.0) < 0.01
        assert 0.5 * NOISE_G < np.std(length) < 4 * NOISE_G


def test_walking_bounces_at_the_cadence(recording):
    walking = (recording.times_s >= 18) & (recording.times_s < 36)
    vertical = recording.positions["waist"][walking, 1].astype(float)
    spectrum = np.abs(np.fft.rfft((vertical - vertical.mean()) * np.hanning(len(vertical))))
    strongest_hz = np.fft.rfftfreq(len(vertical), 0.02)[spectrum.argmax()]
    assert abs(strongest_hz - STEP_HZ) < 0.2
    assert 0.08 < vertical.std() < 0.3


def test_the_arm_swings_at_half_the_cadence(recording):
    walking = (recording.times_s >= 18) & (recording.times_s < 36)
    swing = recording.positions["right_wrist"][walking, 1].astype(float)
    spectrum = np.abs(np.fft.rfft((swing - swing.mean()) * np.hanning(len(swing))))
    frequencies_hz = np.fft.rfftfreq(len(swing), 0.02)
    stride = spectrum[np.abs(frequencies_hz - STEP_HZ / 2) < 0.15].max()
    assert stride > 0.5 * spectrum.max()


def test_a_fall_first_loses_support_then_strikes_both_sites(recording):
    falling = during(recording, "fall")
    for position in recording.positions:
        length = length_g(recording, position)[falling]
        strikes = length.argmax()
        assert 5.5 <= length[strikes] <= 9.5
        assert length[:strikes].min() < 0.5
        assert 1 <= (length > 3).sum() <= 6  # tens of milliseconds


def test_after_the_fall_the_posture_is_another(recording):
    before = during(recording, "walking") & (recording.times_s > 55) & (recording.times_s < 62)
    for samples_g in recording.positions.values():
        standing = samples_g[before].mean(axis=0)
        lying = samples_g[during(recording, "lying", 2.0)].mean(axis=0)
        cosine = standing @ lying / np.linalg.norm(standing) / np.linalg.norm(lying)
        assert cosine < 0.5


def test_the_faulty_wrist_repeats_one_value_while_the_waist_walks_on(recording):
    stuck = during(recording, "sensor_fault")
    assert stuck.sum() == 500
    assert len(np.unique(recording.positions["right_wrist"][stuck], axis=0)) == 1
    assert recording.positions["waist"][stuck, 1].std() > 0.08


def test_nothing_but_the_fall_is_violent(recording):
    calm = ~during(recording, "fall")
    for position in recording.positions:
        assert length_g(recording, position)[calm].max() < 2.5


def test_the_truth_covers_the_whole_recording_in_order(simulated):
    _, episodes = simulate(np.random.default_rng(0))
    acts = [episode for episode in episodes if episode.kind != "sensor_fault"]
    assert acts[0].start_s == 0
    assert [one.end_s for one in acts[:-1]] == [next_one.start_s for next_one in acts[1:]]
    assert acts[-1].end_s == pytest.approx(simulated.times_s[-1] + 0.02)


def test_other_episodes_can_be_asked_for():
    recording, episodes = simulate(np.random.default_rng(0), episodes=[Episode(0, 30, "walking")], wearer="someone")
    assert (len(recording.times_s), recording.wearer, len(episodes)) == (1500, "someone", 1)


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_it_is_a_recording_like_any_other(simulated, tmp_path, suffix):
    path = tmp_path / f"simulated{suffix}"
    write_recording(simulated, path)
    again = read_recording(path)
    for position, samples_g in simulated.positions.items():
        assert np.array_equal(again.positions[position], samples_g)
