"""Write the bundle, then open it as a gateway would."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.bundle import Bundle, open_bundle
from agent.golden import golden_arrays
from agent.judge import Model
from agent.manifest import FILES, FURTHER, MANIFEST, Manifest
from agent.records import RuntimeName
from agent.runtime import FILES as NETWORKS
from agent.simulate import simulate

GOLDEN_SEED = 20
GOLDEN_S = (50.0, 90.0)
"""Part of the simulated two minutes: walking, the fall, lying, getting up. Simulated, so that it may ship."""
LARGEST_BUNDLE = 1_500_000
"""Bytes."""

Arrays = dict[str, NDArray[Any]]


def write_arrays(arrays: Arrays, path: Path) -> None:
    np.savez_compressed(path, allow_pickle=False, **arrays)


def write_golden(models: Mapping[RuntimeName, Model], path: Path) -> None:
    """The golden stream and what the model makes of it on each runtime.

    A bundle that knows no simulated position gets the stream under one that it knows: it examines numbers, not people.
    """
    recording, _ = simulate(np.random.default_rng(GOLDEN_SEED))
    part = (recording.times_s >= GOLDEN_S[0]) & (recording.times_s < GOLDEN_S[1])
    known = {name: samples for name, samples in recording.positions.items() if name in models["onnx"].layout.positions}
    known = known or {next(iter(models["onnx"].layout.positions)): recording.positions["waist"]}
    positions = {name: samples[part] for name, samples in known.items()}
    short = type(recording)("golden", "golden", recording.times_s[part], positions)
    write_arrays(golden_arrays(short, models), path)


def seal(manifest: Manifest, folder: Path) -> Bundle:
    """Write `bundle.json` with the digests of what lies in `folder`, and open the whole, on each runtime it serves.

    Raises:
        BundleError: what was written cannot be opened, or is too large to ship.
    """
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in present(folder)}
    sealed = msgspec.structs.replace(manifest, files=digests)
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(sealed), indent=1) + b"\n")
    if set(NETWORKS["litert"]) <= set(digests):
        open_bundle(folder, "litert")
    return open_bundle(folder)


def present(folder: Path) -> list[str]:
    """The bundle's own files in `folder`, apart from the manifest."""
    return [*FILES, *(name for name in FURTHER if (folder / name).exists())]


def size(folder: Path) -> int:
    """Bytes of the bundle's own files."""
    return sum((folder / name).stat().st_size for name in (MANIFEST, *present(folder)))
