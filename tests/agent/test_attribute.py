"""A score is taken apart exactly: places and named rest add up to it, each by its own formula."""

from dataclasses import replace

import numpy as np
import pytest

from agent.attribute import (
    ASPECTS,
    BANDS,
    ECHO,
    HABIT,
    OTHER_LEGS,
    OTHER_LIMBS,
    REST,
    Decomposition,
    apart,
    decompose,
    slopes,
)
from agent.batch import cut_recording
from agent.judge import Judge
from agent.records import FALL, FREEZING, OPEN
from agent.score import MERGED, echoes, merge, strangeness
from agent.tremble import held

EXACT = 1e-4


def window_of(made, anatomy, window):
    rows = np.flatnonzero(made.rows.owner == window)
    return anatomy.of(rows), made.rows.family[rows]


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_places_and_rest_of_every_row_add_up_to_its_score_whichever_part_dominates(invented, seed):
    made = invented(seed)
    made = replace(made, prototypes=replace(made.prototypes, habit=1.0))
    scores, anatomy = made.scored()
    assert set(scores.parts.argmax(axis=1)) == {OPEN, FALL, FREEZING}
    family = made.rows.family
    places, others = apart(anatomy, family, made.prototypes)
    assert places.shape == (len(family), 4, made.layout.segments, len(ASPECTS))
    assert others.shape == (len(family), len(REST))
    total = places.sum(axis=(1, 2, 3), dtype=np.float64) + others.sum(axis=1)
    assert np.abs(total - scores.score).max() < EXACT
    assert others[:, ECHO].any()
    assert others[:, HABIT].any()
    assert others[:, OTHER_LEGS].any()
    assert (others[:, OTHER_LIMBS] > 0.01).any()


@pytest.mark.parametrize("seed", [0, 2, 4])
def test_a_window_taken_apart_over_its_positions_adds_up_whichever_row_leads(invented, seed):
    made = invented(seed)
    scores, anatomy = made.scored()
    for window in range(made.rows.owner.max() + 1):
        rows = np.flatnonzero(made.rows.owner == window)
        for leading in range(len(rows)):
            found = decompose(*window_of(made, anatomy, window), leading, made.prototypes)
            assert found.places.shape[0] == len(rows)
            total = found.places.sum(dtype=np.float64) + found.rest.sum()
            assert abs(total - scores.score[rows[leading]]) < EXACT


def test_every_row_of_a_recording_adds_up_with_the_shipped_shapes(bundle, simulated):
    judged = Judge(bundle.model, 0.2).judge(cut_recording(simulated, bundle.model.layout))
    family, prototypes = judged.windows.family, bundle.model.prototypes
    places, others = apart(judged.anatomy, family, prototypes)
    scored = np.isfinite(judged.scores.score)
    total = places.sum(axis=(1, 2, 3), dtype=np.float64) + others.sum(axis=1)
    assert np.abs(total - judged.scores.score)[scored].max() < EXACT


def test_the_weights_are_the_slopes_of_the_score_along_its_parts(invented):
    made = invented(5)
    scores, anatomy = made.scored()
    norms, family = made.prototypes.norms, made.rows.family
    for part in (OPEN, FALL, FREEZING):
        step = np.zeros(3)
        step[part] = 1e-5
        slope = (merge(scores.parts + step, family, norms)[0] - merge(scores.parts - step, family, norms)[0]) / 2e-5
        assert slope == pytest.approx(slopes(anatomy, family, made.prototypes)[:, part], abs=1e-4)


def only(made, anatomy, part):
    """The same anatomy, as if that part alone made the score."""
    weight = np.zeros_like(anatomy.weight)
    weight[:, part] = 1
    return apart(replace(anatomy, weight=weight), made.rows.family, made.prototypes)[0]


def test_the_open_part_belongs_to_the_segment_that_decides_and_lowers_nothing(invented):
    made = invented(6)
    made = replace(made, prototypes=replace(made.prototypes, echo=0.0))
    _, anatomy = made.scored()
    shares = only(made, anatomy, OPEN)
    assert shares.min() >= 0
    assert ((shares.sum(axis=(1, 3)) > 0).sum(axis=1) == 1).all()
    reading = anatomy.reading
    places = strangeness(reading.from_prototype, reading.from_context, made.prototypes.context_weight)
    assert np.array_equal(shares.sum(axis=(1, 3)).argmax(axis=1), places.sum(axis=(2, 3)).argmax(axis=1))


def test_where_an_earlier_window_still_echoes_louder_this_one_has_no_share_in_the_open_part(invented):
    made = invented(6)
    made = replace(made, prototypes=replace(made.prototypes, echo=0.99))
    _, anatomy = made.scored()
    strange = anatomy.reading.strange
    louder = echoes(strange, anatomy.before, 0.99)[1] > strange
    assert louder.any()
    assert not louder.all()
    shares = only(made, anatomy, OPEN).sum(axis=(1, 2, 3))
    assert np.array_equal(shares == 0, louder)
    assert np.array_equal(apart(anatomy, made.rows.family, made.prototypes)[1][:, ECHO] > 0, louder)


def test_the_fall_part_is_spread_over_the_numbers_of_the_embedding(invented):
    made = invented(7)
    _, anatomy = made.scored()
    shares, reading, before = only(made, anatomy, FALL), anatomy.reading, anatomy.before
    normal = reading.embedding - reading.from_prototype.reshape(len(shares), -1)
    flat = made.prototypes.known.apart(reading.embedding, before.places, before.known, normal).shares
    scale = made.prototypes.norms.scale[made.rows.family]
    for row in range(0, len(shares), 7):
        for number in range(0, flat.shape[1], 11):
            segment, axis, descriptor = np.unravel_index(number, (made.layout.segments, 4, 4))
            wanted = flat[row, number] / scale[row, FALL] / scale[row, MERGED]
            assert shares[row, axis, segment, descriptor] == pytest.approx(wanted, rel=1e-4, abs=1e-6)


def test_trembling_belongs_to_its_axes_and_bands_over_the_whole_window(invented):
    made = invented(8)
    _, anatomy = made.scored()
    limbs = made.rows.family != 0
    shares = only(made, anatomy, FREEZING)[limbs]
    assert not shares[..., :-BANDS].any()
    assert np.ptp(shares, axis=2).max() < 1e-6
    assert (shares[..., -2] >= 0).all()
    assert (shares[..., -1] <= 0).all()
    bands, now = anatomy.reading.trembling[limbs], decides(anatomy)[limbs]
    assert 0 < now.mean() < 1
    assert np.array_equal(shares.sum(axis=2)[..., -2:] != 0, (bands != 0) & now[:, None, None])


def decides(anatomy):
    """(m,) rows whose own window is of the pair that decides."""
    before = anatomy.before
    return held(anatomy.reading.trembling.sum(axis=(1, 2)), before.trembling, before.known)[1] > 0


def test_the_other_limbs_have_their_shares_at_their_own_positions(invented):
    made = invented(9)
    _, anatomy = made.scored()
    weight = np.zeros_like(anatomy.weight)
    weight[:, FREEZING] = 1
    anatomy = replace(anatomy, weight=weight)
    rows, family = window_of(made, anatomy, 3)
    limbs = (family != 0) & decides(rows)
    assert 1 < limbs.sum() < len(family)
    for leading in range(len(family)):
        found = decompose(rows, family, leading, made.prototypes)
        assert np.array_equal(found.places.any(axis=(1, 2, 3)), limbs)


def test_a_bundle_without_a_head_can_be_explained(invented):
    made = invented(10)
    without = replace(made, prototypes=replace(made.prototypes, known=None))
    scores, anatomy = without.scored()
    family = made.rows.family
    places, others = apart(anatomy, family, without.prototypes)
    assert np.abs(places.sum(axis=(1, 2, 3), dtype=np.float64) + others.sum(axis=1) - scores.score).max() < EXACT


def test_one_row_is_taken_apart_as_it_is_among_others(bundle, simulated):
    judged = Judge(bundle.model, 0.2).judge(cut_recording(simulated, bundle.model.layout))
    family, prototypes = judged.windows.family, bundle.model.prototypes
    whole = apart(judged.anatomy, family, prototypes)[0]
    for row in range(0, len(family), 50):
        one = slice(row, row + 1)
        assert apart(judged.anatomy.of(one), family[one], prototypes)[0][0] == pytest.approx(whole[row], abs=1e-4)


def test_places_are_told_over_all_aspects():
    places = np.arange(2 * 4 * 4 * 6, dtype=np.float32).reshape(2, 4, 4, 6)
    assert np.array_equal(Decomposition(places, np.zeros(6), 0).by_place, places.sum(axis=3))


@pytest.mark.parametrize(
    ("raised", "echo", "told"),
    [((3, 1), 0, 0), ((1, 3), 0, 1), ((1, 3), 2.5, 0), ((0, 0), 0, 0), ((-1, 0), 0, 0), ((-1, 0.5), 0, 1)],
)
def test_the_position_that_raised_the_score_most_is_told_and_the_leading_one_where_none_did_more(raised, echo, told):
    places, rest = np.zeros((2, 4, 4, 6), np.float32), np.zeros(6)
    places[:, 1, 2, 3], rest[ECHO] = raised, echo
    assert Decomposition(places, rest, 0).told == told
