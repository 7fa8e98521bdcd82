"""Which runtime runs the network: chosen by the bundle or by the settings, and refused in one line where it cannot."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import msgspec
import numpy as np
import onnxruntime
import pytest

from agent.bundle import NETWORKS, default_bundle_path, open_bundle, open_runtime
from agent.cli.page import RUNTIMES
from agent.doctor import Look, Machine
from agent.doctor.model import look_at_bundle, look_at_provider
from agent.errors import BundleError, SettingsError
from agent.manifest import CARD, MANIFEST
from agent.records import RuntimeName
from agent.runtime import FILES, OUTPUTS, Answer, litert
from agent.settings import Settings, read_settings


@pytest.fixture
def copy(small_bundle, tmp_path) -> Path:
    """A bundle that serves onnx alone."""
    return Path(shutil.copytree(small_bundle, tmp_path / "copy"))


FURTHER = (*NETWORKS["litert"], CARD)
"""Files that the other runtime or nobody reads."""


def add_files(path: Path, content: bytes) -> None:
    """Files for LiteRT, with their digests."""
    manifest = msgspec.json.decode((path / MANIFEST).read_bytes())
    for name in FURTHER:
        (path / name).write_bytes(content)
        manifest["files"][name] = hashlib.sha256(content).hexdigest()
    (path / MANIFEST).write_bytes(msgspec.json.encode(manifest))


def rewrite(path: Path, **fields) -> None:
    manifest = msgspec.json.decode((path / MANIFEST).read_bytes())
    (path / MANIFEST).write_bytes(msgspec.json.encode(manifest | fields))


def refusal(path: Path, runtime: RuntimeName | None = None) -> str:
    with pytest.raises(BundleError) as caught:
        open_bundle(path, runtime)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_command_line_offers_the_runtimes_that_there_are():
    assert get_args(RuntimeName) == RUNTIMES == tuple(FILES)


def test_an_answer_is_built_by_name_whatever_the_order():
    values = {name: np.full((2, 3), place, np.float32) for place, name in enumerate(OUTPUTS)}
    answer = Answer.named(dict(reversed(values.items())))
    assert [field.flat[0] for field in answer] == list(range(len(OUTPUTS)))
    assert tuple(f"out_{name}" for name in answer._fields) == OUTPUTS


def test_batches_are_joined_field_by_field():
    fields = len(OUTPUTS)
    parts = [Answer(*(np.full((rows, 3), place, np.float32) for place in range(fields))) for rows in (1, 4)]
    joined = Answer.joined(parts)
    assert [field.shape for field in joined] == [(5, 3)] * fields
    assert [field.max() for field in joined] == list(range(fields))


def test_a_bundle_of_old_runs_on_onnx(copy):
    old = msgspec.json.decode((copy / MANIFEST).read_bytes())
    (copy / MANIFEST).write_bytes(msgspec.json.encode({key: old[key] for key in old if key != "runtime"}))
    opened = open_bundle(copy)
    assert opened.manifest.runtime == "onnx"
    assert opened.model.runtime.package.startswith("onnxruntime ")


def test_a_bundle_without_the_files_says_what_to_do_where_litert_is_asked_for(copy):
    told = refusal(copy, "litert")
    assert "model.tflite" in told
    assert "model.b1.tflite" in told
    assert "choose the runtime onnx" in told


def test_the_settings_win_over_the_bundle(copy):
    rewrite(copy, runtime="litert")
    assert "model.tflite" in refusal(copy)
    assert open_bundle(copy, "onnx").model.runtime.package.startswith("onnxruntime ")


def test_a_bundle_of_an_unknown_runtime_is_refused(copy):
    rewrite(copy, runtime="abacus")
    assert "abacus" in refusal(copy)


def test_where_no_package_is_installed_the_line_says_what_to_install(copy, monkeypatch):
    add_files(copy, b"not looked at")
    monkeypatch.setattr(litert, "PACKAGES", {"no-such": "no_such_package"})
    told = refusal(copy, "litert")
    assert "pip install 'veille[litert]'" in told
    assert "onnx" in told
    assert open_bundle(copy).model.runtime.package.startswith("onnxruntime ")


@pytest.mark.parametrize("name", FURTHER)
def test_a_damaged_file_is_found_even_where_it_is_not_used(copy, name):
    add_files(copy, b"whole")
    (copy / name).write_bytes(b"whale")
    assert name in refusal(copy, "onnx")


def test_settings_choose_the_runtime_and_take_no_other(tmp_path):
    path = tmp_path / "agent.toml"
    path.write_text('runtime = "litert"\n')
    assert read_settings(path).runtime == "litert"
    assert Settings().runtime is None
    path.write_text('runtime = "abacus"\n')
    with pytest.raises(SettingsError, match="abacus"):
        read_settings(path)


def test_the_doctor_names_the_runtime_and_fails_where_it_cannot_be_had(copy):
    settings = Settings(bundle=str(copy))
    (finding,) = look_at_provider(Look(settings, Machine()))
    assert finding.level == "ok"
    assert "onnxruntime" in finding.message
    assert "CPUExecutionProvider" in finding.message
    wanting = msgspec.structs.replace(settings, runtime="litert", require_signature=False)
    for check in (look_at_provider, look_at_bundle):
        (finding,) = check(Look(wanting, Machine()))
        assert finding.level == "fail"
        assert "model.tflite" in finding.message


def test_the_network_alone_is_verified_too(copy):
    content = bytearray((copy / "model.onnx").read_bytes())
    content[100] ^= 1
    (copy / "model.onnx").write_bytes(content)
    with pytest.raises(BundleError, match="digest"):
        open_runtime(copy)


def test_nothing_of_a_runtime_is_loaded_before_it_is_asked_for(modules_after):
    loaded = modules_after("import agent.bundle, agent.pipeline")
    assert not loaded & {"onnxruntime", "ai_edge_litert", "tflite_runtime"}


class Tensors:
    """Stands in for a file: doubles what it is given, `rows` at a time, as an interpreter would."""

    def __init__(self, model_content: bytes, num_threads: int) -> None:
        assert num_threads == 1
        self.rows, self.calls = int(model_content), 0

    def allocate_tensors(self) -> None:
        pass

    def get_signature_runner(self) -> SimpleNamespace:
        given = {"index": 0, "shape": np.array([self.rows, 8, 128]), "dtype": np.float32}
        return SimpleNamespace(
            get_input_details=lambda: {"args_0": given},
            get_output_details=lambda: {name: given | {"index": 1} for name in OUTPUTS},
        )

    def set_tensor(self, index: int, values: np.ndarray) -> None:
        assert values.shape == (self.rows, 8, 128)
        self.values = values

    def invoke(self) -> None:
        self.calls += 1

    def get_tensor(self, index: int) -> np.ndarray:
        return 2 * self.values[:, 0]


@pytest.mark.parametrize(
    ("rows", "batched", "single"),
    [(1, 0, 1), (55, 0, 55), (56, 1, 0), (64, 1, 0), (65, 1, 1), (127, 2, 0), (256, 4, 0)],
)
def test_every_row_is_answered_in_its_place_by_the_cheaper_calls(monkeypatch, rows, batched, single):
    module = SimpleNamespace(Interpreter=Tensors)
    monkeypatch.setattr(litert, "_installed", lambda: ("numpy", module))
    network = litert.LitertRuntime(b"64", b"1")
    features = np.random.default_rng(rows).normal(size=(rows, 8, 128)).astype(np.float32)
    answer = network.run(features)
    assert all(np.array_equal(field, 2 * features[:, 0]) for field in answer)
    assert (network._batched._interpreter.calls, network._single._interpreter.calls) == (batched, single)


def test_files_in_each_others_place_are_refused(monkeypatch):
    monkeypatch.setattr(litert, "_installed", lambda: ("numpy", SimpleNamespace(Interpreter=Tensors)))
    with pytest.raises(BundleError, match=r"model\.tflite does not take 64 rows"):
        litert.LitertRuntime(b"1", b"64")


@pytest.mark.parametrize(
    ("runtime", "asked"), [("onnx-cuda", "CUDAExecutionProvider"), ("onnx-tensorrt", "TensorrtExecutionProvider")]
)
def test_a_provider_that_is_not_to_be_had_is_told_not_passed_over(runtime, asked):
    """onnxruntime itself falls back with no error at all."""
    if asked in onnxruntime.get_available_providers():
        pytest.skip(f"NOT TESTED: {asked} is there")
    loaded = open_bundle(default_bundle_path(), runtime).model.runtime
    assert (loaded.asked, loaded.provider) == (asked, "CPUExecutionProvider")


def test_the_runtime_tells_its_maker_nothing(root, tmp_path):
    """onnxruntime 1.29 and newer would leave an identifier under the home directory, and call home."""
    code = "from agent.bundle import *; open_bundle(default_bundle_path())"
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin", "PYTHONPATH": str(root)}  # no CI=..., which silences too
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []
