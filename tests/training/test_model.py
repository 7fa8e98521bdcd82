"""A part of the embedding sees its own axis around its own segment and nothing else: explanations are facts."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is absent: the student is NOT tested")

from agent.features import CHANNELS, extract  # noqa: E402
from training.model import AXES, PARTS, Student  # noqa: E402

SEGMENTS, SAMPLES = 4, 128
LENGTH = SAMPLES // SEGMENTS


@pytest.fixture(scope="module")
def student():
    torch.manual_seed(0)
    made = Student(segments=SEGMENTS, width=8, context=8).eval()
    with torch.no_grad():
        made.gain.normal_()
        made.shift.normal_(std=0.1)
    return made


def placed(student, features):
    """(n, segments, axes, parts) embedding and expectation."""
    with torch.no_grad():
        embedding, expected, _ = student(torch.from_numpy(features))
    return (values.reshape(-1, SEGMENTS, AXES, PARTS).numpy() for values in (embedding, expected))


def features_of(seed=0, rows=3):
    return np.random.default_rng(seed).normal(size=(rows, CHANNELS, SAMPLES)).astype(np.float32)


def changed_parts(student, features, changed):
    """(segments, axes) where the embedding differs."""
    before, after = (next(iter(placed(student, values))) for values in (features, changed))
    return (before != after).any(axis=(0, 3))


def reach(student, segment, offset):
    """Segments whose embedding sees this one sample."""
    features = features_of()
    changed = features.copy()
    changed[:, 0, segment * LENGTH + offset] += 50.0
    return set(np.flatnonzero(changed_parts(student, features, changed)[:, 0]))


@pytest.mark.parametrize("axis", range(AXES))
@pytest.mark.parametrize("segment", range(SEGMENTS))
def test_a_change_in_one_axis_and_the_middle_of_a_segment_changes_that_part_alone(student, axis, segment):
    features = features_of()
    changed = features.copy()
    changed[:, 2 * axis : 2 * axis + 2, segment * LENGTH + 12 : segment * LENGTH + 20] += 3
    expected = np.zeros((SEGMENTS, AXES), bool)
    expected[segment, axis] = True
    assert np.array_equal(changed_parts(student, features, changed), expected)


@pytest.mark.parametrize("segment", range(SEGMENTS))
def test_a_change_anywhere_reaches_at_most_the_neighbouring_segment(student, segment):
    for offset in range(LENGTH):
        seen = reach(student, segment, offset)
        assert segment in seen
        assert seen <= {segment - 1, segment, segment + 1}
        assert len(seen) <= 2
        if 10 <= offset < LENGTH - 10:  # beyond the receptive field
            assert seen == {segment}


def test_a_changed_axis_of_the_sensor_changes_that_axis_and_the_magnitude_alone_and_not_far_away(student):
    rng = np.random.default_rng(1)
    samples_g = (rng.normal(0, 0.3, (2, 3, SAMPLES)) + np.array([0, 0, 1])[:, None]).astype(np.float32)
    changed = samples_g.copy()
    changed[:, 1, 8:20] += 0.5  # in the first segment
    parts = changed_parts(student, extract(samples_g, SEGMENTS), extract(changed, SEGMENTS))
    assert not parts[:, [0, 2]].any()
    assert parts[0, [1, 3]].all()
    assert not parts[2:].any()  # `fine` takes off the mean of its segment, so that the next one is reached, no further


@pytest.mark.parametrize("segment", range(SEGMENTS))
def test_what_a_segment_should_be_does_not_depend_on_that_segment(student, segment):
    torch.manual_seed(segment)
    embedding = torch.randn(5, SEGMENTS, AXES * PARTS)
    changed = embedding.clone()
    changed[:, segment] += 2.0
    with torch.no_grad():
        before, after = (student._from_context(e.reshape(5, -1)) for e in (embedding, changed))
    for old, new in zip(before, after, strict=True):
        same = (old == new).reshape(5, SEGMENTS, -1).all(dim=(0, 2))
        assert bool(same[segment])
        assert not bool(same.all())


def test_rows_do_not_influence_each_other(student):
    features = features_of(rows=6)
    whole, _ = placed(student, features)
    alone = np.concatenate([next(iter(placed(student, features[n : n + 1]))) for n in range(6)])
    assert np.allclose(whole, alone, atol=1e-6)


def test_outputs_are_finite_and_the_variance_is_bounded_for_extreme_input(student):
    features = np.stack([np.zeros((CHANNELS, SAMPLES)), np.full((CHANNELS, SAMPLES), 9.0), features_of(2, 1)[0] * 9])
    with torch.no_grad():
        outputs = student(torch.from_numpy(features.astype(np.float32)))
    assert all(bool(torch.isfinite(values).all()) for values in outputs)
    assert all(values.shape == (3, SEGMENTS * AXES * PARTS) for values in outputs)
    assert float(outputs[2].min()) >= -6
    assert float(outputs[2].max()) <= 4


def test_the_shipped_size_stays_within_a_hundred_thousand_parameters():
    from training.train import CONFIG, read_config

    config = read_config(CONFIG)
    size = sum(w.numel() for w in Student(width=config.width, context=config.context).parameters())
    assert size <= 100_000
