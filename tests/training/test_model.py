"""A part of the embedding sees its own axis around its own segment and nothing else: explanations are facts."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is absent: the student is NOT tested")

from agent.features import CHANNELS, extract  # noqa: E402
from agent.layout import Layout  # noqa: E402
from agent.records import FAULTS  # noqa: E402
from agent.runtime import Answer  # noqa: E402
from agent.score import LARGEST  # noqa: E402
from training.config import REDUCED, read_config  # noqa: E402
from training.model import AXES, PARTS, Student  # noqa: E402
from training.teacher import Teacher  # noqa: E402

SEGMENTS, SAMPLES = 4, 128
LENGTH = SAMPLES // SEGMENTS
REACH = 18
"""Samples that a segment's embedding sees on each side of it: 0.36 s."""


@pytest.fixture(scope="module")
def student():
    torch.manual_seed(0)
    made = Student(segments=SEGMENTS, width=8, context=8).eval()
    with torch.no_grad():
        made.describe.weight.normal_(std=0.2)
        made.describe.bias.normal_(std=0.1)
    return made


def placed(student, features):
    """(n, segments, axes, parts) embedding and expectation."""
    with torch.no_grad():
        embedding, expected, *_ = student(torch.from_numpy(features))
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
def test_a_change_in_one_axis_changes_the_embedding_of_that_axis_alone(student, axis, segment):
    features = features_of()
    changed = features.copy()
    changed[:, 2 * axis : 2 * axis + 2, segment * LENGTH : (segment + 1) * LENGTH] += 3
    seen = changed_parts(student, features, changed)
    assert seen[segment, axis]
    assert not np.delete(seen, axis, axis=1).any()


@pytest.mark.parametrize("segment", range(SEGMENTS))
def test_a_segment_is_placed_by_itself_and_a_third_of_a_second_around_it(student, segment):
    for offset in range(LENGTH):
        near = {segment}
        near |= {segment - 1} if segment > 0 and offset < REACH else set()
        near |= {segment + 1} if segment + 1 < SEGMENTS and LENGTH - offset <= REACH else set()
        seen = reach(student, segment, offset)
        assert segment in seen
        assert seen <= near, offset


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
        for say in (student.expect, student.doubt):
            before, after = (
                say(torch.relu(student.think(torch.relu(student.look(e.reshape(5, -1)))))) for e in (embedding, changed)
            )
            same = (before == after).reshape(5, SEGMENTS, -1).all(dim=(0, 2))
            assert bool(same[segment])
            assert not bool(same.all())


def test_rows_do_not_influence_each_other(student):
    features = features_of(rows=6)
    whole, _ = placed(student, features)
    alone = np.concatenate([next(iter(placed(student, features[n : n + 1]))) for n in range(6)])
    assert np.allclose(whole, alone, atol=1e-6)


def test_every_output_has_its_shape_and_is_finite_for_extreme_input(student):
    features = np.stack([np.zeros((CHANNELS, SAMPLES)), np.full((CHANNELS, SAMPLES), 9.0), features_of(2, 1)[0] * 9])
    with torch.no_grad():
        answer = Answer(*student(torch.from_numpy(features.astype(np.float32))))
    assert all(bool(torch.isfinite(values).all()) for values in answer)
    size = SEGMENTS * AXES * PARTS
    places = dict.fromkeys(("embedding", "expected", "log_variance"), (3, size))
    rest = {"trunk": (3, 1 + len(FAULTS))}
    assert {name: values.shape for name, values in answer._asdict().items()} == places | rest
    assert float(answer.embedding.abs().max()) <= LARGEST


def test_the_embedding_is_cut_off_only_where_nothing_is_learnt(student):
    features = torch.from_numpy(features_of() * 50)
    with torch.no_grad():
        cut = student(features)[0]
        whole = student.train()(features)[0]
        student.eval()
    assert torch.equal(whole.clamp(-LARGEST, LARGEST), cut)
    assert float(whole.abs().max()) > LARGEST


@pytest.mark.parametrize("name", ["student", "full"])
def test_the_networks_are_as_large_as_they_are_meant_to_be(name):
    config, layout = read_config(REDUCED.with_name(f"{name}.toml")), Layout()
    student = Student(segments=SEGMENTS, width=config.student.width, context=config.student.context)
    size = {"channels": CHANNELS, "samples": SAMPLES, "segments": SEGMENTS, "families": len(layout.families)}
    told = config.teacher
    teacher = Teacher(**size, width=told.width, depth=told.depth, members=told.members)
    assert 70_000 <= sum(weight.numel() for weight in student.parameters()) <= 300_000
    assert 1e6 <= sum(weight.numel() for weight in teacher.parameters()) <= 5e6
