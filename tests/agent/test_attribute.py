"""Contributions belong to the places that made the score, part by part, and add up to it with the offset."""

from dataclasses import replace

import numpy as np
import pytest

from agent.attribute import MOVEMENT, contributions
from agent.judge import Judge
from agent.records import FALL, FREEZING, OPEN
from agent.score import MERGED, strangeness


def part_sums(made, anatomy):
    """(m, parts) what the places of each part hold together, before it is weighed; from its definition."""
    places = anatomy.from_prototype**2 + made.prototypes.context_weight * anatomy.from_context**2
    head, normal = made.prototypes.known, anatomy.embedding - anatomy.from_prototype.reshape(len(places), -1)
    here, there = (head.evidence(e, anatomy.before, anatomy.remembered) for e in (anatomy.embedding, normal))
    trembling = np.maximum(anatomy.trembling, 0).sum(axis=1)
    return np.stack([places.sum(axis=(2, 3)).max(axis=1), here - there, trembling], axis=1)


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_contributions_and_offset_add_up_to_the_score_whichever_part_dominates(invented, seed):
    made = invented(seed)
    scores, anatomy = made.scored()
    norms, family = made.prototypes.norms, made.rows.family
    shares = contributions(anatomy, family, made.prototypes)
    assert shares.shape == (len(family), 4, made.layout.segments, 4)
    assert np.isfinite(shares).all()
    assert set(scores.parts.argmax(axis=1)) == {OPEN, FALL, FREEZING}
    scale = np.nan_to_num(norms.scale[family, :MERGED], nan=1.0) * norms.scale[family, MERGED][:, None]
    sums = part_sums(made, anatomy)
    placed = (anatomy.weight / scale * sums).sum(axis=1)
    total = shares.sum(axis=(1, 2, 3), dtype=np.float64)
    assert np.abs(total - placed).max() < 1e-4
    # the offset by its definition: medians, echoes, what came before, and the mean beside its logarithm
    value = np.where(np.isfinite(scores.parts), scores.parts, 0.0)
    merged = scores.score * norms.scale[family, MERGED] + norms.median[family, MERGED]
    offset = (merged - (anatomy.weight * value).sum(axis=1) - norms.median[family, MERGED]) / norms.scale[
        family, MERGED
    ] + (anatomy.weight * value / norms.scale[family, MERGED][:, None] - anatomy.weight / scale * sums).sum(axis=1)
    assert np.abs(total + offset - scores.score).max() < 1e-4


def test_the_weights_are_the_slopes_of_the_score_along_its_parts(invented):
    from agent.score import merge

    made = invented(5)
    scores, anatomy = made.scored()
    norms, family = made.prototypes.norms, made.rows.family
    for part in (OPEN, FALL, FREEZING):
        step = np.zeros(3)
        step[part] = 1e-5
        slope = (merge(scores.parts + step, family, norms)[0] - merge(scores.parts - step, family, norms)[0]) / 2e-5
        assert slope == pytest.approx(anatomy.weight[:, part] / norms.scale[family, MERGED], abs=1e-4)


def only(made, anatomy, part):
    """The same anatomy, as if that part alone made the score."""
    weight = np.zeros_like(anatomy.weight)
    weight[:, part] = 1
    return contributions(replace(anatomy, weight=weight), made.rows.family, made.prototypes)


def test_the_open_part_belongs_to_the_segment_that_decides_and_lowers_nothing(invented):
    made = invented(6)
    _, anatomy = made.scored()
    shares = only(made, anatomy, OPEN)
    assert shares.min() >= 0
    assert ((shares.sum(axis=(1, 3)) > 0).sum(axis=1) == 1).all()
    places = strangeness(anatomy.from_prototype, anatomy.from_context, made.prototypes.context_weight)
    assert np.array_equal(shares.sum(axis=(1, 3)).argmax(axis=1), places.sum(axis=(2, 3)).argmax(axis=1))


def test_the_fall_part_is_spread_over_the_numbers_of_the_embedding(invented):
    made = invented(7)
    _, anatomy = made.scored()
    shares = only(made, anatomy, FALL)
    normal = anatomy.embedding - anatomy.from_prototype.reshape(len(shares), -1)
    flat = made.prototypes.known.shares(anatomy.embedding, anatomy.before, anatomy.remembered, normal)
    scale = made.prototypes.norms.scale[made.rows.family]
    for row in range(0, len(shares), 7):
        for number in range(0, flat.shape[1], 11):
            segment, axis, descriptor = np.unravel_index(number, (made.layout.segments, 4, 4))
            wanted = flat[row, number] / scale[row, FALL] / scale[row, MERGED]
            assert shares[row, axis, segment, descriptor] == pytest.approx(wanted, rel=1e-4, abs=1e-6)


def test_trembling_belongs_to_its_axes_over_the_whole_window(invented):
    made = invented(8)
    _, anatomy = made.scored()
    legs = np.isin(made.rows.family, (3, 4))
    shares = only(made, anatomy, FREEZING)[legs]
    assert not np.delete(shares, MOVEMENT, axis=3).any()
    assert np.ptp(shares, axis=2).max() < 1e-6
    trembles = anatomy.trembling[legs] > 0
    assert trembles.any()
    assert np.array_equal(shares.sum(axis=(2, 3)) > 0, trembles)


def test_what_the_families_without_legs_show_is_no_trembling(invented):
    made = invented(9)
    _, anatomy = made.scored()
    none = ~np.isin(made.rows.family, (3, 4))
    shares = contributions(anatomy, made.rows.family, made.prototypes)[none]
    bare = contributions(replace(anatomy, trembling=anatomy.trembling * 0), made.rows.family, made.prototypes)[none]
    assert np.array_equal(shares, bare)


def test_a_bundle_without_a_head_can_be_explained(invented):
    made = invented(10)
    without = replace(made, prototypes=replace(made.prototypes, known=None))
    scores, anatomy = without.scored()
    shares = contributions(anatomy, made.rows.family, without.prototypes)
    assert shares.min() >= 0
    assert np.isfinite(scores.score).all()


def test_one_row_is_taken_apart_as_it_is_among_others(bundle, simulated):
    from agent.batch import cut_recording

    judged = Judge(bundle.model, 0.2).judge(cut_recording(simulated, bundle.model.layout))
    family, prototypes = judged.windows.family, bundle.model.prototypes
    whole = contributions(judged.anatomy, family, prototypes)
    for row in range(0, len(family), 50):
        one = slice(row, row + 1)
        assert contributions(judged.anatomy.of(one), family[one], prototypes)[0] == pytest.approx(whole[row], abs=1e-4)
