"""Masses are masses, physics keeps the last word, a short blow is never a lasting fault, and memory is bounded."""

import hashlib
import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agent.batch import cut_recording, join
from agent.bundle import default_bundle_path, open_bundle
from agent.decide import level
from agent.errors import BundleError
from agent.evidence import FARTHEST, LASTING, UNHEARD, Layer, Said, dempster, physics
from agent.judge import Judge
from agent.manifest import EVIDENCE, MANIFEST
from agent.quality import CERTAIN
from agent.records import LEAST_BELIEF, NOISE, NOVELTY, Trust
from agent.simulate import Episode, simulate
from agent.symptoms import WIDTH, Symptoms, width

CALM_S = 120.0


@pytest.fixture(scope="module")
def shipped():
    return open_bundle(default_bundle_path())


@pytest.fixture(scope="module")
def layer():
    """One that was never taught: its numbers mean nothing, its shapes and ranges are right."""
    rng = np.random.default_rng(0)

    def numbers(*shape):
        return rng.normal(size=shape).astype(np.float32)

    return Layer(
        middle=numbers(width(5)),
        scale=1 + numbers(width(5)) ** 2,
        first=0.2 * numbers(width(5), 20),
        first_bias=numbers(20),
        second=0.3 * numbers(20, 4),
        places=numbers(9, 4),
        reach=0.1 + numbers(9) ** 2,
        strength=rng.uniform(0.3, 0.9, 9).astype(np.float32),
        side=rng.uniform(0, 1, 9).astype(np.float32),
        caution=0.3,
        reliability=0.7,
    )


@pytest.fixture(scope="module")
def taught(shipped, layer):
    """The shipped bundle with that layer."""
    return replace(shipped, model=replace(shipped.model, layer=layer))


def shares(size):
    return arrays(np.float64, size, elements=st.floats(0, 1, allow_nan=False))


@given(near=shares((5, 7)), side=shares((7,)), doubt=st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_masses_are_not_negative_and_sum_to_one_at_most(near, side, doubt):
    right, wrong = dempster(near * side, near * (1 - side) * doubt)
    assert (right >= 0).all()
    assert (wrong >= 0).all()
    assert (right + wrong <= 1 + 1e-9).all()


def test_dempster_agrees_with_the_rule_by_hand():
    right, wrong = dempster(np.array([[0.6, 0.0]]), np.array([[0.0, 0.5]]))  # one for right, one for wrong
    conflict = 0.6 * 0.5
    assert right[0] == pytest.approx(0.6 * 0.5 / (1 - conflict))
    assert wrong[0] == pytest.approx(0.4 * 0.5 / (1 - conflict))


def test_a_witness_for_wrong_never_lowers_wrong_nor_raises_right():
    for_right = np.array([[0.3, 0.2, 0.0]] * 2)
    right, wrong = dempster(for_right, np.array([[0.1, 0.2, 0.1], [0.1, 0.2, 0.9]]))
    assert wrong[1] > wrong[0]
    assert right[1] < right[0]


def test_far_from_everything_nothing_is_known(layer):
    alien = np.full((1, width(5)), 100 * FARTHEST, np.float32) * layer.scale + layer.middle
    right, wrong = layer.masses(alien)
    assert right[0] == pytest.approx(0, abs=1e-6)
    assert wrong[0] == pytest.approx(0, abs=1e-6)


@given(right=st.floats(0, 1), share=st.floats(0, 1), fault=st.floats(0, 1))
def test_certain_physics_stays_certain_whatever_the_layer_says(right, share, fault):
    trust = physics(
        np.array([right]), np.array([(1 - right) * share]), np.array([fault]), np.zeros(1, np.bool_), np.array([fault])
    )
    assert trust.right[0] >= 0
    assert trust.wrong[0] >= 0
    assert trust.right[0] + trust.wrong[0] <= 1 + 1e-12
    if fault >= CERTAIN:
        assert trust.wholly_wrong()[0]
        assert trust.wrong[0] >= fault


def lasting(wrong):
    """What lasts of one stream of which nothing was ever said to be right."""
    return Said().of(np.zeros(len(wrong), np.int64), np.zeros(len(wrong)), wrong)[1]


def test_what_lasts_less_than_half_of_the_windows_is_never_believed():
    for length in range(LASTING // 2):
        wrong = np.zeros(60)
        wrong[20 : 20 + length] = 1.0
        assert lasting(wrong).max() < LEAST_BELIEF
    wrong[20 : 20 + LASTING] = 1.0
    assert lasting(wrong).max() == 1


@given(shares=arrays(np.float64, (60, 2), elements=st.floats(0, 1)))
@settings(max_examples=50, deadline=None)
def test_what_lasts_of_right_and_wrong_are_masses_again(shares):
    right, wrong = shares[:, 0], (1 - shares[:, 0]) * shares[:, 1]
    lasts = Said().of(np.zeros(60, np.int64), right, wrong)
    assert (lasts[0] >= right).all()
    assert (lasts[1] <= wrong + 1e-12).all()
    assert (lasts[0] + lasts[1] <= 1 + 1e-12).all()


def test_what_lasts_is_the_same_however_the_rows_come():
    rng = np.random.default_rng(0)
    stream, wrong = rng.integers(0, 4, 300), rng.random(300) ** 0.1
    right = (1 - wrong) * rng.random(300)
    whole, parts = Said(), Said()
    bounds = [0, 1, 7, 8, 150, 300]
    found = [parts.of(stream[a:b], right[a:b], wrong[a:b]) for a, b in itertools.pairwise(bounds)]
    assert np.array_equal(whole.of(stream, right, wrong), np.concatenate(found, axis=1))


def wear(seed, *, fall=False):
    """Two minutes and a half of a simulated person: sitting, walking, arms; at the end a fall, if wanted."""
    episodes = [Episode(start, start + 15.0, ("sitting", "walking", "arm_movements")[n % 3])
                for n, start in enumerate(np.arange(0.0, CALM_S + 45, 15.0))]  # fmt: skip
    if fall:
        end = episodes[-1].end_s
        episodes += [Episode(end, end + 2, "fall"), Episode(end + 2, end + 14, "lying")]
    return simulate(np.random.default_rng(seed), episodes=episodes)[0]


def judged(recording, bundle):
    return Judge(bundle.model, level(24)).judge(cut_recording(recording, bundle.manifest.layout))


@pytest.mark.parametrize("seed", range(6))
def test_a_simulated_fall_is_never_filed_as_noise(shipped, seed):
    found = judged(wear(seed, fall=True), shipped)
    fell = found.windows.end_s > CALM_S + 45
    noise_alone = found.verdicts.labels[:, NOISE] & (found.verdicts.labels.sum(axis=1) == 1)
    assert not (noise_alone & fell).any()
    assert not found.faulty[found.windows.end_s[found.windows.owner] > CALM_S + 45].any()
    assert found.verdicts.labels[fell, NOVELTY].any()


def test_trust_of_ticks_is_trust_of_the_whole_and_its_memory_does_not_grow(taught):
    recording = wear(1)
    windows = cut_recording(recording, taught.manifest.layout)
    whole = Judge(taught.model, level(24)).judge(windows)
    judge = Judge(taught.model, level(24))
    parts, sizes = [], set()
    for start in range(0, len(windows.end_s), 40):
        parts.append(judge.judge(some(windows, start, start + 40)))
        memory = judge._witness
        sizes.add((memory._symptoms._habit.shape, memory._symptoms._recent.shape, memory._said._wrong._last.shape))
    assert np.allclose(np.concatenate([part.trust.wrong for part in parts]), whole.trust.wrong, atol=1e-5)
    assert np.allclose(np.concatenate([part.trust.right for part in parts]), whole.trust.right, atol=1e-5)
    assert sizes == {((2, WIDTH), (2, WIDTH), (2, LASTING - 1, 1))}


def some(windows, start, stop):
    """Windows from `start` to before `stop`, with their rows."""
    rows = (windows.owner >= start) & (windows.owner < stop)
    whole = replace(
        windows,
        wearer=windows.wearer[start:stop],
        end_s=windows.end_s[start:stop],
        owner=windows.owner[rows] - start,
        stream=windows.stream[rows],
        family=windows.family[rows],
        samples_g=windows.samples_g[rows],
    )
    assert len(join([whole]).end_s) == len(windows.end_s[start:stop])
    return whole


def test_symptoms_have_the_width_that_the_layer_expects_and_are_finite(shipped):
    found = judged(wear(0), shipped)
    windows = found.windows
    for families in (5, 6):
        shown = Symptoms(families, 4).describe(
            windows.samples_g, windows.family, windows.stream, windows.owner, found.quality, found.scores
        )
        assert shown.shape == (len(windows.family), width(families))
        assert np.isfinite(shown).all()


@pytest.mark.parametrize("bad", ["scale", "reach", "places", "side", "second"])
def test_a_layer_that_does_not_fit_is_named(layer, bad):
    assert layer.fits(width(5))
    assert not layer.fits(width(4))
    wrong = {"scale": layer.scale * 0, "reach": -layer.reach, "places": layer.places[:3], "side": layer.side + 2,
             "second": layer.second * np.nan}  # fmt: skip
    assert not replace(layer, **{bad: wrong[bad]}).fits(width(5))


def test_a_bundle_without_the_layer_says_what_physics_says(shipped):
    found = judged(wear(2), shipped)
    assert shipped.model.layer is None
    assert np.allclose(found.trust.right, 1 - found.fault)
    assert np.array_equal(found.faulty, found.fault >= CERTAIN)
    assert isinstance(found.trust, Trust)


def test_the_layers_masses_are_masses_for_real_windows(taught):
    trust = judged(wear(3), taught).trust
    assert (trust.right >= 0).all()
    assert (trust.wrong >= 0).all()
    assert (trust.right + trust.wrong <= 1 + 1e-9).all()
    assert trust.right.max() > 0.1


def test_what_rests_lawfully_is_never_called_wrong_by_the_layer(taught, layer):
    eager = replace(layer, side=np.zeros_like(layer.side), reach=layer.reach * 1e-3, caution=1.0, reliability=1.0)
    bundle = replace(taught, model=replace(taught.model, layer=eager))
    found = judged(wear(0, fall=True), bundle)
    end_s, waist = found.windows.end_s[found.windows.owner], found.windows.stream == 1
    lying = waist & (end_s > CALM_S + 45 + 7)
    walking = waist & (end_s > 22) & (end_s < 28)
    assert found.trust.wrong[walking].max() > LEAST_BELIEF
    assert found.trust.wrong[lying].max() < LEAST_BELIEF


def test_a_layer_comes_back_from_its_file(layer, small_bundle, tmp_path):
    pytest.importorskip("scipy", reason="scipy is absent: export of the layer is NOT tested")
    from export.arrays import write_evidence

    path = with_evidence(small_bundle, layer, tmp_path)
    write_evidence(layer, path / EVIDENCE)
    redigested(path)
    with pytest.raises(BundleError, match=r"right|wrong|verdicts"):  # its golden stream was made without it
        open_bundle(path)
    back = open_bundle(path, examine=False).model.layer
    for name in Layer.ARRAYS:
        assert np.allclose(getattr(back, name), getattr(layer, name), rtol=1e-3, atol=1e-4)
    assert (back.caution, back.reliability) == (layer.caution, layer.reliability)


def with_evidence(bundle_path, layer, tmp_path, **changed):
    """A copy of the bundle that holds the layer; `changed` arrays instead, None = left out."""
    path = Path(shutil.copytree(bundle_path, tmp_path / "copy"))
    numbers = {name: getattr(layer, name) for name in Layer.ARRAYS}
    numbers |= {"caution": np.array(layer.caution), "reliability": np.array(layer.reliability)} | changed
    np.savez(path / EVIDENCE, **{key: value for key, value in numbers.items() if value is not None})
    redigested(path)
    return path


def redigested(path):
    manifest = msgspec.json.decode((path / MANIFEST).read_bytes())
    manifest["files"][EVIDENCE] = hashlib.sha256((path / EVIDENCE).read_bytes()).hexdigest()
    (path / MANIFEST).write_bytes(msgspec.json.encode(manifest))


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("places", lambda values: None),
        ("scale", lambda values: -values),
        ("second", lambda values: values * np.nan),
        ("middle", lambda values: values[:-1]),
        ("caution", lambda values: np.array(2.0)),
        ("reliability", lambda values: np.array("x")),
        ("side", lambda values: np.full(values.shape, "much")),
    ],
)
def test_a_bundle_whose_evidence_does_not_do_is_refused_by_name(small_bundle, layer, tmp_path, name, harm):
    path = with_evidence(small_bundle, layer, tmp_path, **{name: harm(np.asarray(getattr(layer, name)))})
    with pytest.raises(BundleError, match=EVIDENCE):
        open_bundle(path)


def test_an_altered_evidence_is_refused_by_its_digest(small_bundle, layer, tmp_path):
    path = with_evidence(small_bundle, layer, tmp_path)
    content = bytearray((path / EVIDENCE).read_bytes())
    content[len(content) // 2] ^= 1
    (path / EVIDENCE).write_bytes(bytes(content))
    with pytest.raises(BundleError, match="digest"):
        open_bundle(path)


def test_nobody_vouches_for_a_window_of_which_a_part_is_missing(shipped):
    """A lost packet leads to doubt: the score of a filled gap is too high, and no alarm may rest on it."""
    recording, _ = simulate(np.random.default_rng(4))
    samples = {name: values.copy() for name, values in recording.positions.items()}
    lost = (recording.times_s >= 20) & (recording.times_s < 21)
    for values in samples.values():
        values[lost] = np.nan
    judged = Judge(shipped.model, level(24)).judge(
        cut_recording(replace(recording, positions=samples), shipped.model.layout)
    )
    gap = judged.quality.missing > 0.2
    assert gap.any()
    assert (judged.trust.right[gap] <= np.maximum(1 - judged.quality.missing[gap] / UNHEARD, 0) + 1e-9).all()
    labels = judged.verdicts.labels[np.unique(judged.windows.owner[gap])]
    assert not (labels[:, NOVELTY] & (labels.sum(axis=1) == 1)).any()
    assert (judged.trust.right[judged.quality.missing == 0] > 0.5).any()
