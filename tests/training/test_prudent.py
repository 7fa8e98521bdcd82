"""Budgets, corruptions and selective risk, against counts and sums by hand."""

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: the figures of prudence are NOT tested")
from scipy.stats import binom

from agent.decide import decide
from agent.heads import SETS
from agent.heads import pignistic as pignistic_of
from agent.recording import Recording
from agent.records import NORMAL, NOVELTY, Surprise, Trust, Verdicts
from training import selective
from training.answers import HEADS
from training.budget import verdicts, within_by_chance
from training.corruptions import CORRUPTIONS
from training.robustness import Robust, doubled
from training.selective import Judgements, measure, pignistic, utilities
from training.unseen import one_after_another


def worn(rate_hz=100.0, seconds=60, positions=("waist", "wrist")):
    rng = np.random.default_rng(0)
    times = np.arange(int(seconds * rate_hz)) / rate_hz
    walking = np.array([0, 0, 1.0]) + 0.3 * np.sin(2 * np.pi * 2 * times)[:, None] * rng.normal(size=3)
    walking += rng.normal(0, 0.05, walking.shape)
    return Recording("r", "w", times, {name: walking.astype(np.float32) for name in positions})


def corrupted(name, recording=None):
    return CORRUPTIONS[name](recording or worn(), np.random.default_rng(1))


def test_packet_loss_takes_whole_seconds_of_each_position_for_itself():
    found = corrupted("10 % packet loss", worn(seconds=1000))
    gone = [np.isnan(samples).all(axis=1).reshape(1000, 100) for samples in found.positions.values()]
    for each in gone:
        assert (each.all(axis=1) | ~each.any(axis=1)).all()
        assert binom.cdf(each[:, 0].sum(), 1000, 0.1) == pytest.approx(0.5, abs=0.49)
    assert (gone[0] != gone[1]).any()


@pytest.mark.parametrize("name", ["30 degrees rotation", "30 degrees slip"])
def test_a_rotation_turns_every_sample_by_30_degrees_and_changes_no_length(name):
    recording = worn()
    before, after = recording.positions["waist"], corrupted(name, recording).positions["waist"]
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), np.linalg.norm(before, axis=1), rtol=1e-5)
    half = len(before) // 2
    part = slice(half, None) if name.endswith("slip") else slice(None)
    turn = np.linalg.lstsq(before[part], after[part], rcond=None)[0]
    assert np.degrees(np.arccos((np.trace(turn) - 1) / 2)) == pytest.approx(30, abs=0.1)
    if name.endswith("slip"):
        np.testing.assert_array_equal(after[:half], before[:half])
    assert np.abs(after[part] - before[part]).max() > 0.05


def test_gain_noise_rate_and_missing_sensors_are_as_named():
    recording = worn()
    before = recording.positions["waist"]
    gain = corrupted("2 % gain", recording).positions["waist"]
    assert np.median(gain / before) in (pytest.approx(1.02), pytest.approx(0.98))
    noise = corrupted("20 dB noise", recording).positions["waist"] - before
    assert 10 * np.log10((before**2).mean() / (noise**2).mean()) == pytest.approx(20, abs=0.2)
    slow = corrupted("25 Hz", recording)
    assert np.diff(slow.times_s) == pytest.approx(0.04)
    assert len(slow.positions["wrist"]) == len(slow.times_s) == 1500
    assert len(corrupted("half the sensors", recording).positions) == 1
    assert corrupted("half the sensors", worn(positions=("waist",))) is None
    assert corrupted("none", recording) is recording


def test_recordings_follow_each_other_and_what_was_worn_together_stays_together():
    first, apart = worn(seconds=5, positions=("waist",)), worn(seconds=5, positions=("wrist",))
    later = Recording("s", "w", worn(seconds=5).times_s + 1000, worn(seconds=5, positions=("waist",)).positions)
    packets, starts = one_after_another([first, apart, later])
    heard = [(packet.position, packet.times_s[0], packet.received_s) for packet in packets]
    assert starts.tolist() == [0, pytest.approx(4.99 + 60)]
    assert {position for position, _, received in heard if received < 5} == {"waist", "wrist"}
    assert [received for *_, received in heard] == sorted(received for *_, received in heard)


def test_the_binomial_test_of_a_wearer_is_two_sided_at_one_percent():
    alarms = np.arange(120)
    above, below = verdicts(alarms, [1000] * 120, 0.05)
    inside = ~(above | below)
    assert binom.pmf(alarms[inside], 1000, 0.05).sum() >= 0.99
    assert binom.sf(alarms[above].min() - 1, 1000, 0.05) <= 0.005
    assert binom.cdf(alarms[below].max(), 1000, 0.05) <= 0.005


def test_chance_alone_is_what_a_simulation_of_exact_agents_gives():
    rng = np.random.default_rng(0)
    ratio = rng.binomial(200, 0.1, 100_000) / 20
    simulated = ((ratio > 0.8 - 1e-9) & (ratio < 1.2 + 1e-9)).mean()
    assert within_by_chance([200], 0.1) == pytest.approx(simulated, abs=0.01)
    assert within_by_chance([10], 0.01) == 0  # nothing lies within a fifth of a tenth of an alarm


def robust(alarms):
    return Robust("p", "c", 2.0, 0.9, 0.9, 0.9, alarms, 0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("alarms", "clean", "told"),
    [(0, 0, (False, False)), (2, 1, (False, False)), (1, 0, (True, False)), (30, 5, (True, True))],
)
def test_a_doubling_is_told_and_proved_only_with_enough_alarms(alarms, clean, told):
    assert doubled(robust(alarms), robust(clean)) == told


def test_pignistic_probability_follows_from_belief_and_plausibility():
    masses = np.random.default_rng(3).dirichlet(np.ones(7), 50)
    masses = np.column_stack([np.zeros(50), masses])
    no_cause = np.zeros(50, np.int64)
    held = Verdicts(np.ones((50, 3), bool), masses[:, [1, 2, 4]], masses @ SETS, no_cause, np.ones(50))
    np.testing.assert_allclose(pignistic(held), pignistic_of(masses), atol=1e-12)


def test_a_verdict_of_the_agent_has_a_pignistic_probability():
    one, none = np.ones(1), np.zeros(1, np.int64)
    surprise = Surprise(one, none, 0.001 * one, 0 * one, 0.01 * one, 0.001 * one, one, none)
    trust = Trust(0.9 * one, 0 * one, np.zeros(1, bool), np.zeros(1, bool))
    found = pignistic(decide(surprise, trust, 0.01 * one))
    assert found.sum() == pytest.approx(1)
    assert found.argmax() == NOVELTY


def test_utilities_are_those_of_zaffalon_corani_and_maua():
    labels = np.array([[1, 0, 0], [1, 0, 1], [1, 1, 1], [0, 1, 0]], bool)
    u65, u80 = utilities(labels, np.full(4, NORMAL))
    np.testing.assert_allclose(u65, [1, 0.65, 0.4667, 0], atol=1e-4)
    np.testing.assert_allclose(u80, [1, 0.8, 0.6, 0], atol=1e-4)


def test_risk_and_its_areas_are_the_sums_of_their_definitions():
    rng = np.random.default_rng(2)
    count = 500
    margin, wrong = rng.permutation(count) / count, rng.random(count) < 0.2
    truth = np.full(count, NORMAL)
    forced = np.where(wrong, NOVELTY, NORMAL)
    labels = np.eye(3, dtype=bool)[forced]
    found = Judgements(np.zeros(count, np.int64), truth, dict.fromkeys(HEADS, labels), forced, margin)
    one = measure("p", found)[0]
    errors = wrong[np.argsort(-margin)].cumsum()
    k = np.arange(1, count + 1)
    assert one.augrc.value == pytest.approx((errors / count).mean(), abs=2e-3)
    assert one.aurc.value == pytest.approx((errors / k).mean(), abs=5e-3)
    assert one.risk[-1] == pytest.approx(wrong.mean())
    assert one.risk[4] == pytest.approx(errors[249] / 250)
    assert np.isnan(one.u65.low)  # one wearer


def test_windows_of_one_confidence_share_their_errors():
    wrong = np.array([True, False, False, False])
    curve = selective._Curve(np.ones(4), wrong)
    assert curve.risk(np.ones(4), np.array([0.25, 1.0])).tolist() == [0.25, 0.25]
    assert curve.augrc(np.ones(4)) == pytest.approx(0.125)


def test_a_picture_is_drawn(tmp_path):
    labels = np.eye(3, dtype=bool)[[NORMAL, NOVELTY]]
    two = np.array([NORMAL, NORMAL])
    found = Judgements(np.array([0, 1]), two, dict.fromkeys(HEADS, labels), np.array([NORMAL, NOVELTY]), np.ones(2))
    selective.draw(measure("p", found), tmp_path / "curve.svg")
    assert "</svg>" in (tmp_path / "curve.svg").read_text()
    assert "| p | forced |" in selective.markdown(measure("p", found))
