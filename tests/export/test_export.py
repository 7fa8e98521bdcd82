"""Export: half-minutes, design effect and intervals by hand; a tiny student through fp32 and int8."""

from dataclasses import replace

import numpy as np
import pytest

for name in ("torch", "onnx", "onnxscript", "sklearn"):
    pytest.importorskip(name, reason=f"{name} is absent: export is NOT tested")

from agent.batch import cut_recording  # noqa: E402
from agent.features import extract  # noqa: E402
from agent.layout import POSITIONS, Layout  # noqa: E402
from agent.manifest import CalibrationFacts  # noqa: E402
from agent.past import LAGS  # noqa: E402
from agent.records import FALL, FREEZING, OPEN, PARTS  # noqa: E402
from agent.runtime import OUTPUTS  # noqa: E402
from agent.runtime.onnx import OnnxRuntime  # noqa: E402
from agent.score import MERGED, Scorer  # noqa: E402
from export.calibration import (  # noqa: E402
    ECHO,
    LEGS,
    calibrate,
    design_effect,
    farthest_points,
    half_minutes,
    intervals,
)
from export.embedding import embed  # noqa: E402
from export.known import FEWEST_EVENTS, _inputs, learn  # noqa: E402
from export.make import write_parts  # noqa: E402
from export.manifest import manifest_of  # noqa: E402
from export.pack import LARGEST_BUNDLE, seal, size  # noqa: E402
from training.metrics import roc_auc  # noqa: E402
from training.record import RunRecord  # noqa: E402
from training.scoring import rows  # noqa: E402
from training.windows import NormalWindows  # noqa: E402

LAYOUT = Layout(positions=POSITIONS)
WORN = Layout(families=("waist", "ankle"), positions={"waist": "waist", "left_ankle": "ankle"})
RECORD = RunRecord(
    commit="c", config={"seed": 1}, wearers=[], device="cpu", minutes=1, torch="", windows=1, parameters=2
)


def names(text):
    return np.array(list(text))


def test_a_half_minute_keeps_its_strangest_window():
    score = np.arange(120.0)
    score[30] = 1000
    blocks, owners = half_minutes(score, np.full(120, "a"), 0.5)
    assert blocks.tolist() == [1000, 119]
    assert owners.tolist() == ["a", "a"]


def test_half_minutes_never_mix_wearers_and_short_ends_are_left_out():
    score = np.concatenate([np.full(60, 1.0), np.full(29, 9.0), np.full(60, 2.0), np.full(30, 3.0)])
    wearer = np.concatenate([np.full(89, "a"), np.full(90, "b")])
    blocks, owners = half_minutes(score, wearer, 0.5)
    assert blocks.tolist() == [1, 2, 3]
    assert owners.tolist() == ["a", "b", "b"]


def test_the_hop_sets_the_windows_of_a_half_minute():
    assert len(half_minutes(np.zeros(300), np.full(300, "a"), 1.0)[0]) == 10


def test_independent_half_minutes_have_a_design_effect_of_one_or_little_more():
    rng = np.random.default_rng(0)
    owners = np.repeat(np.arange(20), 15)
    found = [design_effect(rng.normal(size=300), owners) for _ in range(100)]
    assert min(found) >= 1
    assert np.median(found) < 1.2


def test_half_minutes_that_repeat_within_a_wearer_count_once():
    owners = np.repeat(np.arange(40), 10)
    blocks = np.repeat(np.random.default_rng(1).normal(size=40), 10)
    assert design_effect(blocks, owners) == pytest.approx(10, rel=0.05)


def test_the_design_effect_grows_with_likeness():
    rng = np.random.default_rng(2)
    owners = np.repeat(np.arange(40), 10)
    level, noise = np.repeat(rng.normal(size=40), 10), rng.normal(size=400)
    found = [design_effect(share * level + (1 - share) * noise, owners) for share in (0.0, 0.4, 0.7, 1.0)]
    assert found == sorted(found)


def test_one_wearer_is_worth_one_half_minute():
    assert design_effect(np.random.default_rng(3).normal(size=50), np.full(50, "a")) == 50


def test_the_intervals_are_those_of_clopper_and_pearson():
    low, high = intervals(20, 20.0)
    assert low[0] == 0
    assert high[0] == pytest.approx(1 - 0.025 ** (1 / 20))  # the rule of three's exact form
    assert (low[5], high[5]) == pytest.approx((0.0866, 0.4910), abs=1e-4)  # Clopper & Pearson, 5 of 20
    assert low[20] == pytest.approx(0.025 ** (1 / 20))
    assert high[20] == 1


def test_intervals_of_nothing_say_nothing():
    low, high = intervals(1, 1.0)
    assert low[0] == 0
    assert high[0] > 0.97
    assert high[1] == 1


def test_anchors_are_points_far_apart_and_repeat_with_their_seed():
    points = np.random.default_rng(4).normal(size=(500, 6)).astype(np.float32)
    chosen = farthest_points(points, 20, 0)
    assert np.array_equal(chosen, farthest_points(points, 20, 0))
    assert all((points == place).all(axis=1).any() for place in chosen)
    apart = np.linalg.norm(chosen[:, None] - chosen[None], axis=2)[~np.eye(20, dtype=bool)]
    assert apart.min() > np.median(np.linalg.norm(points[:250] - points[250:], axis=1)) / 2
    assert farthest_points(points[:3], 5, 0).shape == (5, 6)


@pytest.fixture(scope="module")
def forms(small_bundle, simulated, bundle):
    windows = cut_recording(simulated, bundle.model.layout)
    features = extract(windows.samples_g, bundle.model.layout.segments)
    networks = [OnnxRuntime((small_bundle / name).read_bytes()) for name in ("fp32.onnx", "model.onnx")]
    return [network.run(features) for network in networks]


def test_both_forms_give_the_same_shapes_for_any_number_of_rows(small_bundle):
    for name in ("fp32.onnx", "model.onnx"):
        network = OnnxRuntime((small_bundle / name).read_bytes())
        for count in (1, 2, 7, 300):
            answer = network.run(np.zeros((count, 8, 128), np.float32))
            assert [values.shape for values in answer] == [(count, width) for width in (64, 64, 64, 9)]
            assert len(answer) == len(OUTPUTS)


def test_int8_is_near_fp32_on_movement_that_it_was_not_ranged_on(forms):
    for name, full, small in zip(OUTPUTS, *forms, strict=True):
        assert np.abs(full - small).mean() < 0.1 * full.std(), name
        assert np.corrcoef(full.ravel(), small.ravel())[0, 1] > 0.99, name


def test_fp32_is_the_student(small_bundle, bundle, simulated):
    import torch

    from training.model import Student

    torch.manual_seed(1)
    student = Student(segments=bundle.model.layout.segments, width=8, context=8).eval()
    windows = cut_recording(simulated, bundle.model.layout)
    features = extract(windows.samples_g[:20], bundle.model.layout.segments)
    found = OnnxRuntime((small_bundle / "fp32.onnx").read_bytes()).run(features)
    with torch.no_grad():
        wanted = student(torch.from_numpy(features))
    for one, two in zip(found, wanted, strict=True):
        assert np.allclose(one, two.numpy(), atol=1e-4)


def test_int8_weights_are_signed_per_channel_and_activations_unsigned(small_bundle):
    import onnx

    graph = onnx.load(small_bundle / "model.onnx").graph
    kinds = {array.name: array.data_type for array in graph.initializer}
    sizes = {array.name: array.dims for array in graph.initializer}
    links = [node for node in graph.node if node.op_type == "DequantizeLinear"]
    weights = [node for node in links if kinds.get(node.input[0]) == onnx.TensorProto.INT8]
    assert weights
    assert any(list(sizes[node.input[1]]) not in ([], [1]) for node in weights)
    activations = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    assert {kinds[node.input[2]] for node in activations} == {onnx.TensorProto.UINT8}


def weights_of(graph):
    """The 8-bit weights of each Conv and Gemm, by the operator's name; None where an input is not from 8 bits."""
    import onnx

    arrays = {array.name: onnx.numpy_helper.to_array(array) for array in graph.initializer}
    from_8_bits = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    found = {}
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            values, weight = node.input[:2]
            found[node.name] = arrays.get(from_8_bits.get(weight)) if values in from_8_bits else None
    return found


def test_every_convolution_and_every_layer_computes_in_8_bits_with_weights_of_7(small_bundle):
    import onnx

    found = weights_of(onnx.load(small_bundle / "model.onnx").graph)
    assert len(found) == 16  # stem, three blocks of two, gather, describe, the context's four, the trunk's three
    assert not [name for name, weights in found.items() if weights is None]
    for name, weights in found.items():
        assert weights.dtype == np.int8, name
        assert np.abs(weights.astype(int)).max() <= 64, name
    assert any(np.abs(weights.astype(int)).max() >= 63 for weights in found.values())


def test_the_calibration_states_what_it_rests_on(bundle):
    for name, facts in bundle.manifest.calibration.items():
        known = bundle.model.calibration.families[bundle.model.layout.families.index(name)]
        assert isinstance(facts, CalibrationFacts)
        assert len(known.scores) == facts.half_minutes
        assert 1 <= facts.effective_half_minutes <= facts.half_minutes
        assert known.wearers == facts.wearers == 6


def test_the_scale_puts_the_median_window_at_0_and_the_nine_in_ten_half_minute_at_1(bundle):
    for index, known in enumerate(bundle.model.calibration.families):
        assert np.quantile(known.scores, 0.9) == pytest.approx(1)
        for part, values in zip(PARTS, known.parts, strict=True):
            assert (len(values) == 0) == (part == "freezing" and bundle.model.layout.families[index] not in LEGS)
            assert (np.diff(values) >= 0).all()
            if part == "fall":  # the others hear what came before only where windows follow each other, as live
                assert np.quantile(values, 0.9) == pytest.approx(1)


def test_the_head_for_falls_is_stored_as_it_is_used(bundle, small_bundle):
    with np.load(small_bundle / "prototypes.npz") as arrays:
        for name in ("first", "first_bias", "second", "second_bias", "last"):
            stored = arrays[f"known_{name}"]
            assert stored.dtype == np.float16
            assert np.array_equal(stored.astype(np.float32), getattr(bundle.model.prototypes.known, name))
    assert bundle.manifest.known == ["fall"]
    assert bundle.model.prototypes.echo == bundle.manifest.echo == ECHO


def lot(count, label=0):
    """Windows of two wearers, their sessions in order."""
    rng = np.random.default_rng(0)
    samples_g = (rng.normal(0, 0.3, (count, 3, 128)) + np.array([0, 0, 1])[:, None]).astype(np.float32)
    half = count // 2
    wearer, end_s = np.repeat(["a", "b"], half), np.tile(np.arange(half) * 0.5, 2)
    family = np.full(count, LAYOUT.families.index("ankle"))
    labels = np.full(count, label, np.int8)
    return NormalWindows(
        samples_g, family, wearer, np.char.add(wearer, "/r/ankle"), end_s, np.arange(count), labels, labels == 0
    )


def test_a_head_is_only_learnt_from_enough_labelled_windows(bundle):
    few = replace(lot(200), label=(np.arange(200) < FEWEST_EVENTS - 1).astype(np.int8))
    assert learn(bundle.model.runtime, LAYOUT, few, seed=1) is None


def test_what_a_head_learns_from_is_what_the_agent_will_remember(bundle):
    windows = lot(60)
    inputs = _inputs(bundle.model.runtime, LAYOUT, windows, windows.samples_g)
    embedding = embed(bundle.model.runtime, LAYOUT, windows.samples_g)
    scorer = Scorer(bundle.model.runtime, bundle.model.prototypes, LAYOUT.segments, LAYOUT.rate_hz, LAYOUT.hop_s)
    _, anatomy = scorer.score(rows(windows))
    assert inputs.shape == (60, (1 + LAGS) * 64)
    assert np.array_equal(inputs[:, :64], embedding)
    masked = np.where(anatomy.before.known[..., None], anatomy.before.places, 0).reshape(60, -1)
    assert np.allclose(inputs[:, 64:], masked, atol=1e-6)
    assert anatomy.before.known.sum(axis=1)[:5].tolist() == [0, 1, 2, 3, 3]
    assert anatomy.before.known[30].sum() == 0  # another wearer's first


def test_a_head_tells_what_it_was_taught(bundle):
    """Still windows are events here, moving ones are not."""
    windows = lot(1200)
    still = np.arange(1200) % 20 < 4
    lying = windows.samples_g * 0.02 + np.float32([0.9, 0, 0])[:, None]
    samples_g = np.where(still[:, None, None], lying, windows.samples_g)
    taught = replace(windows, samples_g=samples_g.astype(np.float32), label=still.astype(np.int8))
    known = learn(bundle.model.runtime, LAYOUT, taught, seed=1)
    inputs = _inputs(bundle.model.runtime, LAYOUT, taught, taught.samples_g)
    everything = np.ones((1200, LAGS), np.bool_)
    logit = known.evidence(inputs[:, :64], inputs[:, 64:].reshape(1200, LAGS, 64), everything)
    assert roc_auc(taught.label, logit.astype(float)) > 0.95
    again = learn(bundle.model.runtime, LAYOUT, taught, seed=1)
    assert np.array_equal(known.first, again.first)


def test_nobody_freezes_without_a_leg_and_a_family_without_a_head_cannot_fall(bundle):
    calibrated = calibrate(bundle.model.runtime, WORN, *by_family(lot(400)), None, seed=1)
    scale = calibrated.prototypes.norms.scale
    assert np.isnan(scale[:, FALL]).all()
    assert np.isfinite(scale[:, FREEZING]).all()  # the trunk is asked where a leg is worn
    assert calibrated.prototypes.legs.tolist() == [False, True]
    assert np.isfinite(scale[:, [OPEN, MERGED]]).all()
    for known, name in zip(calibrated.calibration.families, WORN.families, strict=True):
        assert [len(values) > 0 for values in known.parts] == [True, False, name in LEGS]
    assert manifest_of(RECORD, WORN, calibrated, {}).known == []


def test_a_bundle_without_a_head_opens_and_scores(bundle, small_bundle, tmp_path):
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "model.onnx").write_bytes((small_bundle / "model.onnx").read_bytes())
    calibrated = calibrate(bundle.model.runtime, WORN, *by_family(lot(400)), None, seed=1)
    write_parts(calibrated, WORN, {"onnx": bundle.model.runtime}, folder)
    opened = seal(manifest_of(RECORD, WORN, calibrated, {}), folder)
    assert opened.model.prototypes.known is None
    assert opened.manifest.layout.families == ("waist", "ankle")
    assert np.array_equal(np.isnan(opened.model.prototypes.norms.scale), np.isnan(calibrated.prototypes.norms.scale))


def by_family(windows):
    """The same windows twice, once for each family of `WORN`, to train and to calibrate on."""
    both = replace(windows, family=np.arange(len(windows.family)) // 50 % 2)
    return both, both


def test_the_bundle_is_small_enough_to_ship(small_bundle):
    assert size(small_bundle) < LARGEST_BUNDLE
