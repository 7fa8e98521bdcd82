"""A bundle opens whole or not at all; each refusal is one line that says why."""

import hashlib
import io
import pickle
import shutil
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import pytest

from agent.bundle import LARGEST_FILE, open_bundle
from agent.errors import BundleError
from agent.manifest import CARD, FILES, MANIFEST, agent_version
from agent.score import SHARED


@pytest.fixture
def copy(small_bundle, tmp_path) -> Path:
    return Path(shutil.copytree(small_bundle, tmp_path / "copy"))


def refusal(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        open_bundle(path)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 500
    return text


def manifest(path: Path) -> dict:
    return msgspec.json.decode((path / MANIFEST).read_bytes())


def rewrite(path: Path, **fields) -> None:
    (path / MANIFEST).write_bytes(msgspec.json.encode(manifest(path) | fields))


def replace_file(path: Path, name: str, content: bytes) -> None:
    """Put in another file, with its right digest: what an attacker, or a wrong export, would do."""
    (path / name).write_bytes(content)
    rewrite(path, files=manifest(path)["files"] | {name: hashlib.sha256(content).hexdigest()})


def arrays(path: Path, name: str) -> dict:
    with np.load(path / name, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def packed(**content) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **content)
    return buffer.getvalue()


def change(path: Path, name: str, **content) -> None:
    """Replace some arrays of one file; None removes one."""
    kept = arrays(path, name) | content
    replace_file(path, name, packed(**{key: value for key, value in kept.items() if value is not None}))


def test_a_whole_bundle_opens_and_is_known_by_the_digest_of_its_manifest(bundle, small_bundle):
    assert bundle.digest == hashlib.sha256((small_bundle / MANIFEST).read_bytes()).hexdigest()
    assert bundle.id == manifest(small_bundle)["id"]
    assert bundle.model.layout.window_samples == 128
    assert bundle.model.runtime.provider == "CPUExecutionProvider"


@pytest.mark.parametrize("name", [MANIFEST, *FILES, CARD])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    assert name in refusal(copy)


@pytest.mark.parametrize("name", [MANIFEST, *FILES, CARD])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_named(copy, name, kept):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: int(kept * len(content))])
    assert name in refusal(copy)


@pytest.mark.parametrize("name", [*FILES, CARD])
@pytest.mark.parametrize("place", [0.0, 0.3, 0.7, 0.999])
def test_a_flipped_byte_is_found(copy, name, place):
    content = bytearray((copy / name).read_bytes())
    content[int(place * len(content))] ^= 1
    (copy / name).write_bytes(content)
    assert "digest" in refusal(copy)


def test_a_bundle_without_a_card_opens_as_it_always_did(copy):
    (copy / CARD).unlink()
    rewrite(copy, files={name: digest for name, digest in manifest(copy)["files"].items() if name != CARD})
    assert open_bundle(copy).card is None


def test_show_is_json_and_says_where_the_card_lies(small_bundle, veille):
    shown = veille("bundle", "show", small_bundle)
    assert msgspec.json.decode(shown.stdout)["files"][CARD]
    assert str(small_bundle / CARD) in shown.stderr


def test_a_flipped_byte_in_a_digest_is_found(copy):
    text = (copy / MANIFEST).read_bytes()
    digest = manifest(copy)["files"]["model.onnx"].encode()
    (copy / MANIFEST).write_bytes(text.replace(digest, digest[:-1] + (b"0" if digest[-1:] != b"0" else b"1")))
    assert "model.onnx" in refusal(copy)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"null", b'"veille"', b"{", b"{}", b"\x00" * 100])
def test_a_manifest_that_is_none_is_refused(copy, content):
    (copy / MANIFEST).write_bytes(content)
    refusal(copy)


def test_a_newer_schema_is_refused_by_name(copy):
    rewrite(copy, schema="veille-bundle/2")
    assert "'veille-bundle/2'" in refusal(copy)
    assert "'veille-bundle/1'" in refusal(copy)
    (copy / MANIFEST).write_bytes(b'{"schema": "veille-bundle/9", "all": "else is different"}')
    assert "veille-bundle/9" in refusal(copy)


def test_a_bundle_that_needs_a_newer_agent_is_refused(copy):
    rewrite(copy, minimum_agent="999.0.0")
    assert "needs agent 999.0.0" in refusal(copy)
    assert agent_version() in refusal(copy)


def test_further_fields_and_files_do_no_harm(copy):
    (copy / "model.engine").write_bytes(b"for another runtime")
    rewrite(copy, colour="blue", files=manifest(copy)["files"] | {"model.engine": "0" * 64})
    open_bundle(copy)


@pytest.mark.parametrize("field", ["id", "layout", "files", "limits", "golden_tolerance", "calibration"])
def test_a_manifest_without_a_field_is_refused(copy, field):
    left = {key: value for key, value in manifest(copy).items() if key != field}
    (copy / MANIFEST).write_bytes(msgspec.json.encode(left))
    assert field in refusal(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_manifest_that_names_no_digest_for_a_file_is_refused(copy, name):
    rewrite(copy, files={key: value for key, value in manifest(copy)["files"].items() if key != name})
    assert name in refusal(copy)


@pytest.mark.parametrize("name", ["prototypes.npz", "calibration.npz", "golden.npz"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x93NUMPY\x01\x00", pickle.dumps({"places": 1})])
def test_an_archive_that_is_none_is_refused_even_with_its_right_digest(copy, name, content):
    replace_file(copy, name, content)
    assert name in refusal(copy)


@pytest.mark.parametrize("name", ["prototypes.npz", "calibration.npz", "golden.npz"])
def test_a_pickled_array_is_refused_and_never_run(copy, name, tmp_path):
    class Attack:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "harm",))

    key = next(iter(arrays(copy, name)))
    change(copy, name, **{key: np.array([Attack()], dtype=object)})
    (tmp_path / "harm").unlink(missing_ok=True)
    assert name in refusal(copy)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("name", ["prototypes.npz", "calibration.npz", "golden.npz"])
def test_a_single_array_or_a_damaged_member_is_refused(copy, name):
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3))
    replace_file(copy, name, buffer.getvalue())
    assert name in refusal(copy)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("places.npy", b"not an array")
    replace_file(copy, name, buffer.getvalue())
    assert name in refusal(copy)


WRONG_PROTOTYPES = {
    "places": [None, np.zeros((3, 64)), np.zeros(5), np.zeros((3, 2, 2)), np.array(["a"])],
    "family": [None, np.zeros(3), np.array(["a"])],
    "median": [None, np.zeros(2), np.full(5, np.nan)],
    "scale": [None, np.zeros(5), np.full(5, -1.0), np.full(5, np.nan), np.ones(4)],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, many in WRONG_PROTOTYPES.items() for value in many])
def test_prototypes_that_do_not_fit_are_refused(copy, key, value):
    change(copy, "prototypes.npz", **{key: value})
    assert "prototypes.npz" in refusal(copy)


@pytest.mark.parametrize("part", ["fall", "score"])
@pytest.mark.parametrize("what", ["median", "scale"])
@pytest.mark.parametrize("value", [None, np.zeros(4), np.full(5, np.nan), np.full((5, 2), 1.0), np.array(["a"] * 5)])
def test_norms_of_a_part_that_do_not_fit_are_refused_by_name(copy, part, what, value):
    change(copy, "prototypes.npz", **{f"{part}_{what}": value})
    assert "prototypes.npz" in refusal(copy)


@pytest.mark.parametrize("name", ["scale", "fall_scale", "freezing_scale", "score_scale"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.inf])
def test_one_scale_of_a_part_that_is_none_is_refused(copy, name, value):
    scale = arrays(copy, "prototypes.npz")[name]
    scale[-1] = value  # the ankle, which has all parts
    change(copy, "prototypes.npz", **{name: scale})
    assert "scales above 0" in refusal(copy)


def test_norms_that_are_missing_are_named(copy):
    change(copy, "prototypes.npz", freezing_median=None)
    assert "'freezing_median': missing" in refusal(copy)


def test_families_that_cannot_freeze_have_no_scale_and_that_is_right(bundle, small_bundle):
    families = bundle.model.layout.families
    limbs = np.isfinite(arrays(small_bundle, "prototypes.npz")["freezing_scale"])
    assert [name for name, one in zip(families, limbs, strict=True) if not one] == ["wrist"]
    legs = bundle.model.prototypes.legs.tolist()
    assert [name for name, leg in zip(families, legs, strict=True) if leg] == ["thigh", "ankle"]
    assert [len(known.parts[2]) > 0 for known in bundle.model.calibration.families] == legs


def test_legs_must_fit_the_families_and_may_be_left_out(copy):
    change(copy, "prototypes.npz", legs=np.ones(3, np.bool_))
    assert "shapes do not fit" in refusal(copy)
    change(copy, "prototypes.npz", legs=None)
    assert open_bundle(copy, examine=False).model.prototypes.legs is None


HEAD = ("first", "first_bias", "second", "second_bias", "last", "last_bias")
HARM = {
    "missing": lambda values: None,
    "nan": lambda values: values * np.nan,
    "infinite": lambda values: values + np.inf,
    "short": lambda values: values[:-1] if values.ndim else np.zeros(2),
    "deeper": lambda values: values[None] if values.ndim else np.zeros((2, 2)),
    "words": lambda values: np.array("word"),
}


@pytest.mark.parametrize("name", HEAD)
@pytest.mark.parametrize("harm", HARM)
def test_a_head_for_falls_that_does_not_fit_is_refused(copy, name, harm):
    values = HARM[harm](arrays(copy, "prototypes.npz")[f"known_{name}"])
    change(copy, "prototypes.npz", **{f"known_{name}": values})
    told = refusal(copy)
    assert "prototypes.npz: " in told
    assert "head for falls" in told or "not numbers" in told


def test_a_bundle_that_names_no_head_does_not_need_one_but_then_answers_otherwise(copy):
    change(copy, "prototypes.npz", **{f"known_{name}": None for name in HEAD})
    assert "'known_first': missing" in refusal(copy)
    rewrite(copy, known=[])
    assert "golden" in refusal(copy)


@pytest.mark.parametrize("echo", [-0.1, 1.0, "much"])
def test_an_echo_that_would_not_die_away_is_refused(copy, echo):
    rewrite(copy, echo=echo)
    assert "echo" in refusal(copy)


@pytest.mark.parametrize("part", ["open", "fall", "freezing"])
@pytest.mark.parametrize(
    "value", [None, np.array(["a", "b"]), np.zeros((2, 2)), np.array([2.0, 1.0]), np.full(3, np.nan)]
)
def test_half_minutes_of_a_part_that_do_not_fit_are_refused(copy, part, value):
    change(copy, "calibration.npz", **{f"ankle_{part}": value})
    told = refusal(copy)
    assert "calibration.npz" in told
    assert "ankle" in told


def test_prototypes_of_another_width_are_refused(copy):
    places = arrays(copy, "prototypes.npz")["places"]
    change(copy, "prototypes.npz", places=places[:, :-1])
    refusal(copy)


@pytest.mark.parametrize("index", [-2, 5, 100])
def test_prototypes_of_an_unknown_family_are_refused(copy, index):
    family = arrays(copy, "prototypes.npz")["family"].astype(np.int64)
    family[-1] = index
    change(copy, "prototypes.npz", family=family)
    assert "prototypes.npz" in refusal(copy)


def test_a_family_without_any_prototype_is_refused_before_someone_wears_it(copy):
    known = arrays(copy, "prototypes.npz")
    kept = ~np.isin(known["family"], [SHARED, 4])
    change(copy, "prototypes.npz", places=known["places"][kept], family=known["family"][kept])
    assert "prototypes.npz" in refusal(copy)


@pytest.mark.parametrize("part", ["scores", "low", "high", "wearers"])
@pytest.mark.parametrize("value", [None, np.array([]), np.array(["a", "b"]), np.full((2, 2), 0.5), np.full(19, np.nan)])
def test_a_calibration_that_does_not_fit_is_refused(copy, part, value):
    change(copy, "calibration.npz", **{f"ankle_{part}": value})
    assert "calibration.npz" in refusal(copy)


def test_a_calibration_whose_scores_do_not_ascend_is_refused(copy):
    scores = arrays(copy, "calibration.npz")["ankle_scores"]
    change(copy, "calibration.npz", ankle_scores=scores[::-1])
    assert "ascend" in refusal(copy)


@pytest.mark.parametrize("key", ["score", "embedding", "samples_g", "p_value", "fault", "right", "wrong"])
def test_another_golden_result_is_refused(copy, key):
    other = arrays(copy, "golden.npz")[key].astype(float)
    other.flat[0] += 1
    change(copy, "golden.npz", **{key: other})
    assert key in refusal(copy)


@pytest.mark.parametrize("key", ["score", "labels", "stream_t_s", "end_s"])
def test_a_golden_stream_that_lacks_something_is_refused(copy, key):
    change(copy, "golden.npz", **{key: None})
    assert "golden.npz" in refusal(copy)


def test_a_golden_stream_of_before_the_evidential_layer_is_enough(copy):
    change(copy, "golden.npz", right=None, wrong=None)
    assert open_bundle(copy).model.layer is None


def test_other_golden_verdicts_are_refused(copy):
    change(copy, "golden.npz", labels=~arrays(copy, "golden.npz")["labels"])
    assert "verdicts differ" in refusal(copy)


def test_a_golden_stream_that_examines_nothing_is_refused(copy):
    golden = arrays(copy, "golden.npz")
    empty = {key: value[:0] for key, value in golden.items()}
    change(copy, "golden.npz", **empty)
    assert "golden.npz" in refusal(copy)
    short = empty | {key: value[:50] for key, value in golden.items() if key.startswith("stream_")}
    change(copy, "golden.npz", **short)
    assert "golden" in refusal(copy)


@pytest.mark.parametrize(
    "layout",
    [
        {"segments": 5},
        {"window_samples": 0},
        {"rate_hz": -50.0},
        {"hop_samples": 0},
        {"window_samples": 1_000_000},
        {"positions": {"waist": "moon", "right_wrist": "wrist"}},
        {"positions": {"waist": "waist", "right_wrist": "wrist", "ear": "moon"}},
        {"positions": {}},
        {"rate_hz": 25.0},
        {"families": ["wrist"]},
    ],
)
def test_a_layout_that_does_not_fit_is_refused(copy, layout):
    rewrite(copy, layout=manifest(copy)["layout"] | layout)
    refusal(copy)


def network(onnx, nodes, given, outputs) -> bytes:
    graph = onnx.helper.make_graph(nodes, "g", [given], outputs)
    opset = [onnx.helper.make_opsetid("", 13)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def test_a_network_that_is_none_or_of_another_shape_is_refused(copy):
    import onnx

    replace_file(copy, "model.onnx", b"no network")
    assert "model.onnx" in refusal(copy)
    same = onnx.helper.make_tensor_value_info("x", 1, ["n", 8, 99])
    outputs = [onnx.helper.make_tensor_value_info(name, 1, None) for name in ("out_embedding", "b", "c")]
    nodes = [onnx.helper.make_node("Identity", ["x"], [value.name]) for value in outputs]
    replace_file(copy, "model.onnx", network(onnx, nodes, same, outputs))
    assert "outputs" in refusal(copy)
    for node, value, name in zip(nodes, outputs, ("out_embedding", "out_expected", "out_log_variance"), strict=True):
        node.output[0] = value.name = name
    replace_file(copy, "model.onnx", network(onnx, nodes, same, outputs))
    refusal(copy)


def test_what_is_no_directory_is_refused(tmp_path, copy):
    assert str(tmp_path / "nowhere") in refusal(tmp_path / "nowhere")
    assert "Not a directory" in refusal(copy / MANIFEST)


def test_a_huge_file_is_refused_unread(copy):
    with (copy / "golden.npz").open("ab") as file:
        file.truncate(LARGEST_FILE + 1)
    assert "larger than" in refusal(copy)
