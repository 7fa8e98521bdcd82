"""What tests of several folders share."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings

from agent.batch import cut_recording
from agent.bundle import Bundle, default_bundle_path, open_bundle
from agent.layout import POSITIONS, Layout
from agent.manifest import CARD
from agent.recording import Recording, write_recording
from agent.simulate import DAY, Episode, simulate

if TYPE_CHECKING:  # the workstation's side is absent where only the wheel is installed
    from training.windows import NormalWindows

settings.register_profile("veille", derandomize=True)  # the same examples for everybody, every time
settings.load_profile("veille")
ROOT = Path(__file__).parents[1]
Veille = Callable[..., "subprocess.CompletedProcess[str]"]
OwnFolder = Callable[..., Path]
CALM = (Episode(0.0, 10.0, "sitting"), Episode(10.0, 30.0, "walking"), Episode(30.0, 40.0, "arm_movements"))
FALL = tuple(replace(one, start_s=one.start_s - 53, end_s=one.end_s - 53) for one in DAY[3:8])
"""Walking, the fall from 10 to 12 s, lying, getting up, sitting; until 38 s."""


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
def recent_of() -> Callable[[Recording], Callable[[int, float, int], np.ndarray]]:
    """What `ingest.Streams.recent` gives, of a whole recording on the grid: stream, end, count -> (3, count)."""

    def of(recording: Recording, rate_hz: float = 50.0) -> Callable[[int, float, int], np.ndarray]:
        positions = list(recording.positions.values())

        def recent(slot: int, end_s: float, count: int) -> np.ndarray:
            places = np.arange(round(end_s * rate_hz) - count, round(end_s * rate_hz))
            inside = (places >= 0) & (places < len(recording.times_s))
            return np.where(inside, positions[slot][np.where(inside, places, 0)].T, np.nan).astype(np.float32)

        return recent

    return of


@pytest.fixture(scope="session")
def shipped() -> Bundle:
    """The bundle in the package."""
    return open_bundle(default_bundle_path())


@pytest.fixture(scope="session")
def simulated_csv(simulated: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's recording as a file."""
    path = tmp_path_factory.mktemp("recordings") / "simulated_two_minutes.csv"
    write_recording(simulated, path)
    return path


@pytest.fixture(scope="session")
def own_folder() -> OwnFolder:
    """Make a user's folder: `own_folder(path, ["ann", "bob"])`.

    Holds `<wearer>_calm.csv` and `<wearer>_fall.csv` of each simulated wearer, 40 s and 38 s, and the two tables.
    """

    def make(folder: Path, wearers: Sequence[str], positions: Sequence[str] = ("right_wrist",)) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        rows, events = ["recording,wearer,licence"], ["recording,start_s,end_s,kind"]
        for number, wearer in enumerate(wearers):
            for name, episodes in (("calm", CALM), ("fall", FALL)):
                recording, _ = simulate(np.random.default_rng(number), episodes=episodes)
                kept = {position: recording.positions[position] for position in positions}
                write_recording(replace(recording, positions=kept), folder / f"{wearer}_{name}.csv")
                rows.append(f"{wearer}_{name},{wearer},CC0")
            events.append(f"{wearer}_fall,10,12,fall")
        (folder / "wearers.csv").write_text("\n".join(rows) + "\n")
        (folder / "events.csv").write_text("\n".join(events) + "\n")
        return folder

    return make


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
    from export.calibration import calibrate
    from export.card import card
    from export.known import learn
    from export.make import write_parts
    from export.manifest import manifest_of
    from export.network import write_fp32, write_int8
    from export.pack import seal
    from training.model import Student
    from training.record import RunRecord

    torch.manual_seed(1)
    layout = Layout(positions=POSITIONS)
    train, held_out = _normal_windows(layout, range(10, 12)), _normal_windows(layout, range(14, 20))
    student = Student(segments=layout.segments, width=8, context=8).eval()
    write_fp32(student, layout.window_samples, folder / "fp32.onnx")
    write_int8(folder / "fp32.onnx", extract(train.samples_g[::4], layout.segments), folder / "model.onnx")
    int8 = OnnxRuntime((folder / "model.onnx").read_bytes())
    known = learn(int8, layout, _windows_with_falls(layout, range(30, 34)), seed=1)
    calibrated = calibrate(int8, layout, train, held_out, known, seed=1)
    write_parts(calibrated, layout, {"onnx": int8}, folder)
    numbers = {"minutes": 0.0, "windows": 0, "parameters": 0}
    record = RunRecord(commit="0" * 40, config={"seed": 1}, wearers=[], device="cpu", torch="", **numbers)
    manifest = manifest_of(record, layout, calibrated, {"windows": 0.0})
    (folder / CARD).write_text(card(manifest, record), encoding="utf-8")
    seal(manifest, folder)


def _windows_with_falls(layout: Layout, seeds: range) -> "NormalWindows":
    """Of one simulated wearer a seed, the fall from 10 to 12 s labelled."""
    from training.datasets import Labelled
    from training.windows import normal_windows

    items = []
    for seed in seeds:
        recording = simulate(np.random.default_rng(seed), episodes=FALL, wearer=f"w{seed}")[0]
        label = ((recording.times_s >= 10) & (recording.times_s < 12)).astype(np.int8)
        judged = np.ones(len(label), np.bool_)
        items.append(Labelled(recording, "simulated", "fall", normal=False, label=label, judged=judged, shippable=True))
    return normal_windows(items, layout)


def _normal_windows(layout: Layout, seeds: range) -> "NormalWindows":
    """Everything but the fall and the fault, of one simulated wearer a seed; each window serves every family."""
    from training.windows import NormalWindows

    calm = [e for e in DAY if e.kind not in ("fall", "lying", "getting_up", "sensor_fault")]
    parts = []
    for seed in seeds:
        recording = simulate(np.random.default_rng(seed), episodes=calm, wearer=f"w{seed}")[0]
        windows = cut_recording(recording, layout)
        for stream in (0, 1):
            rows = windows.stream == stream
            parts.append((f"w{seed}", stream, windows.samples_g[rows], windows.end_s[windows.owner][rows]))
    each = [
        (who, f"{who}/{n}/{index}", index, *rest) for who, n, *rest in parts for index in range(len(layout.families))
    ]
    count = [len(end_s) for *_, end_s in each]
    family, who, session = (np.repeat([one[place] for one in each], count) for place in (2, 0, 1))
    samples, end_s = (np.concatenate([one[place] for one in each]) for place in (3, 4))
    normal, label = np.ones(len(family), np.bool_), np.zeros(len(family), np.int8)
    return NormalWindows(samples, family, who, session, end_s, np.arange(len(family)), label, normal)
