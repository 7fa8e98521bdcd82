"""What a bundle says of itself: `bundle.json`, which names every other file with its digest."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import msgspec

from agent.errors import BundleError
from agent.ingest import RING_CELLS
from agent.layout import Layout
from agent.records import RuntimeName
from agent.runtime import FILES as NETWORKS

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


def read_manifest(text: bytes, path: Path) -> Manifest:
    """`bundle.json` of the bundle at `path`; schema first, so that a newer one is not told as a list of odd fields.

    Raises:
        BundleError: it is none, or of a newer schema; or what it says does not fit together.
    """
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
