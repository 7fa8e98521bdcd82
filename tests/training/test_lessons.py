"""What the teacher is taught and what it tells: swaps, other limbs, spectra, votes, and a bank of opinions."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is absent: the lessons are NOT tested")

from agent.features import CHANNELS, extract  # noqa: E402
from agent.layout import POSITIONS, Layout  # noqa: E402
from agent.records import FAULTS  # noqa: E402
from training.describe import DESCRIPTORS, describe  # noqa: E402
from training.lessons import (  # noqa: E402
    Standard,
    TeacherStep,
    _filled,
    chances,
    judged_by,
    partners,
    spectrum,
    spoiled,
    standard_of,
    swap,
)
from training.teacher import BANDS, PATCHES, Teacher  # noqa: E402
from training.windows import NormalWindows  # noqa: E402

LAYOUT = Layout(positions=POSITIONS)
SEGMENTS, MEMBERS, WIDTH = LAYOUT.segments, 3, 16
torch.set_num_threads(1)


@pytest.fixture
def samples_g():
    rng = np.random.default_rng(0)
    return (rng.normal(0, 0.3, (40, 3, 128)) + np.array([0, 0, 1])[:, None]).astype(np.float32)


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(0)
    size = {"channels": CHANNELS, "samples": 128, "segments": SEGMENTS, "families": len(LAYOUT.families)}
    return Teacher(**size, width=WIDTH, depth=1, members=MEMBERS).eval()


def windows(samples_g, session=None, end_s=None, family=None):
    count = len(samples_g)
    session = np.array([f"w/r{n}/waist" for n in range(count)]) if session is None else np.array(session)
    wearer = np.array([name.split("/")[0] for name in session])
    return NormalWindows(
        samples_g=samples_g,
        family=np.zeros(count, np.int64) if family is None else np.array(family),
        wearer=wearer,
        session=session,
        end_s=np.arange(count) * 0.5 if end_s is None else np.array(end_s),
        window=np.arange(count),
        label=np.zeros(count, np.int8),
        normal=np.ones(count, np.bool_),
    )


def test_each_segment_and_axis_is_described_alone(samples_g):
    changed = samples_g.copy()
    changed[:, 0, 70:90] += 0.5  # inside the third segment
    found = describe(samples_g, 4)
    assert found.shape == (40, 4, 4, len(DESCRIPTORS))
    differs = (found != describe(changed, 4)).any(axis=(0, 3))
    assert {tuple(place) for place in np.argwhere(differs).tolist()} == {(2, 0), (2, 3)}


def test_a_description_says_posture_movement_abruptness_and_span():
    still = np.tile(np.float32([0.5, 0, 0])[:, None], (1, 128))[None]
    time = np.arange(128) / 50
    slow, fast = (still + np.float32([1, 0, 0])[:, None] * np.sin(2 * np.pi * hz * time) * 0.3 for hz in (2, 12))
    signals = {"still": still, "slow": slow, "fast": fast}
    found = {name: describe(values.astype(np.float32), 4)[0, 1, 0] for name, values in signals.items()}
    assert found["still"] == pytest.approx([np.arcsinh(0.5), np.log(0.01), np.log(0.01), 0], abs=1e-5)
    assert found["slow"][1] == pytest.approx(found["fast"][1], abs=0.3)
    assert found["fast"][2] > found["slow"][2] + 1 > found["still"][2]
    assert found["slow"][3] == pytest.approx(np.arcsinh(0.6), abs=0.1)


def test_the_standard_makes_normal_windows_mean_0_and_spread_1_and_cuts_off_at_6(samples_g):
    standard = standard_of(samples_g, SEGMENTS)
    told = standard.describe(samples_g, SEGMENTS)
    assert told.shape == (40, SEGMENTS * 16)
    by_kind = told.numpy().reshape(-1, 16)
    assert np.abs(by_kind.mean(axis=0)).max() < 0.05
    assert np.abs(by_kind.std(axis=0) - 1).max() < 0.1
    assert float(standard.describe(100 * samples_g, SEGMENTS).abs().max()) == 6


def test_swapping_exchanges_two_segments_in_half_of_the_rows_and_says_which(samples_g):
    many = np.tile(samples_g, (20, 1, 1))
    before = many.copy()
    out, swapped = swap(many, SEGMENTS, np.random.default_rng(1))
    assert np.array_equal(many, before)
    assert abs(swapped.mean() - 0.5) < 4 * np.sqrt(0.25 / 800)
    parts, old = (values.reshape(800, 3, SEGMENTS, -1) for values in (out, many))
    moved = (parts != old).any(axis=(1, 3))
    assert np.array_equal(moved.sum(axis=1), 2 * swapped)
    for row in np.flatnonzero(swapped)[:50]:
        first, second = np.flatnonzero(moved[row])
        assert np.array_equal(parts[row, :, first], old[row, :, second])
        assert np.array_equal(parts[row, :, second], old[row, :, first])


def test_partners_are_other_limbs_of_one_recording_at_one_time(samples_g):
    session = ["a/r/waist", "a/r/wrist", "a/r/waist", "a/q/wrist", "b/r/wrist", "b/r/waist", "b/r/ankle"]
    end_s = [1.0, 1.0, 1.5, 1.5, 1.0, 1.0, 1.0]
    found = partners(windows(samples_g[:7], session, end_s, [1, 0, 1, 0, 0, 1, 4]))
    assert found[:4].tolist() == [1, 0, -1, -1]
    assert set(found[4:6]) <= {4, 5, 6}
    assert (found[4:] != np.arange(4, 7)).all()


def test_the_order_of_the_rows_does_not_change_who_is_whose_partner(samples_g):
    rng = np.random.default_rng(2)
    session = [f"w{n // 8}/r/{name}" for n in range(40) for name in [("waist", "wrist")[n % 2]]]
    lot = windows(samples_g, session, np.repeat(np.arange(20) * 0.5, 2), np.tile([1, 0], 20))
    order = rng.permutation(40)
    shuffled = NormalWindows(*(getattr(lot, name)[order] for name in NormalWindows.__dataclass_fields__))
    found, again = partners(lot), partners(shuffled)
    assert np.array_equal(order[again], found[order])
    assert (found >= 0).all()


def test_the_spectrum_has_its_peak_in_the_band_of_the_tone():
    for band in range(BANDS):
        hz = (8 * band + 4.5) * 50 / 128
        features = np.zeros((1, CHANNELS, 128), np.float32)
        features[0, 5] = np.sin(2 * np.pi * hz * np.arange(128) / 50)  # the fine channel of z
        found = spectrum(torch.from_numpy(features))
        assert found.shape == (1, 4, BANDS)
        assert int(found[0, 2].argmax()) == band
        assert not found[0, [0, 1, 3]].any()


def test_a_vote_weighs_a_wearer_for_each_member_and_only_hidden_segments_count():
    target, filled = torch.zeros(2, 64), torch.ones(2, MEMBERS, 64)
    filled[0, 1] = 3.0
    covered = torch.tensor([[True, False, False, False], [False, False, True, False]])
    votes = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    assert float(_filled(filled, target, covered, votes)) == pytest.approx((9 + 1) / 2)
    filled[:, :, 16:32] = 99.0  # the second segment is not hidden in either
    assert float(_filled(filled, target, covered, votes)) == pytest.approx((9 + 1) / 2)
    assert float(_filled(filled, target, covered, torch.zeros(2, 3))) == 0


def test_each_member_hears_another_draw_of_wearers_and_all_windows_of_one_weigh_alike(teacher, samples_g):
    lot = windows(samples_g, [f"w{n // 2}/r/waist" for n in range(40)])
    step = TeacherStep(teacher, lot, standard_of(samples_g, SEGMENTS), 8, seed=3)
    assert step._votes.shape == (20, MEMBERS)
    assert (step._votes >= 0).all()
    assert len({column.tobytes() for column in step._votes.T}) == MEMBERS
    assert np.array_equal(step._wearer[::2], step._wearer[1::2])


def test_the_loss_is_one_number_that_every_part_of_the_teacher_feels(teacher, samples_g):
    session = [f"w{n // 4}/r/{('waist', 'wrist')[n % 2]}" for n in range(40)]
    lot = windows(samples_g, session, np.repeat(np.arange(20) * 0.5, 2), np.tile([1, 0], 20))
    loss = TeacherStep(teacher, lot, standard_of(samples_g, SEGMENTS), 32, seed=3)(np.random.default_rng(0))
    assert loss.shape == ()
    assert torch.isfinite(loss)
    loss.backward()
    assert all(weight.grad is not None and bool(weight.grad.any()) for weight in teacher.parameters())
    teacher.zero_grad()


def test_families_are_drawn_by_the_square_root_of_their_size():
    chance = chances(np.repeat([0, 1], [900, 100]))
    assert chance.sum() == pytest.approx(1)
    assert chance[:900].sum() / chance[900:].sum() == pytest.approx(3)


def test_spoiling_distorts_a_quarter_and_gives_half_a_fault(samples_g):
    many = np.tile(samples_g, (10, 1, 1))
    out, faults = spoiled(many, np.random.default_rng(5))
    assert out.shape == many.shape
    assert faults.shape == (400, len(FAULTS))
    same = np.array([np.array_equal(a, b) for a, b in zip(out, many, strict=True)])
    assert not same[:100].any()
    assert np.array_equal(same[100:], faults[100:].sum(axis=1) == 0)


def test_the_teacher_answers_in_the_stated_shapes(teacher, samples_g):
    features = torch.from_numpy(extract(samples_g[:5], SEGMENTS))
    with torch.no_grad():
        lesson = teacher(features, torch.zeros(5, SEGMENTS, dtype=torch.bool))
        other = teacher.of_other(lesson.place, torch.zeros(5, dtype=torch.long))
    assert teacher.cut(features).shape == lesson.patches.shape == (5, PATCHES, CHANNELS * 128 // PATCHES)
    assert lesson.spectrum.shape == (5, 4, BANDS)
    assert lesson.swapped.shape == (5,)
    assert lesson.faults.shape == (5, len(FAULTS))
    assert lesson.filled.shape == (5, MEMBERS, SEGMENTS * 16)
    assert lesson.place.shape == (5, WIDTH)
    assert other.shape == (5, SEGMENTS * 16)


def test_a_patch_is_a_run_of_samples_of_all_channels(teacher):
    features = torch.arange(2 * CHANNELS * 128).reshape(2, CHANNELS, 128).float()
    cut = teacher.cut(features).reshape(2, PATCHES, CHANNELS, 8)
    assert torch.equal(cut[1, 3], features[1, :, 24:32])


@pytest.mark.parametrize("segment", range(SEGMENTS))
def test_the_teacher_does_not_see_a_hidden_segment(teacher, samples_g, segment):
    features = torch.from_numpy(extract(samples_g[:5], SEGMENTS))
    changed = features.clone()
    changed[:, :, 32 * segment : 32 * (segment + 1)] = torch.randn(5, CHANNELS, 32)
    covered = (torch.arange(SEGMENTS) == segment).expand(5, -1)
    with torch.no_grad():
        one, two = teacher(features, covered), teacher(changed, covered)
        open_one, open_two = (teacher(values, torch.zeros_like(covered)) for values in (features, changed))
    assert all(torch.equal(getattr(one, name), getattr(two, name)) for name in ("patches", "filled", "place"))
    assert not torch.equal(open_one.filled, open_two.filled)


def test_the_bank_holds_what_the_teacher_says_of_every_window(teacher, samples_g):
    standard = standard_of(samples_g, SEGMENTS)
    many = np.tile(samples_g, (7, 1, 1))  # more than one batch
    bank = judged_by(teacher, many, standard, np.random.default_rng(1), torch.device("cpu"))
    spoilt, faults = spoiled(many, np.random.default_rng(1))
    assert torch.equal(bank.features, torch.from_numpy(extract(spoilt, SEGMENTS)))
    assert bank.spread.shape == (280, 1)
    assert bank.surprise.shape == (280,)
    assert bank.place.shape == (280, WIDTH)
    assert all(bool(torch.isfinite(getattr(bank, name)).all()) for name in ("features", "spread", "surprise", "place"))
    truth = torch.from_numpy(faults)
    assert bool(((bank.faults - 0.5 * truth >= 0) & (bank.faults - 0.5 * truth <= 0.5)).all())
    again = judged_by(teacher, many, standard, np.random.default_rng(1), torch.device("cpu"))
    assert torch.equal(again.spread, bank.spread)


def test_members_that_say_the_same_have_no_spread(teacher, samples_g):
    import copy

    alike = copy.deepcopy(teacher)
    for head in alike.fill:
        head.load_state_dict(alike.fill[0].state_dict())
    standard = standard_of(samples_g, SEGMENTS)
    spread = [
        judged_by(one, samples_g, standard, np.random.default_rng(1), torch.device("cpu")).spread
        for one in (teacher, alike)
    ]
    assert float(spread[1].max()) == pytest.approx(np.log(1e-3))
    assert float(spread[0].min()) > float(spread[1].max())


def test_a_window_as_expected_surprises_less_than_one_that_is_not(teacher, samples_g):
    standard = standard_of(samples_g, SEGMENTS)
    far = Standard(standard.mean - 3, standard.spread)
    one, two = (
        judged_by(teacher, samples_g, each, np.random.default_rng(1), torch.device("cpu")).surprise
        for each in (standard, far)
    )
    assert float(one.mean()) < float(two.mean())
