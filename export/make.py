"""From a training run to a bundle, step by step: quantize, teach the head, calibrate, compare the forms, pack."""

import json
import math
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.evidence import Layer
from agent.features import extract
from agent.judge import Model
from agent.layout import POSITIONS, Layout
from agent.manifest import CARD, EVIDENCE
from agent.records import RuntimeName, Singles
from agent.runtime import FILES, Runtime, load
from agent.runtime.onnx import OnnxRuntime
from agent.signature import SHIPPED, SIGNATURE
from export import litert
from export.arrays import write_calibration, write_evidence, write_prototypes
from export.calibration import Calibrated, calibrate
from export.card import card
from export.evidence import learn as learn_evidence
from export.families import of_families, served
from export.known import learn
from export.manifest import manifest_of
from export.network import write_fp32, write_int8
from export.pack import LARGEST_BUNDLE, seal, size, write_golden
from export.parity import holds, parity
from export.sign import pin, sign
from training.augment import distort
from training.benchmarks.noise_novelty.wear import wears_of
from training.datasets.corpus import Corpus, open_corpus, tell
from training.datasets.own_recordings import NAME as OWN
from training.errors import TrainingError
from training.model import Student
from training.record import RunRecord, read_record
from training.weights import load_student
from training.windows import NormalWindows, normal_windows, some

RANGE_WINDOWS = 2048
"""Windows that set the 8-bit ranges; half of them distorted."""
LITERT_FORMS = ("litert_int8", "litert_fp32")
"""In the order in which they are taken, if near enough to the fp32 student."""


@dataclass(frozen=True, slots=True)
class Lot:
    """The data of a bundle: all windows of those who train and of those who calibrate, events included."""

    layout: Layout
    """With the families that these data can serve."""
    train: NormalWindows
    calibrate: NormalWindows

    @property
    def normal(self) -> tuple[NormalWindows, NormalWindows]:
        """Of both, the windows of recordings that hold no event."""
        return calm(self.train), calm(self.calibrate)


def make(
    run: Path,
    out: Path,
    root: Path | None,
    own: Path | None = None,
    *,
    with_litert: bool = False,
    with_evidence: bool = False,
    keys: Path | None = None,
) -> None:
    """Make the bundle; `out` is replaced only when everything holds.

    Args:
        run: folder of a training run.
        out: folder of the bundle.
        root: folder of the datasets, see `data_root`.
        own: the folder of recordings that the run was trained on, if it was.
        with_litert: add the files for LiteRT.
        with_evidence: teach the evidential layer too; see FIGURES.md, "Noise or novelty?", before you ship it.
        keys: folder of the key that signs it; none = it is not signed.

    Raises:
        TrainingError: the run, the data or the network does not do.
        AgentError: the agent would refuse the bundle.
    """
    if with_litert:
        litert.require()
    record = read_record(run)
    layout = Layout(positions=POSITIONS)
    student = load_student(run / "weights.npz", layout.segments)
    corpus = corpus_of(record, root, own, layout)
    lot = _lot(corpus, layout)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        forms = _forms(student, lot, record.seed, folder, with_litert=with_litert)
        int8, (train, held_out) = forms["int8"], lot.normal
        known = learn(int8, lot.layout, lot.train, record.seed)
        calibrated = calibrate(int8, lot.layout, train, held_out, known, record.seed)
        plain = Model(lot.layout, int8, calibrated.prototypes, calibrated.calibration)
        layer = taught(plain, corpus, record.seed) if with_evidence else None
        figures = finite(parity(forms, calibrated.prototypes, lot.layout, lot.calibrate))
        if not holds(figures, "int8"):
            print(f"warning: int8 is not near enough to fp32 to ship: {json.dumps(figures)}", file=sys.stderr)
        runtimes: dict[RuntimeName, Runtime] = {"onnx": int8}
        if with_litert:
            runtimes["litert"] = forms[_ship_litert(figures, folder)]
        write_parts(calibrated, lot.layout, runtimes, folder, layer)
        manifest = manifest_of(record, lot.layout, calibrated, figures)
        (folder / CARD).write_text(card(manifest, record), encoding="utf-8")
        bundle = seal(manifest, folder)
        if size(folder) > LARGEST_BUNDLE:
            raise TrainingError(f"the bundle has {size(folder)} bytes, {LARGEST_BUNDLE} at most: fewer prototypes?")
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(folder, out, ignore=shutil.ignore_patterns("fp32.onnx*", *LITERT_FORMS))
        out.chmod(0o755)  # a temporary folder is its maker's alone; a gateway's agent is someone else
    vouch(out, keys)
    print(f"{out}: {bundle.id}, {'signed' if keys else 'not signed'}, {size(out)} bytes, {json.dumps(figures)}")
    for family, facts in calibrated.facts.items():
        print(f"  {family}: {facts}")


def vouch(path: Path, keys: Path | None) -> None:
    """Sign what has changed, or pin it in the package; a signature of what was there before holds no more."""
    if keys:
        sign(path, keys)
        return
    (path / SIGNATURE).unlink(missing_ok=True)
    if path.resolve() == SHIPPED:
        pin()


def write_parts(
    calibrated: Calibrated,
    layout: Layout,
    runtimes: dict[RuntimeName, Runtime],
    folder: Path,
    layer: Layer | None = None,
) -> None:
    """Prototypes, calibration, evidence, and the golden stream with the results of each runtime."""
    write_prototypes(calibrated.prototypes, folder / "prototypes.npz")
    write_calibration(calibrated.calibration, layout, folder / "calibration.npz")
    models = {
        name: Model(layout, runtime, calibrated.prototypes, calibrated.calibration, layer)
        for name, runtime in runtimes.items()
    }
    finish(models, folder)


def finish(models: dict[RuntimeName, Model], folder: Path) -> None:
    """Evidence, if there is any, and the golden stream."""
    if layer := models["onnx"].layer:
        write_evidence(layer, folder / EVIDENCE)
    write_golden(models, folder / "golden.npz")


def taught(model: Model, corpus: Corpus, seed: int) -> Layer | None:
    """The layer; None where too few people are there to learn from."""
    train, calibrate = (wears_of(corpus.recordings(part), model.layout) for part in ("train", "calibrate"))
    return learn_evidence(model, train, calibrate, seed)


def corpus_of(record: RunRecord, root: Path | None, folder: Path | None, layout: Layout) -> Corpus:
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


def _lot(corpus: Corpus, layout: Layout) -> Lot:
    """All windows, of the families that these data can serve."""
    train, held_out = (normal_windows(corpus.recordings(part), layout) for part in ("train", "calibrate"))
    known, left_out = served(layout, calm(train), calm(held_out))
    for family, reason in left_out.items():
        print(f"not in the bundle: {family} ({reason})", file=sys.stderr)
    return Lot(known, of_families(train, layout, known), of_families(held_out, layout, known))


def calm(windows: NormalWindows) -> NormalWindows:
    return some(windows, windows.normal)


def _forms(student: Student, lot: Lot, seed: int, folder: Path, *, with_litert: bool) -> dict[str, Runtime]:
    """The network in each form, loaded: `fp32`, `int8`, and both of LiteRT if they are wanted."""
    features = extract(_range_windows(lot.normal[0], np.random.default_rng(seed)), lot.layout.segments)
    write_fp32(student, lot.layout.window_samples, folder / "fp32.onnx")
    write_int8(folder / "fp32.onnx", features, folder / "model.onnx")
    forms: dict[str, Runtime] = {
        "fp32": OnnxRuntime((folder / "fp32.onnx").read_bytes()),
        "int8": OnnxRuntime((folder / "model.onnx").read_bytes()),
    }
    return forms | (_litert_forms(student, lot.layout, features, folder) if with_litert else {})


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


def finite(figures: dict[str, float]) -> dict[str, float]:
    """Without those that cannot be had: where nobody fell there is no precision."""
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def _range_windows(train: NormalWindows, rng: np.random.Generator) -> Singles:
    chosen = train.samples_g[rng.choice(len(train.family), RANGE_WINDOWS)]
    half = RANGE_WINDOWS // 2
    return np.concatenate([distort(chosen[:half], rng), chosen[half:]])
