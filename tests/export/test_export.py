"""Export: half-minutes, design effect and intervals by hand; a tiny student through fp32 and int8."""

import numpy as np
import pytest

for name in ("torch", "onnx", "onnxscript", "sklearn"):
    pytest.importorskip(name, reason=f"{name} is absent: export is NOT tested")

from agent.batch import cut_recording  # noqa: E402
from agent.bundle import CalibrationFacts  # noqa: E402
from agent.features import extract  # noqa: E402
from agent.runtime.onnx import OnnxRuntime  # noqa: E402
from export.calibration import design_effect, farthest_points, half_minutes, intervals  # noqa: E402
from export.pack import LARGEST_BUNDLE, size  # noqa: E402


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
        for rows in (1, 2, 7, 300):
            outputs = network.run(np.zeros((rows, 8, 128), np.float32))
            assert [values.shape for values in outputs] == [(rows, 64)] * 3 + [(rows, 9)]


def test_int8_is_near_fp32_on_movement_that_it_was_not_ranged_on(forms):
    for full, small in zip(*forms, strict=True):
        assert np.abs(full - small).mean() < 0.1 * full.std()
        assert np.corrcoef(full.ravel(), small.ravel())[0, 1] > 0.99


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


def test_the_calibration_states_what_it_rests_on(bundle):
    for name, facts in bundle.manifest.calibration.items():
        known = bundle.model.calibration.families[bundle.model.layout.families.index(name)]
        assert isinstance(facts, CalibrationFacts)
        assert len(known.scores) == facts.half_minutes
        assert 1 <= facts.effective_half_minutes <= facts.half_minutes
        assert known.wearers == facts.wearers == 6


def test_the_scale_puts_the_median_window_at_0_and_the_nine_in_ten_half_minute_at_1(bundle):
    for known in bundle.model.calibration.families:
        assert np.quantile(known.scores, 0.9) == pytest.approx(1)


def test_the_bundle_is_small_enough_to_ship(small_bundle):
    assert size(small_bundle) < LARGEST_BUNDLE
