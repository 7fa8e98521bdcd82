"""LiteRT for real, on the files of the shipped bundle: the same golden replay and verdicts, or a clear refusal."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from agent.bundle import default_bundle_path, open_bundle
from agent.doctor import Look, Machine
from agent.doctor.model import look_at_provider
from agent.errors import BundleError
from agent.features import CHANNELS
from agent.manifest import MANIFEST
from agent.runtime import FILES
from agent.settings import Settings

if importlib.util.find_spec("ai_edge_litert") is None:
    pytest.skip("ai-edge-litert is absent: the runtime litert is NOT tested", allow_module_level=True)
if not all((default_bundle_path() / name).exists() for name in FILES["litert"]):
    pytest.skip("the shipped bundle has no LiteRT files: the runtime litert is NOT tested", allow_module_level=True)


@pytest.fixture(scope="module")
def opened():
    return open_bundle(default_bundle_path(), "litert")


@pytest.fixture
def copy(tmp_path) -> Path:
    return Path(shutil.copytree(default_bundle_path(), tmp_path / "copy"))


def replace_file(path: Path, name: str, content: bytes) -> None:
    """Put in another file, with its right digest."""
    (path / name).write_bytes(content)
    manifest = msgspec.json.decode((path / MANIFEST).read_bytes())
    manifest["files"][name] = hashlib.sha256(content).hexdigest()
    (path / MANIFEST).write_bytes(msgspec.json.encode(manifest))


def change_golden(path: Path, **content) -> None:
    with np.load(path / "golden.npz", allow_pickle=False) as archive:
        kept = {key: archive[key] for key in archive.files} | content
    np.savez_compressed(path / "golden.npz", **kept)
    replace_file(path, "golden.npz", (path / "golden.npz").read_bytes())


def golden(path: Path, key: str) -> np.ndarray:
    with np.load(path / "golden.npz", allow_pickle=False) as archive:
        return archive[key]


def refusal(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        open_bundle(path, "litert")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_shipped_bundle_passes_its_golden_replay_on_litert(opened):
    assert opened.model.runtime.package.startswith("ai-edge-litert ")
    assert opened.model.runtime.provider


def test_a_row_is_answered_alike_alone_and_in_any_batch(opened):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(130, CHANNELS, opened.manifest.layout.window_samples)).astype(np.float32)
    whole = opened.model.runtime.run(features)
    for rows in (1, 3, 60, 64, 65):
        for part, field in zip(opened.model.runtime.run(features[:rows]), whole, strict=True):
            assert np.array_equal(part, field[:rows])


def test_answers_stay_what_they_were_when_more_rows_are_run(opened):
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(2, 1, CHANNELS, opened.manifest.layout.window_samples)).astype(np.float32)
    first = opened.model.runtime.run(rows[0])
    kept = first.embedding.copy()
    opened.model.runtime.run(rows[1])
    assert np.array_equal(first.embedding, kept)


def test_both_runtimes_reach_nearly_the_same_numbers(opened):
    rng = np.random.default_rng(2)
    features = rng.normal(size=(64, CHANNELS, opened.manifest.layout.window_samples)).astype(np.float32)
    onnx = open_bundle(default_bundle_path(), "onnx").model.runtime.run(features)
    for one, other in zip(opened.model.runtime.run(features), onnx, strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.98


def test_the_command_line_verifies_and_replays_on_litert(veille, simulated_csv, tmp_path):
    told = veille("bundle", "verify", "--runtime", "litert")
    assert told.returncode == 0, told.stderr
    assert "ai-edge-litert" in told.stdout
    scores = {}
    for runtime in ("onnx", "litert"):
        path = tmp_path / f"{runtime}.csv"
        told = veille("replay", simulated_csv, "--runtime", runtime, "--scores", path)
        assert told.returncode == 0, told.stderr
        scores[runtime] = [line.split(",") for line in path.read_text().splitlines()[1:]]
    verdicts = {runtime: [line[-1] for line in lines] for runtime, lines in scores.items()}
    differing = sum(one != other for one, other in zip(*verdicts.values(), strict=True))
    assert differing <= 0.02 * len(verdicts["onnx"])


def test_the_doctor_names_litert_and_what_it_computes_on():
    (finding,) = look_at_provider(Look(Settings(runtime="litert"), Machine()))
    assert finding.level == "ok"
    assert "ai-edge-litert" in finding.message
    assert "one thread" in finding.message


def test_other_numbers_than_at_the_export_are_refused_and_the_runtime_is_named(copy):
    change_golden(copy, litert_embedding=golden(copy, "litert_embedding") + 0.2)
    told = refusal(copy)
    assert "ai-edge-litert" in told
    assert "embedding differs" in told
    open_bundle(copy, "onnx")


def test_other_verdicts_than_those_of_onnx_are_refused(copy):
    change_golden(copy, labels=~golden(copy, "labels"))
    assert "verdicts differ" in refusal(copy)


def test_results_of_onnx_serve_where_litert_has_none_of_its_own(copy):
    change_golden(copy, litert_score=golden(copy, "score") + 1)
    assert "score differs" in refusal(copy)


@pytest.mark.parametrize("name", FILES["litert"])
@pytest.mark.parametrize("content", [b"", b"no network", b"TFL3" * 100])
def test_bytes_that_are_no_network_are_refused(copy, name, content):
    replace_file(copy, name, content)
    assert name in refusal(copy)


def test_files_in_each_others_place_are_refused(copy):
    batched, single = ((copy / name).read_bytes() for name in FILES["litert"])
    replace_file(copy, FILES["litert"][0], single)
    replace_file(copy, FILES["litert"][1], batched)
    assert "64 rows" in refusal(copy)


@pytest.mark.slow
def test_the_older_tflite_runtime_gives_the_right_numbers_or_is_refused(root, tmp_path):
    """In an environment of its own, for it needs Python 3.11 and numpy 1."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip("NOT TESTED: tflite-runtime has no wheel for this Python")
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "old")], check=True, timeout=120)
    python = str(tmp_path / "old" / "bin" / "python")
    wanted = ["numpy<2", "msgspec", "tflite-runtime"]
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    installed = subprocess.run(command, capture_output=True, text=True, timeout=280)
    if installed.returncode != 0:
        pytest.skip(f"NOT TESTED: tflite-runtime cannot be installed: {installed.stderr.strip()[-200:]}")
    command = [python, "-m", "agent", "bundle", "verify", "--runtime", "litert"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    told = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    if told.returncode == 0:
        assert "tflite-runtime" in told.stdout
    else:
        assert told.returncode == 2
        assert "golden replay on tflite-runtime" in told.stderr
        assert "choose another runtime" in told.stderr
        assert "Traceback" not in told.stderr
