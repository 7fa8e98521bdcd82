"""`python -m export RUN OUT`: a training run -> a bundle that the agent opens.

Example: python -m export runs/student agent/shipped_bundle
With --litert the bundle also serves LiteRT; that needs an environment of its own: `make bundle-litert`.
"""

import argparse
import datetime as dt
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from agent.bundle import SCHEMA, CalibrationFacts, DataSource, Manifest
from agent.calibrate import Calibration, FamilyCalibration
from agent.errors import AgentError
from agent.features import extract
from agent.judge import Model
from agent.layout import POSITIONS, Layout
from agent.records import RuntimeName, Singles
from agent.runtime import FILES, Runtime, load
from agent.runtime.onnx import OnnxRuntime
from export import litert
from export.calibration import Calibrated, calibrate
from export.network import write_fp32, write_int8
from export.pack import LARGEST_BUNDLE, seal, size, write_arrays, write_golden
from export.parity import holds, parity
from training.augment import distort
from training.datasets import open_dataset, reader_of
from training.datasets.split import SPLIT, split
from training.errors import TrainingError
from training.model import Student
from training.train import load_student
from training.windows import NormalWindows, normal_recordings, normal_windows

RANGE_WINDOWS = 1024
"""Windows that set the 8-bit ranges; half of them distorted."""
GOLDEN_TOLERANCE = 0.05
LITERT_FORMS = ("litert_int8", "litert_fp32")
"""In the order in which they are taken, if near enough to the fp32 student."""
LIMITS = (
    "Not a medical device. Learned from scripted activities of minutes' length at the wrist, waist, chest, thigh and "
    "ankle; falls are acted. Never tested on days of wear, nor on a Raspberry Pi or a Jetson."
)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a training run (weights.npz, run.json)")
    parser.add_argument("out", type=Path, help="folder of the bundle; replaced as a whole")
    parser.add_argument("--root", type=Path, help="folder of the datasets (default: $VEILLE_DATA or ../shared/data)")
    parser.add_argument("--litert", action="store_true", help="add model.tflite and model.b1.tflite")
    args = parser.parse_args(argv)
    try:
        export(args.run, args.out, args.root, with_litert=args.litert)
    except (TrainingError, AgentError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    return 0


def export(run: Path, out: Path, root: Path | None, *, with_litert: bool = False) -> None:
    """Quantize, calibrate, check and pack; `out` is replaced only when everything holds."""
    if with_litert:
        litert.require()
    layout = Layout(positions=POSITIONS)
    student, record = load_student(run / "weights.npz", layout.segments), _record(run)
    train = normal_windows(normal_recordings("train", root), layout)
    held_out = normal_windows(normal_recordings("calibrate", root), layout)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_fp32(student, layout.window_samples, folder / "fp32.onnx")
        features = extract(_range_windows(train, np.random.default_rng(record["config"]["seed"])), layout.segments)
        write_int8(folder / "fp32.onnx", features, folder / "model.onnx")
        int8 = OnnxRuntime((folder / "model.onnx").read_bytes())
        others = _litert_forms(student, layout, features, folder) if with_litert else {}
        calibrated = calibrate(int8, layout, train, held_out, record["config"]["seed"])
        fp32 = OnnxRuntime((folder / "fp32.onnx").read_bytes())
        recordings = (item for name in SPLIT for item in open_dataset(name, root, _calibrates))
        figures = parity(fp32, {"int8": int8, **others}, calibrated.prototypes, layout, recordings)
        runtimes: dict[RuntimeName, Runtime] = {"onnx": int8}
        if with_litert:
            record["litert"] = _ship_litert(figures, folder)
            runtimes["litert"] = others[record["litert"]]
        _write_parts(calibrated, layout, runtimes, folder)
        bundle = seal(_manifest(record, layout, calibrated, figures), folder)
        if size(folder) > LARGEST_BUNDLE:
            raise TrainingError(f"the bundle has {size(folder)} bytes, {LARGEST_BUNDLE} at most: fewer prototypes?")
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(folder, out, ignore=shutil.ignore_patterns("fp32.onnx*", *LITERT_FORMS))
    print(f"{out}: {bundle.id}, {size(out)} bytes, {json.dumps(figures)}")
    for family, facts in calibrated.facts.items():
        print(f"  {family}: {facts}")


def _litert_forms(student: Student, layout: Layout, features: Singles, folder: Path) -> dict[str, Runtime]:
    """Both forms, each in its folder; loaded, to be measured."""
    int8, fp32 = (folder / form for form in LITERT_FORMS)
    for form in (int8, fp32):
        form.mkdir()
    litert.write_fp32(student, layout.window_samples, fp32)
    litert.write_int8(fp32, features, int8)
    return {
        form.name: load("litert", {name: (form / name).read_bytes() for name in FILES["litert"]})
        for form in (int8, fp32)
    }


def _ship_litert(figures: dict[str, float], folder: Path) -> str:
    """Take int8 if it is as good as fp32, else fp32; returns its name."""
    for form in LITERT_FORMS:
        if holds(figures, form):
            for name in FILES["litert"]:
                shutil.copyfile(folder / form / name, folder / name)
            return form
    raise TrainingError(f"no LiteRT form is near enough to fp32: {json.dumps(figures)}; export without --litert")


def _calibrates(wearer: str) -> bool:
    return split(wearer) == "calibrate"


def _record(run: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((run / "run.json").read_text())
    except (OSError, ValueError) as error:
        raise TrainingError(f"run record {run / 'run.json'}: {error}") from error
    return record


def _range_windows(train: NormalWindows, rng: np.random.Generator) -> Singles:
    chosen = train.samples_g[rng.choice(len(train.family), RANGE_WINDOWS)]
    half = RANGE_WINDOWS // 2
    return np.concatenate([distort(chosen[:half], rng), chosen[half:]])


def _write_parts(calibrated: Calibrated, layout: Layout, runtimes: dict[RuntimeName, Runtime], folder: Path) -> None:
    known = calibrated.prototypes
    write_arrays(
        {
            "places": known.places.astype(np.float16),
            "family": known.family.astype(np.int8),
            "median": known.median,
            "scale": known.scale,
        },
        folder / "prototypes.npz",
    )
    write_arrays(calibrated.arrays, folder / "calibration.npz")
    families = [
        FamilyCalibration(
            calibrated.arrays[f"{name}_scores"],
            calibrated.arrays[f"{name}_low"],
            calibrated.arrays[f"{name}_high"],
            calibrated.facts[name].wearers,
        )
        for name in layout.families
    ]
    models = {name: Model(layout, runtime, known, Calibration(tuple(families))) for name, runtime in runtimes.items()}
    write_golden(models, folder / "golden.npz")


def _manifest(record: dict[str, Any], layout: Layout, calibrated: Calibrated, figures: dict[str, float]) -> Manifest:
    today = dt.datetime.now(dt.UTC).date().isoformat()
    facts: dict[str, CalibrationFacts] = calibrated.facts
    return Manifest(
        schema=SCHEMA,
        id=f"student-{today}",
        commit=record["commit"],
        made=today,
        minimum_agent="0.0.0",
        layout=layout,
        context_weight=calibrated.prototypes.context_weight,
        calibration=facts,
        data=[_source(name, record["wearers"]) for name in SPLIT],
        training={key: value for key, value in record.items() if key != "wearers"},
        parity=figures,
        golden_tolerance=GOLDEN_TOLERANCE,
        files={},
        limits=LIMITS,
    )


def _source(name: str, wearers: list[str]) -> DataSource:
    reader = reader_of(name)
    count = sum(wearer.partition("-")[0] == name for wearer in wearers)
    return DataSource(name=name, source=reader.SOURCE, licence=reader.LICENCE, wearers=count)


if __name__ == "__main__":
    sys.exit(main())
