"""Parts of a bundle made anew, while its network stays as it is: no training, no conversion, a few minutes."""

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from agent.bundle import Bundle, open_bundle, open_runtime
from agent.manifest import CARD, MANIFEST
from agent.records import RuntimeName
from agent.runtime import FILES, Runtime
from agent.runtime.onnx import OnnxRuntime
from export.calibration import recalibrate
from export.card import card
from export.known import learn
from export.make import calm, corpus_of, finish, finite, taught, vouch, write_parts
from export.manifest import manifest_of
from export.network import write_fp32
from export.pack import present, seal
from export.parity import holds, parity
from training.datasets.corpus import open_corpus
from training.errors import TrainingError
from training.record import read_record
from training.weights import load_student
from training.windows import normal_windows


def renew_calibration(
    run: Path, path: Path, root: Path | None, own: Path | None = None, keys: Path | None = None, *, head: bool = False
) -> None:
    """Calibrate a bundle anew, after a change of how scores are made; network and prototypes stay.

    Args:
        run: folder of the training run that the bundle was made from; its fp32 student is what `parity` compares with.
        path: the bundle.
        root: folder of the datasets, see `data_root`.
        own: the folder of recordings that the run was trained on, if it was.
        keys: folder of the key that signs it; none = it is not signed.
        head: teach the head for falls anew too; else it stays.

    Raises:
        TrainingError: the bundle is of another run, or a form is not near enough to fp32 any more.
        AgentError: the agent refuses the bundle as it is, or as it would be.
    """
    bundle, record = open_bundle(path, examine=False), read_record(run)  # its golden stream may be of other scores
    model, manifest = bundle.model, bundle.manifest
    if manifest.commit != record.commit:
        raise TrainingError(
            f"{path} was made from {manifest.commit[:12]}, {run} is of {record.commit[:12]}: name its run"
        )
    corpus = corpus_of(record, root, own, model.layout)
    held_out = normal_windows(corpus.recordings("calibrate"), model.layout)
    prototypes, known = model.prototypes, model.prototypes.known
    if head:
        known = learn(
            model.runtime, model.layout, normal_windows(corpus.recordings("train"), model.layout), record.seed
        )
    parts = (prototypes.places, prototypes.family, known)
    calibrated = recalibrate(model.runtime, model.layout, calm(held_out), *parts)
    runtimes = _runtimes(bundle, path)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        forms = {"fp32": _fp32(run, bundle, folder), "int8": runtimes["onnx"]}
        if "litert" in runtimes:
            forms[_litert_form(manifest.parity)] = runtimes["litert"]
        figures = finite(parity(forms, calibrated.prototypes, model.layout, held_out))
        if not all(holds(figures, form) for form in forms if form != "fp32"):
            raise TrainingError(f"a form is not near enough to fp32: {json.dumps(figures)}")
        _copy(path, folder)
        write_parts(calibrated, model.layout, runtimes, folder, model.layer)
        renewed = manifest_of(record, model.layout, calibrated, figures)
        (folder / CARD).write_text(card(renewed, record), encoding="utf-8")
        seal(renewed, folder)
        _copy(folder, path)
    vouch(path, keys)
    print(f"{path}: {renewed.id}, calibrated anew, {json.dumps(figures)}")


def renew_evidence(path: Path, root: Path | None, seed: int = 1, keys: Path | None = None) -> None:
    """Teach the evidential layer of a bundle of the public datasets anew; network and calibration stay as they are.

    Raises:
        DataError: a dataset is missing.
        AgentError: the agent refuses the bundle as it is, or as it would be.
    """
    bundle = open_bundle(path, examine=False)  # its golden stream may be of other evidence
    model, manifest = bundle.model, bundle.manifest
    corpus = open_corpus(root, None, model.layout, with_public=True)
    layer = taught(replace(model, layer=None), corpus, seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _copy(path, folder)
        runtimes = _runtimes(bundle, path)
        finish({one: replace(model, runtime=runtime, layer=layer) for one, runtime in runtimes.items()}, folder)
        seal(manifest, folder)
        _copy(folder, path)
    vouch(path, keys)
    print(f"{path}: {manifest.id}, evidence of reliability {layer.reliability if layer else 0:.3f}")


def _runtimes(bundle: Bundle, path: Path) -> dict[RuntimeName, Runtime]:
    """All that the bundle serves."""
    names: list[RuntimeName] = ["onnx"]
    if set(FILES["litert"]) <= set(bundle.manifest.files):
        names.append("litert")
    return {one: open_runtime(path, one) for one in names}


def _fp32(run: Path, bundle: Bundle, folder: Path) -> Runtime:
    layout = bundle.model.layout
    write_fp32(load_student(run / "weights.npz", layout.segments), layout.window_samples, folder / "fp32.onnx")
    return OnnxRuntime((folder / "fp32.onnx").read_bytes())


def _litert_form(figures: dict[str, float]) -> str:
    """Which form of LiteRT the bundle ships: of the two that were measured, int8 if it was near enough."""
    return (
        "litert_int8" if "alarm_agreement_litert_int8" in figures and holds(figures, "litert_int8") else "litert_fp32"
    )


def _copy(source: Path, target: Path) -> None:
    for file in (MANIFEST, *present(source)):
        shutil.copyfile(source / file, target / file)
