"""`python -m export RUN OUT`: a training run -> a bundle that the agent opens.

Examples:
  python -m export runs/student agent/shipped_bundle
  python -m export runs/ours bundle --folder our_recordings
"""

import argparse
import datetime as dt
import json
import math
import shutil
import sys
import tempfile
from pathlib import Path

import msgspec
import numpy as np

from agent.bundle import CARD, SCHEMA, DataSource, Manifest
from agent.calibrate import Calibration, FamilyCalibration
from agent.errors import AgentError
from agent.features import extract
from agent.judge import Model
from agent.layout import POSITIONS, Layout
from agent.records import Singles
from agent.runtime.onnx import OnnxRuntime
from export.calibration import Calibrated, calibrate
from export.card import card
from export.families import of_families, served, with_known_positions
from export.network import write_fp32, write_int8
from export.pack import LARGEST_BUNDLE, seal, size, write_arrays, write_golden
from export.parity import parity
from training.augment import distort
from training.datasets.corpus import Corpus, add_data_arguments, open_corpus, tell
from training.datasets.facts import DataFacts
from training.datasets.own_recordings import NAME as OWN
from training.errors import TrainingError
from training.record import RunRecord, read_record
from training.train import load_student
from training.windows import NormalWindows, normal_windows

RANGE_WINDOWS = 1024
"""Windows that set the 8-bit ranges; half of them distorted."""
GOLDEN_TOLERANCE = 0.05
LIMITS = "Not a medical device: it makes no diagnosis, and nobody's safety may rest on it."
OF_PUBLIC = (
    "The public datasets hold scripted activities of minutes' length; falls are acted; days of wear are untested."
)
OF_OWN = "What it says of people other than those recorded is untested."


def main(argv: list[str] | None = None) -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__, formatter_class=raw)
    parser.add_argument("run", type=Path, help="folder of a training run (weights.npz, run.json)")
    parser.add_argument("out", type=Path, help="folder of the bundle; replaced as a whole")
    add_data_arguments(parser)
    args = parser.parse_args(argv)
    try:
        export(args.run, args.out, args.root, args.folder)
    except (TrainingError, AgentError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    return 0


def export(run: Path, out: Path, root: Path | None, own: Path | None = None) -> None:
    """Quantize, calibrate, check and pack; `out` is replaced only when everything holds."""
    layout, record = Layout(positions=POSITIONS), read_record(run)
    student = load_student(run / "weights.npz", layout.segments)
    corpus = _corpus(record, root, own, layout)
    layout, train, held_out = _windows(corpus, layout)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_fp32(student, layout.window_samples, folder / "fp32.onnx")
        features = extract(_range_windows(train, np.random.default_rng(record.seed)), layout.segments)
        write_int8(folder / "fp32.onnx", features, folder / "model.onnx")
        int8 = OnnxRuntime((folder / "model.onnx").read_bytes())
        calibrated = calibrate(int8, layout, train, held_out, record.seed)
        fp32 = OnnxRuntime((folder / "fp32.onnx").read_bytes())
        recordings = with_known_positions(corpus.recordings("calibrate"), layout)
        figures = _finite(parity(fp32, int8, calibrated.prototypes, layout, recordings))
        _write_parts(calibrated, layout, int8, folder)
        manifest = _manifest(record, layout, calibrated, figures)
        (folder / CARD).write_text(card(manifest, record), encoding="utf-8")
        bundle = seal(manifest, folder)
        if size(folder) > LARGEST_BUNDLE:
            raise TrainingError(f"the bundle has {size(folder)} bytes, {LARGEST_BUNDLE} at most: fewer prototypes?")
        (folder / "fp32.onnx").unlink()
        for left in folder.glob("fp32.onnx.data"):
            left.unlink()
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(folder, out)
        out.chmod(0o755)  # a temporary folder is its maker's alone; a gateway's agent is someone else
    print(f"{out}: {bundle.id}, {size(out)} bytes, {json.dumps(figures)}")
    for family, facts in calibrated.facts.items():
        print(f"  {family}: {facts}")


def _corpus(record: RunRecord, root: Path | None, folder: Path | None, layout: Layout) -> Corpus:
    """The data that the run was trained on, nobody of whom calibrates what they trained.

    Raises:
        TrainingError: other data, or the folder changed so that someone would.
    """
    names = {facts.name for facts in record.data}
    if (OWN in names) != (folder is not None):
        does = (
            "learnt from a folder: name it with --folder" if OWN in names else "learnt from no folder: leave --folder"
        )
        raise TrainingError(f"this run {does}")
    corpus = open_corpus(root, folder, layout, with_public=names > {OWN})
    tell(corpus)
    unchanged = {facts.digest for facts in corpus.facts()} == {facts.digest for facts in record.data}
    calibrate = {wearer for facts in corpus.facts() for wearer in facts.wearers["calibrate"]}
    if (both := sorted(calibrate & set(record.wearers))) and not unchanged:
        raise TrainingError(f"{', '.join(both)} trained this run and would calibrate it: train again with these data")
    return corpus


def _windows(corpus: Corpus, layout: Layout) -> tuple[Layout, NormalWindows, NormalWindows]:
    """The families that these data can serve, and the windows of those who train and of those who calibrate."""
    train, held_out = (normal_windows(corpus.normal(part), layout) for part in ("train", "calibrate"))
    known, left_out = served(layout, train, held_out)
    for family, reason in left_out.items():
        print(f"not in the bundle: {family} ({reason})", file=sys.stderr)
    return known, of_families(train, layout, known), of_families(held_out, layout, known)


def _finite(figures: dict[str, float]) -> dict[str, float]:
    """Without those that cannot be had: where nobody fell there is no precision."""
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def _range_windows(train: NormalWindows, rng: np.random.Generator) -> Singles:
    chosen = train.samples_g[rng.choice(len(train.family), RANGE_WINDOWS)]
    half = RANGE_WINDOWS // 2
    return np.concatenate([distort(chosen[:half], rng), chosen[half:]])


def _write_parts(calibrated: Calibrated, layout: Layout, int8: OnnxRuntime, folder: Path) -> None:
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
    write_golden(Model(layout, int8, known, Calibration(tuple(families))), folder / "golden.npz")


def _manifest(record: RunRecord, layout: Layout, calibrated: Calibrated, figures: dict[str, float]) -> Manifest:
    """Pseudonyms stay in the run record: a bundle travels."""
    today = dt.datetime.now(dt.UTC).date().isoformat()
    training = msgspec.to_builtins(record)
    return Manifest(
        schema=SCHEMA,
        id=f"student-{today}",
        commit=record.commit,
        made=today,
        minimum_agent="0.0.0",
        layout=layout,
        context_weight=calibrated.prototypes.context_weight,
        calibration=calibrated.facts,
        data=[_source(facts) for facts in record.data],
        training={key: value for key, value in training.items() if key not in ("wearers", "data")},
        parity=figures,
        golden_tolerance=GOLDEN_TOLERANCE,
        files={},
        limits=_limits(record),
    )


def _source(facts: DataFacts) -> DataSource:
    parts = {part: len(wearers) for part, wearers in facts.wearers.items()}
    trained = parts.get("train", 0)
    told = {"name": facts.name, "source": facts.source, "licence": facts.licence, "digest": facts.digest}
    return DataSource(**told, wearers=trained, parts=parts)


def _limits(record: RunRecord) -> str:
    names = {facts.name for facts in record.data}
    return " ".join([LIMITS, *([OF_PUBLIC] if names - {OWN} else []), *([OF_OWN] if OWN in names else [])])


if __name__ == "__main__":
    sys.exit(main())
