import numpy as np
import pytest

from agent.errors import SettingsError
from agent.limbs.change import FALSE_EVENT_DAYS, Days, Shift
from agent.limbs.learned import Detector, Stream, describe
from training.limbs.days import found, simulate
from training.limbs.learn import learn
from training.limbs.use import youden


def _moments(rng, count):
    """Two arms; an arm is used in runs of 10 s, and then moves more than the other."""
    used = np.repeat(rng.random(count // 10) < 0.5, 10)
    own, other = rng.normal(size=(2, count, 5))
    own[used, 3] += 1.5
    return own, other, used


def test_the_detector_learns_what_can_be_learnt_and_abstains_where_it_should():
    own, other, used = _moments(np.random.default_rng(0), 2000)
    detector = learn(describe(own, other, 1.0), used, 1.0)
    own, other, used = _moments(np.random.default_rng(1), 2000)
    chance = detector.chance(describe(own, other, 1.0))
    answer = detector.answer(chance)
    sure = np.isfinite(answer)
    assert youden(chance > 0.5, used) > 0.75
    assert youden(answer[sure] > 0.5, used[sure]) > youden(chance > 0.5, used)
    assert 1 - sure.mean() == pytest.approx(0.2, abs=0.06)


def test_moments_as_they_come_get_the_answers_of_the_whole_run():
    own, other, used = _moments(np.random.default_rng(2), 200)
    detector = learn(describe(own, other, 1.0), used, 1.0)
    whole, stream = detector.chance(describe(own, other, 1.0)), Stream(detector)
    live = [stream.add(one, two) for one, two in zip(own, other, strict=True)]
    assert live[:10] == [None] * 10
    assert np.allclose(np.array(live[10:], float), whole[:-10])


def test_a_detector_comes_back_from_its_file_and_nonsense_is_refused(tmp_path):
    own, other, used = _moments(np.random.default_rng(3), 200)
    detector = learn(describe(own, other, 1.0), used, 1.0)
    detector.save(tmp_path / "d.npz")
    features = describe(own, other, 1.0)
    assert np.array_equal(Detector.open(tmp_path / "d.npz").chance(features), detector.chance(features))
    (tmp_path / "bad.npz").write_bytes(b"nonsense")
    with pytest.raises(SettingsError):
        Detector.open(tmp_path / "bad.npz")


@pytest.mark.parametrize("spread", [0.05, 0.3])
def test_days_without_change_give_no_more_false_events_than_promised(spread):
    rng, days = np.random.default_rng(4), 60 * 100
    false = sum(len(found(rng.normal(0, spread, 100))) for _ in range(60))
    # at the promised rate 100 events are expected; 120 or more would come by chance in 2.6 % of such tests
    assert false <= days / FALSE_EVENT_DAYS + 19


def test_a_relapse_of_a_fifth_is_found_within_three_days_where_days_are_alike():
    one = simulate(0.05, seed=5, wearers=60)
    assert one.within_three >= 0.9
    assert one.size_error < 0.05


def test_the_interval_on_all_days_at_once_holds_with_95_percent():
    rng, missed = np.random.default_rng(6), 0
    for _ in range(200):
        days, out = Days(), False
        for _ in range(60):
            days.add(rng.normal(0.3, 0.1))
            interval = days.always()
            out |= not interval.low <= 0.3 <= interval.high
        missed += out
    assert missed <= 16  # of 10 expected at the most; 17 or more in 2 % of tests at exactly 5 %


def test_the_test_for_changes_comes_back_from_its_state():
    rng = np.random.default_rng(7)
    values = np.concatenate([rng.normal(0, 0.05, 15), rng.normal(-0.2, 0.05, 5)])
    whole, first, second = Shift(), Shift(), Shift()
    expected = [whole.add(day, value) for day, value in enumerate(values)]
    told = [first.add(day, value) for day, value in enumerate(values[:16])]
    second.restore(first.state())
    assert told + [second.add(16 + day, value) for day, value in enumerate(values[16:])] == expected
    assert any(expected)
