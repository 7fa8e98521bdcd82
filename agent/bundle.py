"""The bundle: network, prototypes, calibration and golden stream in one directory, opened only as a whole.

`veille-bundle/1`: `bundle.json` names every other file with its SHA-256; `model.onnx`, and where the bundle also
serves LiteRT `model.tflite` and `model.b1.tflite`; `prototypes.npz`, `calibration.npz`, `golden.npz`, and in newer
bundles `evidence.npz`, hold plain arrays (no pickle); `signature.json`, where it is signed, says by whom
(`agent.signature`). Opening checks signature, schema, digests and shapes, in this order, then replays the golden stream
through the live path, on the runtime that will be used; whatever differs is a `BundleError`.
"""

import hashlib
from dataclasses import dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.arrays import Arrays, read_arrays
from agent.calibrate import CONCENTRATION, Calibration, FamilyCalibration
from agent.errors import BundleError, first_line
from agent.evidence import Layer
from agent.golden import check_golden
from agent.ingest import RING_CELLS
from agent.judge import Model
from agent.known import Known
from agent.layout import Layout
from agent.records import FALL, OPEN, PARTS, RuntimeName
from agent.runtime import FILES as NETWORKS
from agent.runtime import Runtime, load
from agent.score import MERGED, SHARED, Norms, Prototypes
from agent.signature import SHIPPED, SIGNATURE, Keyring, Origin, read_plain
from agent.symptoms import width

SCHEMA = "veille-bundle/1"
MANIFEST = "bundle.json"
FILES = ("model.onnx", "prototypes.npz", "calibration.npz", "golden.npz")
CARD = "CARD.md"
"""The model card, for people; in bundles that have one its digest is checked like any other."""
EVIDENCE = "evidence.npz"
"""The layer that tells wrong measurements beyond physics."""
FURTHER = (*NETWORKS["litert"], CARD, EVIDENCE)
"""Files that a bundle may lack; where it names them, they are verified like all others."""
UNINSTALLED = "0.0.0"
"""Of a checkout, which has no version; it is taken for new enough."""
LARGEST_FILE = 16 * 2**20
"""Bytes; a file beyond this is refused before it is read."""

Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class DataSource(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset that the model learned from."""

    name: str
    source: str
    licence: str
    wearers: int
    """Who train."""
    parts: dict[str, int] = {}
    """Part of the split -> wearers."""
    digest: str = ""
    """Of the files used; empty where it was not kept."""


class CalibrationFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What one family's calibration rests on."""

    windows: int
    half_minutes: int
    effective_half_minutes: float
    """Divided by the design effect between wearers; what the intervals are computed from."""
    wearers: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`bundle.json`."""

    schema: str
    id: str
    commit: str
    """Commit of the code that made it."""
    made: str
    """Day, ISO 8601."""
    minimum_agent: str
    layout: Layout
    context_weight: float
    """w in `agent.score`."""
    echo: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    """Share of what was strange that counts one window later, see `agent.score`."""
    habit: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """The most that lasting strangeness takes off, see `agent.score`."""
    known: list[str] = []
    """Novelties that were learnt with labels, among `PARTS`."""
    calibration: dict[str, CalibrationFacts]
    data: list[DataSource]
    training: dict[str, Any]
    """The run record: configuration, device, minutes, windows, losses."""
    parity: dict[str, float]
    """fp32 against int8, as measured at export."""
    golden_tolerance: Annotated[float, msgspec.Meta(gt=0)]
    """Largest difference of a golden score, in units of the score."""
    files: dict[str, Digest]
    runtime: RuntimeName = "onnx"
    """What runs the network unless the settings say otherwise."""
    limits: str
    """What the model must not be used for, in words."""
    gateways: list[str] = []
    """`site/gateway` of those it is made for; empty = all."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened, verified bundle."""

    path: Path
    manifest: Manifest
    digest: str
    """SHA-256 of `bundle.json`, which names the digests of all other files."""
    model: Model
    origin: Origin = "unverified"
    """Where it comes from, as far as that was checked."""

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def card(self) -> Path | None:
        """The model card; None in a bundle that has none."""
        return self.path / CARD if CARD in self.manifest.files else None


def default_bundle_path() -> Path:
    """The bundle that ships inside the package."""
    return SHIPPED


def open_bundle(
    path: Path, runtime: RuntimeName | None = None, keyring: Keyring | None = None, *, examine: bool = True
) -> Bundle:
    """Open and verify a bundle.

    Args:
        path: its directory.
        runtime: what runs the network; none = what the bundle names.
        keyring: whose bundles are taken; none = anybody's.
        examine: replay the golden stream; only the export, about to make another, may leave it out.

    Raises:
        BundleError: not signed by those who are trusted; made for another gateway; missing or truncated file, altered
            byte, newer schema, unreadable network, golden stream differs; or the bundle has nothing for this runtime,
            or the runtime is not installed.
    """
    text, keyring = _read(path / MANIFEST), keyring or Keyring()
    origin = keyring.examine(path, text)
    manifest = _manifest(text, path)
    keyring.check_place(path, {MANIFEST, SIGNATURE, *manifest.files}, manifest.gateways, origin)
    contents = {name: _verified(path / name, manifest.files) for name in (*FILES, *_further(manifest))}
    chosen = runtime or manifest.runtime
    model = Model(
        layout=manifest.layout,
        runtime=_runtime(chosen, contents, path),
        prototypes=_prototypes(read_arrays(contents["prototypes.npz"], "prototypes.npz"), manifest),
        calibration=_calibration(read_arrays(contents["calibration.npz"], "calibration.npz"), manifest.layout),
        layer=_layer(read_arrays(contents[EVIDENCE], EVIDENCE), manifest.layout) if EVIDENCE in contents else None,
    )
    if examine:
        check_golden(read_arrays(contents["golden.npz"], "golden.npz"), model, manifest.golden_tolerance, chosen)
    return Bundle(path, manifest, hashlib.sha256(text).hexdigest(), model, origin)


def open_runtime(path: Path, runtime: RuntimeName | None = None) -> Runtime:
    """The network alone, verified and loaded but not examined; arguments and errors as in `open_bundle`."""
    manifest = _manifest(_read(path / MANIFEST), path)
    chosen = runtime or manifest.runtime
    named = [name for name in NETWORKS[chosen] if name in manifest.files]
    return _runtime(chosen, {name: _verified(path / name, manifest.files) for name in named}, path)


def _further(manifest: Manifest) -> list[str]:
    return [name for name in FURTHER if name in manifest.files]


def _runtime(name: RuntimeName, contents: dict[str, bytes], path: Path) -> Runtime:
    missing = [file for file in NETWORKS[name] if file not in contents]
    if missing:
        raise BundleError(
            f"{path}: holds no {' and no '.join(missing)} for the runtime {name}; choose the runtime onnx, or make the "
            "bundle with `python -m export --litert`"
        )
    return load(name, contents)


def _read(path: Path) -> bytes:
    try:
        return read_plain(path, LARGEST_FILE)
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}; name a directory that holds a bundle") from error


def _manifest(text: bytes, path: Path) -> Manifest:
    """Schema first, so that a newer bundle is named as such and not as a list of odd fields."""
    try:
        schema = msgspec.json.decode(text, type=dict[str, Any]).get("schema")
        if schema != SCHEMA:
            raise BundleError(f"{path}: bundle schema {schema!r}, this agent reads {SCHEMA!r}; update the agent")
        manifest = msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{path / MANIFEST}: {error}; copy the bundle again") from error
    if agent_version() != UNINSTALLED and _numbers(manifest.minimum_agent) > _numbers(agent_version()):
        raise BundleError(f"{path}: needs agent {manifest.minimum_agent}, this is {agent_version()}; update the agent")
    _check_layout(manifest.layout, path)
    missing = sorted(set(FILES) - set(manifest.files))
    if missing:
        raise BundleError(f"{path / MANIFEST}: names no digest for {', '.join(missing)}; copy the bundle again")
    return manifest


def _check_layout(layout: Layout, path: Path) -> None:
    """What the types cannot say of a layout."""
    unknown = sorted(set(layout.positions.values()) - set(layout.families))
    if unknown:
        raise BundleError(f"{path / MANIFEST}: positions of families that it does not have: {', '.join(unknown)}")
    if layout.window_samples % layout.segments or layout.window_samples + layout.hop_samples > RING_CELLS // 2:
        raise BundleError(
            f"{path / MANIFEST}: a window of {layout.window_samples} samples; it must be a multiple of the "
            f"{layout.segments} segments and, with a hop, at most {RING_CELLS // 2}"
        )


def agent_version() -> str:
    """Version of the installed agent; `UNINSTALLED` in a checkout that was never installed."""
    try:
        return version("veille")
    except PackageNotFoundError:
        return UNINSTALLED


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _verified(path: Path, digests: dict[str, str]) -> bytes:
    content = _read(path)
    if hashlib.sha256(content).hexdigest() != digests[path.name]:
        raise BundleError(
            f"{path}: differs from its digest in {MANIFEST} (truncated or altered); copy the bundle again"
        )
    return content


def _prototypes(arrays: Arrays, manifest: Manifest) -> Prototypes:
    families = len(manifest.layout.families)
    try:
        known = Prototypes(
            places=arrays["places"].astype(np.float32),
            family=arrays["family"].astype(np.int64),
            norms=_norms(arrays),
            context_weight=manifest.context_weight,
            echo=manifest.echo,
            habit=manifest.habit,
            known=_known(arrays) if "fall" in manifest.known else None,
            legs=arrays["legs"].astype(np.bool_) if "legs" in arrays else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"prototypes.npz: {first_line(error)}: missing, or not numbers") from error
    norms = known.norms
    right = known.places.ndim == 2 and known.family.shape == known.places.shape[:1]
    right &= known.legs is None or known.legs.shape == (families,)
    if not right or norms.median.shape != (families, MERGED + 1):
        raise BundleError("prototypes.npz: shapes do not fit each other or the layout's families")
    scales = norms.scale[np.isfinite(norms.scale)]
    needed = norms.scale[:, [OPEN, MERGED] + [FALL] * (known.known is not None)]
    finite = all(np.isfinite(values).all() for values in (known.places, norms.median, needed))
    if not finite or (scales <= 0).any() or np.isinf(norms.scale).any():
        raise BundleError("prototypes.npz: numbers must be finite, scales above 0")
    if known.known and not known.known.fits(known.places.shape[1]):
        raise BundleError("prototypes.npz: the head for falls does not fit the embedding")
    served = set(known.family.tolist())
    if not served <= {SHARED, *range(families)} or not (SHARED in served or served >= set(range(families))):
        raise BundleError("prototypes.npz: every family of the layout needs a prototype, and no other may have one")
    return known


def _norms(arrays: Arrays) -> Norms:
    """Columns in the order of `PARTS`, then the whole; the open part's are `median` and `scale`."""
    names = ("", *(f"{part}_" for part in PARTS[1:]), "score_")
    median, scale = (
        np.stack([arrays[f"{name}{what}"].astype(np.float64) for name in names], axis=1) for what in ("median", "scale")
    )
    if median.shape != scale.shape:
        raise ValueError("medians and scales differ in shape")
    return Norms(median, scale)


def _known(arrays: Arrays) -> Known:
    numbers = {field.name: arrays[f"known_{field.name}"].astype(np.float32) for field in fields(Known)}
    last_bias = float(numbers.pop("last_bias"))
    return Known(**numbers, last_bias=last_bias)


def _layer(arrays: Arrays, layout: Layout) -> Layer:
    try:
        numbers = {name: arrays[name].astype(np.float32) for name in Layer.ARRAYS}
        caution, reliability = float(arrays["caution"]), float(arrays["reliability"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{EVIDENCE}: {first_line(error)}: missing, or not numbers") from error
    layer = Layer(**numbers, caution=caution, reliability=reliability)
    if not layer.fits(width(len(layout.families))):
        raise BundleError(f"{EVIDENCE}: shapes do not fit each other or the layout, or numbers are out of range")
    return layer


def _calibration(arrays: Arrays, layout: Layout) -> Calibration:
    families = []
    for name in layout.families:
        try:
            scores, low, high = (arrays[f"{name}_{part}"].astype(np.float64) for part in ("scores", "low", "high"))
            wearers = int(arrays[f"{name}_wearers"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"calibration.npz: {name}: {first_line(error)}") from error
        if scores.ndim != 1 or low.shape != (len(scores) + 1,) or high.shape != low.shape or not _ascend(scores):
            raise BundleError(f"calibration.npz: {name}: scores must ascend, with one more interval than scores")
        if not ((low >= 0) & (low <= high) & (high <= 1)).all():
            raise BundleError(f"calibration.npz: {name}: the ends of an interval must ascend and lie in [0, 1]")
        families.append(FamilyCalibration(scores, low, high, wearers, _parts(arrays, name)))
    concentration = float(arrays.get("concentration", np.array(CONCENTRATION)))
    if not (np.isfinite(concentration) and concentration > 0):
        raise BundleError(f"calibration.npz: concentration {concentration}: must be finite and above 0")
    return Calibration(tuple(families), concentration)


def _parts(arrays: Arrays, name: str) -> tuple[NDArray[np.float64], ...]:
    """Half-minutes of each part of the score, where a family has it."""
    try:
        found = tuple(arrays[f"{name}_{part}"].astype(np.float64) for part in PARTS)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"calibration.npz: {name}: {first_line(error)}") from error
    if not all(values.ndim == 1 and _ascend(values) for values in found):
        raise BundleError(f"calibration.npz: {name}: the scores of a part must ascend")
    return found


def _ascend(scores: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(scores).all() and (np.diff(scores) >= 0).all())
