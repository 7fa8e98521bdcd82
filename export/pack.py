"""Write the bundle, then open it as a gateway would."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.bundle import CARD, FILES, MANIFEST, Bundle, Manifest, open_bundle
from agent.golden import golden_arrays
from agent.judge import Model
from agent.simulate import simulate

GOLDEN_SEED = 20
GOLDEN_S = (50.0, 90.0)
"""Part of the simulated two minutes: walking, the fall, lying, getting up. Simulated, so that it may ship."""
LARGEST_BUNDLE = 600_000
"""Bytes."""

Arrays = dict[str, NDArray[Any]]


def write_arrays(arrays: Arrays, path: Path) -> None:
    np.savez_compressed(path, allow_pickle=False, **arrays)


def write_golden(model: Model, path: Path) -> None:
    """The golden stream and what this model makes of it.

    A bundle that knows no simulated position gets the stream under one that it knows: it examines numbers, not people.
    """
    recording, _ = simulate(np.random.default_rng(GOLDEN_SEED))
    part = (recording.times_s >= GOLDEN_S[0]) & (recording.times_s < GOLDEN_S[1])
    known = {name: samples for name, samples in recording.positions.items() if name in model.layout.positions}
    known = known or {next(iter(model.layout.positions)): recording.positions["waist"]}
    positions = {name: samples[part] for name, samples in known.items()}
    short = type(recording)("golden", "golden", recording.times_s[part], positions)
    write_arrays(golden_arrays(short, model), path)


def seal(manifest: Manifest, folder: Path) -> Bundle:
    """Write `bundle.json` with the digests of what lies in `folder`, and open the whole.

    Raises:
        BundleError: what was written cannot be opened, or is too large to ship.
    """
    present = [*FILES, *(name for name in (CARD,) if (folder / name).exists())]
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in present}
    sealed = msgspec.structs.replace(manifest, files=digests)
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(sealed), indent=1) + b"\n")
    return open_bundle(folder)


def size(folder: Path) -> int:
    """Bytes of the bundle's own files."""
    return sum((folder / name).stat().st_size for name in (MANIFEST, *FILES))
