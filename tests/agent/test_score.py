"""A row's score is its own and its past's, higher = stranger, NaN where too much is missing, merged as it says."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.agreement import ALIKE
from agent.batch import cut_recording
from agent.judge import Judge
from agent.past import LAGS
from agent.records import FALL, FREEZING, OPEN, PARTS, Windows
from agent.runtime import LARGEST_BATCH, Answer
from agent.score import ECHOES, FAINT, LARGEST, LEAK, MERGED, MOST, MOST_MISSING, SHARED, Norms, Rows, Scorer, merge
from agent.tremble import MOVING, freeze_bands
from agent.usual import DRAWN, FORGET


def agreed(made, i):
    """The open part of row i with the other limbs of its window, from its definition."""
    rows, mine = made.rows, naively(made, i)[0]
    others = [n for n in np.flatnonzero((rows.owner == rows.owner[i]) & rows.heard) if n != i] if rows.heard[i] else []
    summed = mine + sum(min(mine, naively(made, n)[0]) for n in others)
    return max(mine, summed / np.sqrt((1 + len(others)) * (1 + len(others) * ALIKE)))


def naively(made, i):
    """(open by itself, fall, freezing) of row i, from its definition, one number after the other."""
    known, norms, rows, hop_s = made.prototypes, made.prototypes.norms, made.rows, made.layout.hop_s

    def strange(row):
        own = np.isin(known.family, (rows.family[row], SHARED))
        e = made.answer.embedding[row].astype(float)
        nearest = min(known.places[own].astype(float), key=lambda place: ((e - place) ** 2).sum())
        expected = np.clip(made.answer.expected[row].astype(float), -LARGEST, LARGEST)
        sums = (e - nearest) ** 2 + known.context_weight * (e - expected) ** 2
        return (sums.reshape(made.layout.segments, -1).sum(axis=1).max() - norms.median[rows.family[row], OPEN]) / (
            norms.scale[rows.family[row], OPEN]
        )

    def earlier(row, lag):
        then_s = rows.end_s[row] - lag * hop_s
        found = np.flatnonzero((rows.stream == rows.stream[row]) & np.isclose(rows.end_s, then_s))
        return int(found[0]) if len(found) else None

    def bands(row):
        x, y, z, magnitude = freeze_bands(rows.samples_g[row : row + 1], made.layout.rate_hz)[0]
        return ((x + y + z) / 3 + magnitude) / 2

    def freezing(row):
        heard = [
            None if n is None else bands(n).sum() for n in (row, *(earlier(row, lag) for lag in range(1, LAGS + 1)))
        ]
        pairs = [np.mean([v for v in pair if v is not None]) for pair in pairwise(heard) if pair[0] is not None]
        total = weight = 0.0
        for n in np.flatnonzero((rows.stream == rows.stream[row]) & (rows.end_s < rows.end_s[row])):
            trembling, stepping = bands(n)
            if trembling - stepping > MOVING:
                total, weight = total * (1 - 1 / FORGET) + trembling + stepping, weight * (1 - 1 / FORGET) + 1
        usual = total / (DRAWN + weight)
        median, scale = norms.median[rows.family[row], FREEZING], norms.scale[rows.family[row], FREEZING]
        return (max(pairs) - usual - median) / scale

    before = [earlier(i, lag) for lag in range(1, LAGS + 1)]
    heard = [(lag, strange(n)) for lag, n in enumerate(before[:ECHOES], 1) if n is not None]
    echoes = [value * known.echo**lag for lag, value in heard if value > 0 and known.echo > 0]
    inputs = [made.answer.embedding[n] if n is not None else np.zeros(known.places.shape[1]) for n in (i, *before)]
    head = known.known
    one = np.maximum(np.concatenate(inputs) @ head.first + head.first_bias, 0)
    logit = np.maximum(one @ head.second + head.second_bias, 0) @ head.last + head.last_bias
    fall = (logit - norms.median[rows.family[i], FALL]) / norms.scale[rows.family[i], FALL]
    window = np.flatnonzero(rows.owner == rows.owner[i])
    limbs = [freezing(n) for n in window if rows.family[n] != 0]
    trembles = sum(limbs) / np.sqrt(len(limbs)) if np.isin(rows.family[window], (3, 4)).any() else -np.inf
    return max([strange(i), *echoes]), fall, trembles


def test_the_parts_and_the_merged_score_are_what_their_definition_says(invented):
    made = invented(0)
    scores, _ = made.scored()
    norms = made.prototypes.norms
    for row, family in enumerate(made.rows.family):
        parts = (agreed(made, row), *naively(made, row)[1:])
        assert scores.parts[row] == pytest.approx(parts, rel=1e-4, abs=1e-4)
        felt = [FAINT + LEAK * (part - FAINT) if part < FAINT else part for part in parts[:2]] + [parts[2]]
        had = [part for part in felt if np.isfinite(part)]
        merged = np.log(sum(np.exp(part) for part in had) / len(had))
        assert scores.score[row] == pytest.approx(
            (merged - norms.median[family, MERGED]) / norms.scale[family, MERGED], rel=1e-4, abs=1e-4
        )


def test_every_part_leads_somewhere_in_the_rows_that_these_tests_draw(invented):
    scores, anatomy = invented(0).scored()
    assert set(scores.parts.argmax(axis=1)) == {OPEN, FALL, FREEZING}
    assert (anatomy.weight.sum(axis=1) <= 1 + 1e-9).all()
    clear = (scores.parts > FAINT).all(axis=1)
    assert clear.any()
    assert np.allclose(anatomy.weight[clear].sum(axis=1), 1)
    assert np.array_equal(anatomy.weight[clear].argmax(axis=1), scores.parts[clear].argmax(axis=1))


def test_without_legs_nobody_freezes_and_the_rest_is_merged(invented):
    made = invented(1)
    scores, anatomy = made.some(~np.isin(made.rows.family, (3, 4))).scored()
    assert (scores.parts[:, FREEZING] == -np.inf).all()
    assert not anatomy.weight[:, FREEZING].any()
    assert (anatomy.own_limb == -np.inf).all()  # the trunk alone has no say
    assert not anatomy.limbs.any()
    assert np.isfinite(scores.score).all()


def test_what_is_faint_raises_the_score_by_a_fifth(invented):
    norms = replace(invented(1).prototypes.norms, median=np.zeros((5, 4)), scale=np.ones((5, 4)))
    alone = np.array([[part, -np.inf, -np.inf] for part in (-1.0, 0.0, FAINT, 1.0)])
    score, weight = merge(alone, np.zeros(4, np.int64), norms)
    assert score == pytest.approx([FAINT - 1.6 * LEAK, FAINT - FAINT * LEAK, FAINT, 1.0])
    assert weight[:, OPEN] == pytest.approx([LEAK, LEAK, 1, 1])


def test_all_positions_of_a_window_freeze_alike_and_other_wearers_have_no_say(invented):
    made = invented(2)
    scores, _ = made.scored()
    for owner in np.unique(made.rows.owner):
        own = scores.parts[made.rows.owner == owner, FREEZING]
        assert len(own) == 5
        assert np.isfinite(own).all()
        assert np.ptp(own) == 0
    alone, _ = made.some(made.rows.owner % 2 == 1).scored()
    assert alone.parts[:, FREEZING] == pytest.approx(scores.parts[made.rows.owner % 2 == 1, FREEZING])


def test_a_bundle_without_a_head_has_no_fall_and_the_rest_is_merged(invented):
    made = invented(3)
    scores, anatomy = made.scored(known=None)
    assert (scores.parts[:, FALL] == -np.inf).all()
    assert not anatomy.weight[:, FALL].any()
    assert np.isfinite(scores.score).all()
    assert np.array_equal(scores.parts[:, OPEN], made.scored()[0].parts[:, OPEN])


def spike(invented, median=0.0):
    """One stream of eight windows: the third is far from everything normal, the others are prototypes."""
    made = invented(4, wearers=1, ends=8, worn=(0,))
    place = made.prototypes.places[made.prototypes.family == 0][:1]
    embedding = np.repeat(place, 8, axis=0)
    embedding[2] += 3
    norms = made.prototypes.norms
    flat = Norms(np.zeros_like(norms.median), norms.scale)
    flat.median[:, OPEN] = median
    answer = made.answer._replace(embedding=embedding, expected=embedding)
    return replace(made, answer=answer, prototypes=replace(made.prototypes, norms=flat))


def test_what_is_strange_echoes_for_two_windows_weaker_each_time(invented):
    made = spike(invented)
    alone = made.scored(echo=0.0)[0].parts[:, OPEN]
    assert alone[2] > 1
    assert np.abs(np.delete(alone, 2)).max() < 1e-4
    echoed = made.scored(echo=0.8)[0].parts[:, OPEN]
    assert echoed[:2] == pytest.approx(0, abs=1e-4)
    assert echoed[2:5] == pytest.approx(alone[2] * np.array([1, 0.8, 0.64]), rel=1e-5)
    assert ECHOES == 2
    assert echoed[5:] == pytest.approx(0, abs=1e-4)


def test_what_is_less_strange_than_the_median_does_not_echo(invented):
    made = spike(invented, median=1e5)
    alone, echoed = (made.scored(echo=echo)[0].parts[:, OPEN] for echo in (0.0, 0.8))
    assert alone.max() < 0
    assert np.array_equal(alone, echoed)


def test_without_an_echo_each_window_is_as_strange_as_it_is(invented):
    made = spike(invented, median=5.0)
    found = made.scored(echo=0.0)[0].parts[:, OPEN]
    assert found[2] > 0
    assert found[3] == pytest.approx(found[0])
    assert found[3] < 0


@given(seed=st.integers(0, 2**32), cuts=st.sets(st.integers(0, 6), max_size=6))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_any_ticks_give_the_scores_of_the_whole(invented, seed, cuts):
    made = invented(seed % 1000, ends=6)
    whole, _ = made.scored()
    layout = made.layout
    scorer = Scorer(made.network(), made.prototypes, layout.segments, layout.rate_hz, layout.hop_s)
    tick = np.searchsorted(sorted(cuts), np.round(made.rows.end_s / layout.hop_s), side="right")
    for number in np.unique(tick):
        chosen = tick == number
        part, _ = scorer.score(made.some(chosen).rows)
        assert part.parts == pytest.approx(whole.parts[chosen], abs=1e-5, rel=1e-5)
        assert part.score == pytest.approx(whole.score[chosen], abs=1e-5, rel=1e-5)


def live(bundle, recording):
    """The rows of a recording and a fresh scorer of the bundle."""
    model, windows = bundle.model, cut_recording(recording, bundle.model.layout)
    end_s = windows.end_s[windows.owner]
    m = len(end_s)
    rows = Rows(windows.samples_g, windows.family, windows.stream, windows.owner, end_s, np.zeros(m), np.ones(m, bool))
    return rows, lambda: Scorer(
        model.runtime, model.prototypes, model.layout.segments, model.layout.rate_hz, model.layout.hop_s
    )


def some(rows, chosen):
    return Rows(*(getattr(rows, name)[chosen] for name in Rows.__dataclass_fields__))


def test_a_real_network_scores_a_stream_window_by_window_as_it_does_at_once(bundle, simulated):
    rows, fresh = live(bundle, simulated)
    rows = some(rows, rows.stream == 0)
    rows = some(rows, slice(0, 40))
    whole, _ = fresh().score(rows)
    scorer = fresh()
    for row in range(40):
        alone, _ = scorer.score(some(rows, slice(row, row + 1)))
        assert alone.score[0] == pytest.approx(whole.score[row], abs=1e-3, rel=1e-4)


def test_large_numbers_of_rows_go_in_bounded_batches_and_keep_their_order(invented):
    made = invented(5, ends=110)
    count = len(made.rows.family)
    assert count == 1100
    layout, network = made.layout, made.network()
    scorer = Scorer(network, made.prototypes, layout.segments, layout.rate_hz, layout.hop_s)
    whole, _ = scorer.score(made.rows)
    full, rest = divmod(count, LARGEST_BATCH)
    assert network.batches == [LARGEST_BATCH] * full + [rest]
    assert np.array_equal(whole.embedding, made.answer.embedding)


def test_a_row_that_lacks_too_much_is_not_scored_and_the_others_are(bundle, simulated):
    rows, fresh = live(bundle, simulated)
    rows = some(rows, slice(0, 6))
    samples_g = rows.samples_g.copy()
    samples_g[2, :, : int(128 * MOST_MISSING) + 1] = np.nan
    samples_g[4] = np.nan
    samples_g[5, :, :20] = np.nan
    missing = np.isnan(samples_g[:, 0]).mean(axis=1)
    scores, _ = fresh().score(replace(rows, samples_g=samples_g, missing=missing))
    assert np.isnan(scores.score).tolist() == [False, False, True, False, True, False]


def test_a_row_that_lacks_just_half_is_scored(invented):
    made = invented(6)
    missing = np.linspace(0, 1, len(made.rows.family))
    missing[3] = MOST_MISSING
    scores, _ = replace(made, rows=replace(made.rows, missing=missing)).scored()
    assert np.array_equal(np.isnan(scores.score), missing > MOST_MISSING)
    assert np.array_equal(scores.score[:4], made.scored()[0].score[:4])


def test_segments_in_which_samples_are_missing_are_not_strange_and_the_others_decide(invented):
    made = invented(9)
    segments = made.layout.segments
    sums = made.scored()[1].reading.raw
    samples_g = made.rows.samples_g.copy()
    steps = samples_g.shape[2] // segments
    samples_g[0, :, 2 * steps + 1] = np.nan  # one sample of the third segment
    samples_g[1, :, ::steps] = np.nan  # some of each: there is nothing else to go by
    reading = replace(made, rows=replace(made.rows, samples_g=samples_g)).scored()[1].reading
    assert not reading.from_prototype[0, 2].any()
    assert not reading.from_context[0, 2].any()
    heard = np.delete(np.arange(segments), 2)
    weight = made.prototypes.context_weight
    whole = made.scored()[1].reading
    left = (whole.from_prototype**2 + weight * whole.from_context**2)[0, heard].sum(axis=(1, 2))
    assert reading.raw[0] == pytest.approx(left.max(), rel=1e-5)
    assert reading.raw[1] == sums[1]
    assert np.array_equal(reading.raw[2:], sums[2:])


def test_a_fall_scores_higher_than_what_came_before(bundle, simulated):
    rows, fresh = live(bundle, simulated)
    score = fresh().score(rows)[0].score
    fall = (rows.end_s > 64) & (rows.end_s < 66)
    assert score[fall].max() > score[rows.end_s < 60].max()


def test_spreads_and_faults_are_finite_and_in_range(invented):
    for size in (1, 1e4):
        made = invented(7)
        answer = Answer(*(values * np.float32(size) for values in made.answer))
        scores, _ = replace(made, answer=answer).scored()
        for values in (scores.aleatoric, scores.epistemic, scores.disagreement, scores.faults):
            assert np.isfinite(values).all()
            assert (values >= 0).all()
        assert scores.epistemic.max() <= 1 + 1e-9
        assert scores.faults.max() <= 1


def test_no_row_gives_no_score(bundle, invented):
    made = invented(8).some(np.zeros(80, bool))
    scores, anatomy = made.scored()
    assert scores.score.shape == (0,)
    assert scores.parts.shape == (0, len(PARTS))
    assert anatomy.reading.from_prototype.shape == (0, made.layout.segments, 4, 4)
    model = bundle.model
    scorer = Scorer(model.runtime, model.prototypes, model.layout.segments, model.layout.rate_hz, model.layout.hop_s)
    assert scorer.score(made.rows)[0].score.shape == (0,)


@given(
    parts=st.lists(st.one_of(st.floats(-1e3, 1e3), st.just(-np.inf)), min_size=3, max_size=3), which=st.integers(0, 2)
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_merging_lies_between_the_mean_and_the_largest_and_never_falls_where_a_part_rises(parts, which):
    norms = Norms(np.zeros((1, MERGED + 1)), np.ones((1, MERGED + 1)))
    parts[OPEN] = max(parts[OPEN], -700.0)  # always to be had
    felt = [FAINT + LEAK * (part - FAINT) if part < FAINT else part for part in parts[:FREEZING]] + [parts[FREEZING]]
    had = [min(part, MOST) for part in felt if np.isfinite(part)]
    (score,), (weight,) = merge(np.array([parts]), np.zeros(1, int), norms)
    assert max(had) - np.log(len(had)) - 1e-6 <= score <= max(had) + 1e-6
    assert LEAK - 1e-9 <= weight.sum() <= 1 + 1e-9
    if np.isfinite(parts[which]):
        higher = [part + (n == which) for n, part in enumerate(parts)]
        assert merge(np.array([higher]), np.zeros(1, int), norms)[0][0] >= score - 1e-9


def test_where_nobody_is_heard_each_limb_says_what_it_would_say_alone(invented):
    made = invented(4)
    silent = replace(made, rows=replace(made.rows, heard=np.zeros(len(made.rows.heard), np.bool_)))
    alone = replace(made, rows=replace(made.rows, owner=np.arange(len(made.rows.owner))))
    assert np.array_equal(silent.scored()[0].parts[:, OPEN], alone.scored()[0].parts[:, OPEN])
    assert not np.array_equal(made.scored()[0].parts[:, OPEN], alone.scored()[0].parts[:, OPEN])


def test_a_limb_measured_wrongly_is_not_heard_by_the_others(bundle, simulated):
    windows = cut_recording(simulated, bundle.model.layout)
    broken = np.array(windows.samples_g)
    wrist = windows.family == bundle.model.layout.families.index("wrist")
    broken[wrist] *= 0.2  # nothing on earth weighs so little
    gone = Windows(
        *(getattr(windows, name) for name in ("wearer", "end_s")),
        *(getattr(windows, name)[~wrist] for name in ("owner", "stream", "family", "samples_g")),
    )
    spoilt, alone, sound = (
        Judge(bundle.model, 0.2).measure(said).scores.parts[:, OPEN]
        for said in (replace(windows, samples_g=broken), gone, windows)
    )
    assert np.array_equal(spoilt[~wrist], alone)
    assert not np.array_equal(spoilt[~wrist], sound[~wrist])
