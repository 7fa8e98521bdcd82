"""What tests of several folders share."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.batch import cut_recording
from agent.bundle import Bundle, open_bundle
from agent.layout import POSITIONS, Layout
from agent.recording import Recording, write_recording
from agent.simulate import DAY, simulate

if TYPE_CHECKING:  # the workstation's side is absent where only the wheel is installed
    from training.windows import NormalWindows

ROOT = Path(__file__).parents[1]
Veille = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def veille(tmp_path_factory: pytest.TempPathFactory) -> Veille:
    """Run the command line as a person does: `veille("replay", path)`; from an empty folder."""
    folder = tmp_path_factory.mktemp("elsewhere")
    common = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}

    def run(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "agent", *map(str, arguments)]
        own = common | environment
        return subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, timeout=120)

    return run


@pytest.fixture(scope="session")
def simulated() -> Recording:
    """The demo's recording."""
    return simulate(np.random.default_rng(0))[0]


@pytest.fixture(scope="session")
def simulated_csv(simulated: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's recording as a file."""
    path = tmp_path_factory.mktemp("recordings") / "simulated_two_minutes.csv"
    write_recording(simulated, path)
    return path


@pytest.fixture(scope="session")
def modules_after() -> Callable[..., set[str]]:
    """Names in `sys.modules` of a fresh Python after some code: `modules_after("import agent")`."""

    def run(code: str, python: str = sys.executable, cwd: Path = ROOT) -> set[str]:
        shown = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
        found = subprocess.run([python, "-c", shown], cwd=cwd, capture_output=True, text=True, check=True, timeout=120)
        return set(json.loads(found.stdout.splitlines()[-1]))

    return run


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a student that was never trained, made by the real export from simulated windows.

    Its numbers mean nothing; its files, shapes and paths are those of a bundle that ships. Needs no dataset.
    """
    for name in ("torch", "onnx", "onnxscript", "sklearn"):
        pytest.importorskip(name, reason=f"{name} is absent: bundle, score, pipeline and export are NOT tested")
    folder = tmp_path_factory.mktemp("bundle") / "small"
    folder.mkdir()
    _make_bundle(folder)
    return folder


@pytest.fixture(scope="session")
def bundle(small_bundle: Path) -> Bundle:
    """`small_bundle`, opened."""
    return open_bundle(small_bundle)


def _make_bundle(folder: Path) -> None:
    import torch

    from agent.features import extract
    from agent.runtime.onnx import OnnxRuntime
    from export.__main__ import _manifest, _write_parts
    from export.calibration import calibrate
    from export.network import write_fp32, write_int8
    from export.pack import seal
    from training.model import Student

    torch.manual_seed(1)
    layout = Layout(positions=POSITIONS)
    train, held_out = _normal_windows(layout, range(10, 12)), _normal_windows(layout, range(14, 20))
    student = Student(segments=layout.segments, width=8, context=8).eval()
    write_fp32(student, layout.window_samples, folder / "fp32.onnx")
    write_int8(folder / "fp32.onnx", extract(train.samples_g[::4], layout.segments), folder / "model.onnx")
    int8 = OnnxRuntime((folder / "model.onnx").read_bytes())
    calibrated = calibrate(int8, layout, train, held_out, seed=1)
    _write_parts(calibrated, layout, {"onnx": int8}, folder)
    record = {"commit": "0" * 40, "wearers": [], "config": {"seed": 1}}
    seal(_manifest(record, layout, calibrated, {"windows": 0.0}), folder)


def _normal_windows(layout: Layout, seeds: range) -> "NormalWindows":
    """Everything but the fall and the fault, of one simulated wearer a seed; each window serves every family."""
    from training.windows import NormalWindows

    calm = [e for e in DAY if e.kind not in ("fall", "lying", "getting_up", "sensor_fault")]
    parts = []
    for seed in seeds:
        recording = simulate(np.random.default_rng(seed), episodes=calm, wearer=f"w{seed}")[0]
        parts.append(cut_recording(recording, layout))
    rows = [part.samples_g[part.owner % 3 == 0] for part in parts]
    families = len(layout.families)
    samples = np.concatenate([row for row in rows for _ in range(families)])
    family = np.concatenate([np.full(len(row), index) for row in rows for index in range(families)])
    wearer = np.concatenate([np.full(len(row) * families, f"w{seed}") for row, seed in zip(rows, seeds, strict=True)])
    end_s = np.zeros(len(family))
    return NormalWindows(samples, family, wearer, wearer, end_s)
