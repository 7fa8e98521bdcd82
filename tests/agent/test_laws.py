"""What no healthy sensor on a body shows for long: told when it lasts, never by what a body does."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import laws
from agent.batch import cut_recording
from agent.decide import level
from agent.judge import Judge
from agent.lasting import Lasting
from agent.quality import AMONG, CERTAIN, THROUGHOUT, Assessor, Beside
from agent.records import NOVELTY
from agent.simulate import simulate

RATE_HZ = 50.0
NOISE_G = 0.004


def moving_g(rows=1, noise_g=NOISE_G, bounce_g=0.3, seed=0):
    """(rows, 3, 128) a body that sways and bounces: smooth, 1 g on average."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(128)[None] / RATE_HZ + 0.5 * np.arange(rows)[:, None]
    bounce = 1 + bounce_g * np.sin(2 * np.pi * 1.8 * times_s)
    lean = 0.3 * np.sin(2 * np.pi * 0.3 * times_s)
    body = np.stack([bounce * np.sin(lean), 0.1 * np.sin(2 * np.pi * 3.6 * times_s), bounce * np.cos(lean)], axis=1)
    return (body + rng.normal(0, noise_g, body.shape)).astype(np.float32)


def assessed(samples_g, stream=None):
    rows = len(samples_g)
    slots = np.zeros(rows, np.int64) if stream is None else stream
    return Assessor(RATE_HZ).assess(samples_g, slots, 2.56 + 0.5 * np.arange(rows))


def with_leaps(samples_g, every, size_g=4.0, axis=0):
    out = samples_g.copy()
    out[:, axis, 5::every] += size_g
    return out


@pytest.mark.parametrize("bounce_g", [0.0, 0.1, 0.3, 0.6])
def test_a_body_keeps_the_laws_however_it_bounces(bounce_g):
    found = laws.measure(moving_g(30, bounce_g=bounce_g))
    assert max(found.short.max(), found.long.max()) < 0.1
    assert found.noise.max() < laws.AUDIBLE_G
    assert not found.leaps.any()


@pytest.mark.parametrize("gain", [0.5, 0.8, 1.25, 1.5])
def test_a_wrong_gain_shows_in_the_length_while_the_body_moves(gain):
    found = laws.measure(np.float32(gain) * moving_g(20, bounce_g=0.1))
    off = found.short if gain < 1 else found.long
    assert off == pytest.approx(abs(gain - 1), abs=0.06)


def test_more_shaking_explains_a_longer_mean_but_nothing_explains_a_shorter_one():
    rng = np.random.default_rng(0)
    shaken = moving_g(20)
    shaken[:, :2] += rng.normal(0, 0.5, (20, 2, 128)).astype(np.float32)
    assert np.linalg.norm(shaken, axis=1).mean() > 1.15
    assert laws.measure(shaken).long.max() < 0.15
    assert laws.measure(0.7 * shaken).short.min() > 0.05


def test_white_noise_is_ten_thirds_and_its_size_is_told():
    rng = np.random.default_rng(1)
    for noise_g in (0.06, 0.25):
        found = laws.measure((moving_g(40, noise_g=0) + rng.normal(0, noise_g, (40, 3, 128))).astype(np.float32))
        assert (found.white > 2.45).mean() > 0.9
        assert np.median(found.noise) == pytest.approx(noise_g, rel=0.15)
    pure = laws.measure(rng.normal(0, 1, (200, 3, 128)).astype(np.float32)).white
    assert np.median(pure) == pytest.approx(10 / 3, abs=0.05)


def test_noise_in_which_a_fall_is_still_found_is_no_fault():
    rng = np.random.default_rng(3)
    assert assessed((moving_g(40) + rng.normal(0, 0.06, (40, 3, 128))).astype(np.float32)).white.max() < 0.3


def test_a_lone_leap_is_one_and_a_blow_that_all_axes_feel_is_none():
    samples_g = moving_g()
    samples_g[0, 1, 60] += 3
    assert laws.measure(samples_g).leaps.tolist() == [1]
    samples_g[0, 0, 60] += 1
    assert laws.measure(samples_g).leaps.tolist() == [0]


def test_what_is_missing_breaks_no_law():
    samples_g = moving_g(3)
    samples_g[0] = np.nan
    samples_g[1, :, 40:90] = np.nan
    found = laws.measure(samples_g)
    assert (found.short[0], found.long[0], found.noise[0], found.leaps[0]) == (0, 0, 0, 0)
    assert max(found.short.max(), found.long.max()) < 0.1
    assert not found.leaps.any()
    assert laws.measure(samples_g[:0]).white.shape == (0,)


def test_evidence_needs_what_lasts_and_fades_when_it_is_over():
    good, bad = moving_g(40, bounce_g=0.1), 0.6 * moving_g(40, bounce_g=0.1)
    gravity = assessed(np.concatenate([good, bad, good])).gravity
    assert gravity[: 40 + THROUGHOUT - 1].max() < CERTAIN
    assert gravity[40 + THROUGHOUT - 1 : 80].min() >= CERTAIN
    assert gravity[80:].max() < CERTAIN


def test_noise_that_lasts_is_certain_and_noise_for_three_seconds_is_none():
    rng = np.random.default_rng(2)
    noisy = (moving_g(60) + rng.normal(0, 0.25, (60, 3, 128))).astype(np.float32)
    assert assessed(noisy).white[THROUGHOUT - 1 :].min() >= CERTAIN
    short = moving_g(60)
    short[20:26] = noisy[20:26]
    assert assessed(short).white.max() == 0


def test_leaps_that_come_again_and_again_are_certain_and_a_single_one_is_not():
    assert assessed(with_leaps(moving_g(40), 30)).spikes[AMONG:].min() >= CERTAIN
    once = moving_g(40)
    once[10:15] = with_leaps(once[10:15], 200)  # one sample is in five windows or six
    assert assessed(once).spikes.max() < CERTAIN


def test_streams_are_judged_apart():
    bad = 0.5 * moving_g(20)
    both = np.empty((40, 3, 128), np.float32)
    both[0::2], both[1::2] = bad, moving_g(20)
    gravity = assessed(both, np.tile([0, 1], 20)).gravity
    assert gravity[0::2][THROUGHOUT:].min() >= CERTAIN
    assert gravity[1::2].max() == 0


def test_a_simulated_day_breaks_no_law(bundle):
    recording, _ = simulate(np.random.default_rng(5))
    for samples in recording.positions.values():
        rows = np.stack([samples[start : start + 128].T for start in range(0, len(samples) - 128, 25)])
        quality = assessed(rows.astype(np.float32))
        assert quality.white.max() < CERTAIN
        assert quality.spikes.max() < CERTAIN


@pytest.mark.parametrize("gain", [0.7, 1.3])
def test_a_fall_on_a_sensor_with_a_wrong_gain_is_never_explained_away(bundle, gain):
    """A fault lasts; that it lasts must not hide the fall: some window says that it may be novelty."""
    recording, episodes = simulate(np.random.default_rng(0))
    scaled = {name: (gain * samples).astype(np.float32) for name, samples in recording.positions.items()}
    layout = bundle.manifest.layout
    judged = Judge(bundle.model, level(60)).judge(cut_recording(replace(recording, positions=scaled), layout))
    fall = next(one for one in episodes if one.kind == "fall")
    end_s = judged.windows.end_s
    during = (end_s > fall.start_s) & (end_s - layout.window_s < fall.end_s)
    assert judged.verdicts.labels[during, NOVELTY].any()
    assert judged.quality.gravity.max() >= CERTAIN


FAMILIES = ("wrist", "waist", "chest", "thigh", "ankle")


def together(samples_g, families):
    """`left` of (windows, sensors, 3, samples), each sensor of one of `families`."""
    count, sensors = samples_g.shape[:2]
    owner, slots = np.repeat(np.arange(count), sensors), np.tile(np.arange(sensors), count)
    beside = Beside(owner, np.tile([FAMILIES.index(name) for name in families], count))
    rows = samples_g.reshape(-1, *samples_g.shape[2:])
    left = Assessor(RATE_HZ, FAMILIES).assess(rows, slots, 2.56 + 0.5 * owner, beside).left
    return left.reshape(count, sensors)


def test_a_sensor_that_lies_still_while_the_trunk_walks_was_left_behind():
    rng = np.random.default_rng(4)
    still = (np.array([0, 0, 1.0])[:, None] + rng.normal(0, 0.004, (40, 3, 128))).astype(np.float32)
    walks = moving_g(40)
    left = together(np.stack([still, walks], axis=1), ("wrist", "waist"))
    assert left[AMONG:, 0].min() >= CERTAIN
    assert left[: AMONG - 1].max() == 0
    assert left[:, 1].max() == 0
    rests_in_between = walks.copy()
    rests_in_between[15:25] = still[15:25]
    assert together(np.stack([still, rests_in_between], axis=1), ("wrist", "waist")).max() == 0


def test_nothing_follows_from_a_limb_that_moves_alone_nor_for_legs_nor_from_a_trunk_that_bends():
    rng = np.random.default_rng(5)
    still = (np.array([0, 0, 1.0])[:, None] + rng.normal(0, 0.004, (40, 3, 128))).astype(np.float32)
    walks, bends = moving_g(40), moving_g(40, bounce_g=0.0)
    assert bends.std(axis=2).max() > 0.15
    for mover, moves, other in (("wrist", walks, "waist"), ("ankle", walks, "wrist"), ("waist", walks, "ankle"),
                                ("chest", bends, "wrist")):  # fmt: skip
        assert together(np.stack([still, moves], axis=1), (other, mover)).max() == 0


def test_blows_of_the_ground_at_the_legs_are_neither_noise_nor_leaps():
    rng = np.random.default_rng(6)
    noisy = (moving_g(40) + rng.normal(0, 0.25, (40, 3, 128))).astype(np.float32)
    leaping = with_leaps(moving_g(40), 30, size_g=2.0)
    for name in ("thigh", "ankle", "waist"):
        beside = Beside(np.arange(40), np.full(40, FAMILIES.index(name)))
        whole = (np.zeros(40, np.int64), 2.56 + 0.5 * np.arange(40), beside)
        white = Assessor(RATE_HZ, FAMILIES).assess(noisy, *whole).white.max()
        spikes = Assessor(RATE_HZ, FAMILIES).assess(leaping, *whole).spikes.max()
        assert (white >= CERTAIN, spikes >= CERTAIN) == (name == "waist", name == "waist")


@given(st.integers(0, 1000), st.lists(st.integers(1, 30), max_size=4))
def test_what_lasts_is_the_same_in_any_ticks(seed, cuts):
    rng = np.random.default_rng(seed)
    stream, values = rng.integers(0, 3, 40), rng.normal(size=(40, 2))
    whole = Lasting(2, 5).of(stream, values)
    ticked = Lasting(2, 5)
    parts = [
        ticked.of(*part) for part in zip(np.split(stream, sorted(cuts)), np.split(values, sorted(cuts)), strict=True)
    ]
    assert np.array_equal(np.concatenate(parts), whole)
    for slot in range(3):
        own = values[stream == slot]
        if len(own) >= 5:
            assert np.array_equal(whole[stream == slot][-1], own[-5:])
