"""A row's score is its own, higher = stranger, NaN where too much is missing, and is taken apart exactly."""

import numpy as np
import pytest

from agent.batch import cut_recording
from agent.layout import POSITIONS, Layout
from agent.runtime import LARGEST_BATCH
from agent.score import MOST_MISSING, Prototypes, Scorer, contributions, offset

LAYOUT = Layout(positions=POSITIONS)
D = LAYOUT.segments * 16


class Echo:
    """A network whose embedding is written into the features by the test."""

    provider = "test"

    def __init__(self, embedding, expected):
        self.embedding, self.expected = embedding.astype(np.float32), expected.astype(np.float32)
        self.batches = []

    def run(self, features):
        start = sum(self.batches)
        self.batches.append(len(features))
        part = slice(start, start + len(features))
        return self.embedding[part], self.expected[part], np.zeros_like(self.embedding[part])


def prototypes(rng, families=5, each=7):
    return Prototypes(
        places=rng.normal(size=(families * each, D)).astype(np.float32),
        family=np.repeat(np.arange(families), each),
        median=rng.uniform(10, 20, families),
        scale=rng.uniform(5, 10, families),
        context_weight=0.7,
    )


def scored(rows, seed=0):
    rng = np.random.default_rng(seed)
    known = prototypes(rng)
    family = rng.integers(0, 5, rows)
    embedding, expected = rng.normal(size=(2, rows, D))
    scorer = Scorer(Echo(embedding, expected), known, LAYOUT.segments)
    scores, anatomy = scorer.score(np.zeros((rows, 3, 128), np.float32), family, np.zeros(rows))
    return scores, anatomy, known, family, embedding, expected


def test_the_score_is_what_its_definition_says():
    scores, _, known, family, embedding, expected = scored(40)
    for row in range(40):
        places = known.places[known.family == family[row]].astype(float)
        nearest = places[((embedding[row] - places) ** 2).sum(axis=1).argmin()]
        far = ((embedding[row] - nearest) ** 2).reshape(LAYOUT.segments, -1).sum(axis=1)
        odd = ((embedding[row] - expected[row]) ** 2).reshape(LAYOUT.segments, -1).sum(axis=1)
        decides = (far + 0.7 * odd).argmax()
        far, odd = far[decides], odd[decides]
        wanted = (far + 0.7 * odd - known.median[family[row]]) / known.scale[family[row]]
        assert scores.score[row] == pytest.approx(wanted, rel=1e-4)
        assert scores.epistemic[row] == pytest.approx(far / (far + 0.7 * odd), rel=1e-4)


def test_contributions_and_offset_add_up_to_the_score():
    scores, anatomy, known, family, *_ = scored(200, seed=1)
    parts = contributions(anatomy, family, known)
    assert parts.shape == (200, 4, LAYOUT.segments, 4)
    assert parts.min() >= 0
    assert ((parts.sum(axis=(1, 3)) > 0).sum(axis=1) == 1).all()  # the segment that decides, and no other
    total = parts.sum(axis=(1, 2, 3), dtype=np.float64) + [offset(int(index), known) for index in family]
    assert np.abs(total - scores.score).max() < 1e-4


def test_contributions_add_up_for_a_real_network_too(bundle, simulated):
    model = bundle.model
    windows = cut_recording(simulated, model.layout)
    missing = np.zeros(len(windows.family))
    scores, anatomy = Scorer(model.runtime, model.prototypes, model.layout.segments).score(
        windows.samples_g, windows.family, missing
    )
    parts = contributions(anatomy, windows.family, model.prototypes)
    total = parts.sum(axis=(1, 2, 3), dtype=np.float64)
    total += [offset(int(index), model.prototypes) for index in windows.family]
    assert np.abs(total - scores.score).max() < 1e-4 * max(1, np.abs(scores.score).max())


def test_large_numbers_of_rows_go_in_bounded_batches_and_keep_their_order():
    rows = 2 * LARGEST_BATCH + 17
    rng = np.random.default_rng(2)
    known, family = prototypes(rng), rng.integers(0, 5, rows)
    embedding = rng.normal(size=(rows, D))
    network = Echo(embedding, embedding)
    whole, _ = Scorer(network, known, 4).score(np.zeros((rows, 3, 128), np.float32), family, np.zeros(rows))
    assert network.batches == [LARGEST_BATCH, LARGEST_BATCH, 17]
    assert np.array_equal(whole.embedding, embedding.astype(np.float32))


def test_a_row_scores_the_same_in_any_batch(bundle, simulated):
    model = bundle.model
    windows = cut_recording(simulated, model.layout)
    scorer = Scorer(model.runtime, model.prototypes, model.layout.segments)
    none = np.zeros(len(windows.family))
    whole, _ = scorer.score(windows.samples_g, windows.family, none)
    for row in range(0, len(windows.family), 60):
        one = slice(row, row + 1)
        alone, _ = scorer.score(windows.samples_g[one], windows.family[one], none[one])
        assert alone.score[0] == pytest.approx(whole.score[row], abs=1e-4, rel=1e-5)


def test_a_row_that_lacks_too_much_is_not_scored_and_the_others_are(bundle, simulated):
    model = bundle.model
    windows = cut_recording(simulated, model.layout)
    samples_g = windows.samples_g[:6].copy()
    samples_g[2, :, : int(128 * MOST_MISSING) + 1] = np.nan
    samples_g[4] = np.nan
    samples_g[5, :, :20] = np.nan
    missing = np.isnan(samples_g[:, 0]).mean(axis=1)
    scorer = Scorer(model.runtime, model.prototypes, model.layout.segments)
    scores, _ = scorer.score(samples_g, windows.family[:6], missing)
    assert np.isnan(scores.score).tolist() == [False, False, True, False, True, False]


def test_a_fall_scores_higher_than_sitting(bundle, simulated):
    model = bundle.model
    windows = cut_recording(simulated, model.layout)
    scorer = Scorer(model.runtime, model.prototypes, model.layout.segments)
    score = scorer.score(windows.samples_g, windows.family, np.zeros(len(windows.family)))[0].score
    ends_s = windows.end_s[windows.owner]
    fall = (ends_s > 64) & (ends_s < 66)
    assert score[fall].max() > score[~fall & (ends_s < 60)].max()


def test_spreads_are_finite_and_in_range(bundle, simulated):
    model = bundle.model
    windows = cut_recording(simulated, model.layout)
    scorer = Scorer(model.runtime, model.prototypes, model.layout.segments)
    scores, _ = scorer.score(windows.samples_g, windows.family, np.zeros(len(windows.family)))
    assert (scores.aleatoric >= 0).all()
    assert ((scores.epistemic >= 0) & (scores.epistemic <= 1)).all()


def test_no_row_gives_no_score(bundle):
    model = bundle.model
    scorer = Scorer(model.runtime, model.prototypes, model.layout.segments)
    scores, anatomy = scorer.score(np.zeros((0, 3, 128), np.float32), np.zeros(0, np.int64), np.zeros(0))
    assert scores.score.shape == (0,)
    assert anatomy.from_prototype.shape == (0, LAYOUT.segments, 4, 4)
