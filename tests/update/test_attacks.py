"""Attack bundles: none is accepted. Each goes the whole way of `open_bundle`, as a gateway would.

Two walls, each tested without the other's help. From an attacker without the key, nothing may get past the signature.
And what the publisher signed by mistake, or a thief with the publisher's key, must still be a bundle that can do no
other harm than to judge badly.
"""

import base64
import dataclasses
import io
import json
import os
import pickle
import shutil
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from agent.bundle import NETWORKS, default_bundle_path, open_bundle
from agent.errors import BundleError
from agent.golden import golden_arrays
from agent.manifest import CARD, MANIFEST
from agent.recording import Recording
from agent.runtime.onnx import OnnxRuntime
from agent.signature import SIGNATURE

ALL = (MANIFEST, SIGNATURE, "model.onnx", "prototypes.npz", "calibration.npz", "golden.npz", CARD, *NETWORKS["litert"])
ARCHIVES = ("prototypes.npz", "calibration.npz", "golden.npz")


def refused(folder: Path, keyring) -> str:
    began = time.monotonic()
    with pytest.raises(BundleError) as caught:
        open_bundle(folder, keyring=keyring)
    assert time.monotonic() - began < 20
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700
    return str(caught.value)


def packed(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def unpacked(folder: Path, name: str) -> dict[str, np.ndarray]:
    with np.load(folder / name) as archive:
        return {key: archive[key] for key in archive.files}


def shifted(folder: Path, by: float) -> bytes:
    """The calibration with all scores moved."""
    found = unpacked(folder, "calibration.npz")
    return packed(**{key: value + by * key.endswith("_scores") for key, value in found.items()})


# --- without the key --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_a_flipped_byte_in_any_file(signed, keyring, name, place):
    content = bytearray((signed / name).read_bytes())
    content[int(place * len(content))] ^= 1
    (signed / name).write_bytes(content)
    refused(signed, keyring)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.999])
def test_any_file_truncated(signed, keyring, name, kept):
    content = (signed / name).read_bytes()
    (signed / name).write_bytes(content[: int(kept * len(content))])
    refused(signed, keyring)


@pytest.mark.parametrize("name", ALL)
def test_any_file_missing(signed, keyring, name):
    (signed / name).unlink()
    refused(signed, keyring)


def test_a_calibration_swapped_for_a_kinder_one_with_its_right_digest(signed, keyring, workshop):
    kinder = {
        key: value - 3 if key.endswith("_scores") else value for key, value in unpacked(signed, ARCHIVES[1]).items()
    }
    workshop.put(signed, "calibration.npz", packed(**kinder))
    assert "another manifest" in refused(signed, keyring)


def test_mix_and_match_of_two_bundles_that_are_both_signed(signed, keyring, keys, workshop, tmp_path):
    other = workshop.copy(default_bundle_path(), tmp_path / "other", "other")
    scores = {
        key: value * 1.01 if key.endswith("_scores") else value for key, value in unpacked(other, ARCHIVES[1]).items()
    }
    workshop.put(other, "calibration.npz", packed(**scores))
    workshop.sign(other, keys)
    shutil.copy(other / "calibration.npz", signed)
    assert "differs from its digest" in refused(signed, keyring)
    shutil.copy(other / SIGNATURE, signed)
    assert "another manifest" in refused(signed, keyring)


def test_a_signature_by_somebody_else(signed, keyring, other_keys, workshop):
    assert "not signed by a key of the anchor" in refused(workshop.sign(signed, other_keys), keyring)


def test_a_signature_by_somebody_else_under_the_name_of_the_publishers_key(signed, keyring, keys, other_keys, workshop):
    name = json.loads((signed / SIGNATURE).read_text())["signatures"][0]["keyid"]
    envelope = json.loads((workshop.sign(signed, other_keys) / SIGNATURE).read_text())
    envelope["signatures"][0]["keyid"] = name
    (signed / SIGNATURE).write_text(json.dumps(envelope))
    assert "not signed by a key of the anchor" in refused(signed, keyring)


@pytest.mark.parametrize("name", ["root", "online"])
def test_a_signature_with_the_publishers_key_for_something_else(signed, keyring, keys, name):
    from securesystemslib.dsse import Envelope

    from agent.signature import PAYLOAD_TYPE
    from export.keys import read_key

    envelope = Envelope((signed / MANIFEST).read_bytes(), PAYLOAD_TYPE, {})
    envelope.sign(read_key(keys, name))
    (signed / SIGNATURE).write_text(json.dumps(envelope.to_dict()))
    refused(signed, keyring)


def test_something_else_that_the_right_key_signed(signed, keyring, keys, workshop):
    assert "not a bundle" in refused(workshop.sign(signed, keys, "application/vnd.in-toto+json"), keyring)


@pytest.mark.parametrize("signatures", [[], None, [{"keyid": "a", "sig": ""}], [{"keyid": "a", "sig": "%"}], "x"])
def test_an_envelope_without_a_signature(signed, keyring, signatures):
    envelope = json.loads((signed / SIGNATURE).read_text()) | {"signatures": signatures}
    (signed / SIGNATURE).write_text(json.dumps(envelope))
    refused(signed, keyring)


def test_one_signature_many_times_over(signed, keyring):
    envelope = json.loads((signed / SIGNATURE).read_text())
    envelope["signatures"] *= 5
    (signed / SIGNATURE).write_text(json.dumps(envelope))
    refused(signed, keyring)


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b"[" * 100_000, b"\xff" * 1000])
def test_an_envelope_that_is_none(signed, keyring, content):
    (signed / SIGNATURE).write_bytes(content)
    refused(signed, keyring)


def test_an_envelope_without_end(signed, keyring):
    (signed / SIGNATURE).write_bytes(b" " * (2**20 + 1))
    assert "larger than" in refused(signed, keyring)


def test_a_further_file(signed, keyring):
    (signed / "sitecustomize.py").write_text("raise SystemExit")
    assert "was not signed with this bundle" in refused(signed, keyring)


@pytest.mark.parametrize("name", [MANIFEST, SIGNATURE, "golden.npz"])
def test_a_folder_in_the_place_of_a_file(signed, keyring, name):
    (signed / name).unlink()
    (signed / name).mkdir()
    refused(signed, keyring)


def test_a_folder_in_it(signed, keyring):
    (signed / "model.onnx.data").mkdir()
    refused(signed, keyring)


@pytest.mark.parametrize("name", [name for name in ALL if name != SIGNATURE])
def test_a_link_in_the_place_of_a_file_even_to_the_same_bytes(signed, keyring, tmp_path, name):
    shutil.move(signed / name, tmp_path / name)
    (signed / name).symlink_to(tmp_path / name)
    assert "no plain file" in refused(signed, keyring)


@pytest.mark.parametrize("name", [MANIFEST, SIGNATURE, "model.onnx"])
def test_a_pipe_in_the_place_of_a_file_does_not_hold_us_up(signed, keyring, name):
    (signed / name).unlink()
    os.mkfifo(signed / name)
    assert "no plain file" in refused(signed, keyring)


# --- signed, and bad all the same -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "sub/model.onnx", "model.onnx\0"])
def test_path_traversal_in_the_manifest(signed, keyring, keys, workshop, name):
    files = json.loads((signed / MANIFEST).read_text())["files"]
    workshop.rewrite(signed, files=files | {name: files["model.onnx"]})
    assert "which it names" in refused(workshop.sign(signed, keys), keyring)
    del files["model.onnx"]
    workshop.rewrite(signed, files=files | {name: "0" * 64})
    refused(workshop.sign(signed, keys), keyring)


@pytest.mark.parametrize("name", ["../harm.npy", "/tmp/harm.npy"])
def test_path_traversal_in_an_archive(signed, keyring, keys, workshop, name, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        array = io.BytesIO()
        np.save(array, np.zeros(3))
        archive.writestr(name, array.getvalue())
    workshop.put(signed, "calibration.npz", buffer.getvalue())
    refused(workshop.sign(signed, keys), keyring)
    assert not (signed.parent / "harm.npy").exists()
    assert not Path("/tmp/harm.npy").exists()


def bomb(size: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("places.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "<f4", "fortran_order": False, "shape": (size // 4,)})
        for _ in range(size >> 20):
            member.write(bytes(1 << 20))
    return buffer.getvalue()


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_zip_bomb(signed, keyring, keys, workshop, name):
    workshop.put(signed, name, bomb(1 << 30))
    assert "at most" in refused(workshop.sign(signed, keys), keyring)


def test_a_zip_bomb_that_lies_about_its_size(signed, keyring, keys, workshop):
    content = bytearray(bomb(256 << 20))
    honest = struct.pack("<L", (256 << 20) + 128)
    assert honest in content
    workshop.put(signed, "prototypes.npz", bytes(content.replace(honest, struct.pack("<L", 1024))))
    refused(workshop.sign(signed, keys), keyring)


def test_ten_thousand_members(signed, keyring, keys, workshop):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(10_000):
            archive.writestr(f"{number}.npy", b"")
    workshop.put(signed, "prototypes.npz", buffer.getvalue())
    assert "10000 members" in refused(workshop.sign(signed, keys), keyring)


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz", MANIFEST, SIGNATURE])
def test_an_oversized_file(signed, keyring, keys, workshop, name):
    with (signed / name).open("ab") as file:
        file.truncate(1 << 30)
    assert "larger than" in refused(signed, keyring)


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_pickle_inside(signed, keyring, keys, workshop, name, tmp_path):
    class Attack:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "harm",))

    arrays = unpacked(signed, name)
    first = next(iter(arrays))
    workshop.put(signed, name, packed(**arrays | {first: np.array([Attack()], dtype=object)}))
    (tmp_path / "harm").unlink(missing_ok=True)
    refused(workshop.sign(signed, keys), keyring)
    workshop.put(signed, name, pickle.dumps(Attack()))
    refused(workshop.sign(signed, keys), keyring)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("shape", [(2**40,), (2**31, 2**31), (2**62, 4), (-1,), (2**20, 2**10, 0, 5)])
@pytest.mark.parametrize("name", ARCHIVES)
def test_a_shape_that_is_not_there(signed, keyring, keys, workshop, name, shape):
    buffer, arrays = io.BytesIO(), unpacked(signed, name)
    with zipfile.ZipFile(buffer, "w") as archive:
        for key in arrays:
            with archive.open(f"{key}.npy", "w") as member:
                header = {"descr": "<f8", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_2_0(member, header)
                member.write(bytes(64))
    workshop.put(signed, name, buffer.getvalue())
    assert name in refused(workshop.sign(signed, keys), keyring)


def changed_network(folder: Path, change) -> bytes:
    onnx = pytest.importorskip("onnx", reason="onnx is absent: networks of attackers are NOT tested")
    model = onnx.load_model_from_string((folder / "model.onnx").read_bytes())
    change(onnx, model)
    return model.SerializeToString()


def nan_weights(onnx, model) -> None:
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            values = np.full(onnx.numpy_helper.to_array(tensor).shape, np.nan, np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def test_weights_that_are_no_numbers(signed, keyring, keys, workshop):
    workshop.put(signed, "model.onnx", changed_network(signed, nan_weights))
    assert "golden" in refused(workshop.sign(signed, keys), keyring)


def nan_answers(onnx, model) -> None:
    """Every output times NaN."""
    nan = onnx.numpy_helper.from_array(np.array([np.nan], np.float32), "nan")
    model.graph.initializer.append(nan)
    for output in model.graph.output:
        for node in model.graph.node:
            for place, name in enumerate(node.output):
                if name == output.name:
                    node.output[place] = f"{name}_before"
        node = onnx.helper.make_node("Mul", [f"{output.name}_before", "nan"], [output.name])
        model.graph.node.append(node)


def test_a_network_of_nan_with_a_golden_stream_that_agrees(signed, keyring, keys, workshop):
    network = changed_network(signed, nan_answers)
    golden = unpacked(signed, "golden.npz")
    positions = {key.removeprefix("stream_"): golden[key] for key in golden if key.startswith("stream_")}
    del positions["t_s"]
    model = dataclasses.replace(open_bundle(signed).model, runtime=OnnxRuntime(network))
    agreeing = golden_arrays(Recording("g", "g", golden["stream_t_s"], positions), {"onnx": model})
    workshop.put(signed, "model.onnx", network)
    workshop.put(signed, "golden.npz", packed(**agreeing))
    assert "gives no numbers" in refused(workshop.sign(signed, keys), keyring)


@pytest.mark.parametrize(
    ("name", "key"), [("prototypes.npz", "places"), ("prototypes.npz", "scale"), ("calibration.npz", "waist_scores")]
)
def test_arrays_that_are_no_numbers(signed, keyring, keys, workshop, name, key):
    arrays = unpacked(signed, name)
    workshop.put(signed, name, packed(**arrays | {key: np.full_like(arrays[key], np.nan)}))
    assert name in refused(workshop.sign(signed, keys), keyring)


def weights_elsewhere(onnx, model) -> None:
    tensor = max(model.graph.initializer, key=lambda one: len(one.raw_data))
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../../../../etc/passwd")


def huge_weights(onnx, model) -> None:
    tensor = max(model.graph.initializer, key=lambda one: len(one.raw_data))
    del tensor.dims[:]
    tensor.dims.extend([2**20, 2**20])


def unknown_operation(onnx, model) -> None:
    model.graph.node[0].op_type, model.graph.node[0].domain = "Shell", "evil"


@pytest.mark.parametrize("change", [weights_elsewhere, huge_weights, unknown_operation], ids=lambda one: one.__name__)
def test_a_network_that_reaches_beyond_itself(signed, keyring, keys, workshop, change):
    workshop.put(signed, "model.onnx", changed_network(signed, change))
    assert "model.onnx cannot be loaded" in refused(workshop.sign(signed, keys), keyring)


def test_another_network_than_the_one_that_was_calibrated(signed, keyring, keys, workshop):
    def louder(onnx, model):
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT and "scale" in tensor.name:
                values = 1.2 * onnx.numpy_helper.to_array(tensor)
                tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float32), tensor.name))

    workshop.put(signed, "model.onnx", changed_network(signed, louder))
    assert "golden replay" in refused(workshop.sign(signed, keys), keyring)


@pytest.mark.parametrize(
    ("field", "value"), [("schema", "veille-bundle/2"), ("minimum_agent", "999.0.0"), ("golden_tolerance", 0)]
)
def test_a_bundle_for_another_agent(signed, keyring, keys, workshop, field, value):
    workshop.rewrite(signed, **{field: value})
    refused(workshop.sign(signed, keys), keyring)


def test_another_gateways_bundle(signed, keyring, keys, workshop):
    workshop.rewrite(signed, gateways=["ward9/gw1"])
    assert "made for ward9/gw1" in refused(workshop.sign(signed, keys), keyring)


def test_a_manifest_that_was_signed_but_hidden_in_another_payload(signed, keyring, keys, workshop):
    envelope = json.loads((signed / SIGNATURE).read_text())
    envelope["payload"] = base64.b64encode(base64.b64decode(envelope["payload"]) + b" ").decode()
    (signed / SIGNATURE).write_text(json.dumps(envelope))
    refused(signed, keyring)
