"""The bundle: network, prototypes, calibration and golden stream in one directory, opened only as a whole.

`veille-bundle/1`: `bundle.json` names every other file with its SHA-256; `model.onnx`, and where the bundle also
serves LiteRT `model.tflite` and `model.b1.tflite`; `prototypes.npz`, `calibration.npz`, `golden.npz`, and in newer
bundles `evidence.npz`, hold plain arrays (no pickle); `signature.json`, where it is signed, says by whom
(`agent.signature`). Opening checks signature, schema, digests and shapes, in this order, then replays the golden stream
through the live path, on the runtime that will be used; whatever differs is a `BundleError`.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from agent.arrays import read_arrays
from agent.contents import calibration_of, layer_of, prototypes_of
from agent.errors import BundleError
from agent.golden import check_golden
from agent.judge import Model
from agent.manifest import CARD, EVIDENCE, FILES, FURTHER, MANIFEST, Manifest, read_manifest
from agent.records import RuntimeName
from agent.runtime import FILES as NETWORKS
from agent.runtime import Runtime, load
from agent.signature import SHIPPED, SIGNATURE, Keyring, Origin, read_plain

LARGEST_FILE = 16 * 2**20
"""Bytes; a file beyond this is refused before it is read."""


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
    manifest = read_manifest(text, path)
    keyring.check_place(path, {MANIFEST, SIGNATURE, *manifest.files}, manifest.gateways, origin)
    contents = {name: _verified(path / name, manifest.files) for name in (*FILES, *_further(manifest))}
    chosen = runtime or manifest.runtime
    model = Model(  # the network last: what it costs to load it is spared where an array is no good
        layout=manifest.layout,
        prototypes=prototypes_of(read_arrays(contents["prototypes.npz"], "prototypes.npz"), manifest),
        calibration=calibration_of(read_arrays(contents["calibration.npz"], "calibration.npz"), manifest.layout),
        layer=layer_of(read_arrays(contents[EVIDENCE], EVIDENCE), manifest.layout) if EVIDENCE in contents else None,
        runtime=_runtime(chosen, contents, path),
    )
    if examine:
        check_golden(read_arrays(contents["golden.npz"], "golden.npz"), model, manifest.golden_tolerance, chosen)
    return Bundle(path, manifest, hashlib.sha256(text).hexdigest(), model, origin)


def open_runtime(path: Path, runtime: RuntimeName | None = None) -> Runtime:
    """The network alone, verified and loaded but not examined; arguments and errors as in `open_bundle`."""
    manifest = read_manifest(_read(path / MANIFEST), path)
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


def _verified(path: Path, digests: dict[str, str]) -> bytes:
    content = _read(path)
    if hashlib.sha256(content).hexdigest() != digests[path.name]:
        raise BundleError(
            f"{path}: differs from its digest in {MANIFEST} (truncated or altered); copy the bundle again"
        )
    return content
