"""The student as LiteRT files: fp32, then int8 with weights per channel and float32 in and out.

A file holds one batch size, so each form is two files, for 64 rows and for one. Both have the same tensors, so the
ranges found on the one serve the other. Ranges are the true smallest and largest values over all windows given, normal
and distorted: the quantizer's own average over batches would cut off the strangest, which are what we look for.
"""

import contextlib
import importlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from agent.features import CHANNELS
from agent.records import Singles
from agent.runtime import FILES, OUTPUTS
from agent.runtime.litert import BATCH
from training.errors import TrainingError

SIGNATURE, INPUT = "serving_default", "args_0"
"""Names that the conversion gives."""
ROWS = dict(zip(FILES["litert"], (BATCH, 1), strict=True))
"""Rows a call of each file."""
Ranges = dict[str, dict[str, Any]]
"""Smallest and largest value (`min`, `max`) of each tensor of a network, by its name."""


FAR = 1000.0
"""Beyond any output of the network."""


class _Named(nn.Module):
    """Gives each output its name, which the file keeps, and an operation of its own.

    What another layer reads as well would leave the quantized file as int8, its last operation taken away.
    """

    def __init__(self, network: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        outputs = (output.clamp(-FAR, FAR) for output in self.network(features))
        return dict(zip(self.names, outputs, strict=True))


def require() -> None:
    """Look for the conversion before the work begins.

    Raises:
        TrainingError: it is not installed.
    """
    for module in ("litert_torch", "ai_edge_quantizer", "ai_edge_litert"):
        _needed(module)


def write_fp32(network: nn.Module, samples: int, folder: Path, names: Sequence[str] = OUTPUTS) -> None:
    """Convert to float32 files in `folder`.

    Args:
        network: (n, 8, samples) -> a tuple of outputs; is put into eval mode.
        samples: of a window.
        folder: where the files go.
        names: of the outputs, in their order.

    Raises:
        TrainingError: the conversion is not installed.
    """
    litert_torch = _needed("litert_torch")
    named = _Named(network, names).eval()
    for file, rows in ROWS.items():
        with _hushed():
            converted = litert_torch.convert(named, (torch.zeros(rows, CHANNELS, samples),))
            converted.export(str(folder / file))


def write_int8(fp32: Path, features: Singles, folder: Path) -> None:
    """Quantize the files of `fp32` into `folder`, with ranges from `features` (m >= 64, channels, samples).

    Raises:
        TrainingError: the quantizer is not installed.
    """
    batched, _ = (_quantizer(fp32 / file) for file in ROWS)
    found = ranges(batched, features)
    for file in ROWS:
        with _hushed():
            result = _quantizer(fp32 / file).quantize(found, enable_progress_report=False)
            result.export_model(str(folder / file), overwrite=True)


def ranges(quantizer: Any, features: Singles) -> Ranges:
    """True ranges of every tensor: of each batch alone, so that none is averaged away, then of all."""
    found: Ranges = {}
    for start in range(0, len(features) - BATCH + 1, BATCH):
        batch = {SIGNATURE: [{INPUT: features[start : start + BATCH]}]}
        with _hushed():
            _widen(found, quantizer.calibrate(batch, num_threads=1))
    return found


def _widen(found: Ranges, other: Mapping[str, Mapping[str, Any]]) -> None:
    for name, values in other.items():
        known = found.setdefault(name, dict(values))
        if "min" in values:
            known["min"] = np.minimum(known["min"], values["min"])
            known["max"] = np.maximum(known["max"], values["max"])


def _quantizer(path: Path) -> Any:
    """int8 throughout, except that rows go in and answers come out as float32, as with onnx."""
    _needed("ai_edge_quantizer")
    from ai_edge_quantizer import qtyping, quantizer, recipe

    made = quantizer.Quantizer(str(path), recipe.static_wi8_ai8())
    for end in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
        made.update_quantization_recipe(".*", end, algorithm_key="no_quantize")
    return made


def _needed(module: str) -> ModuleType:
    try:
        with _hushed():
            return importlib.import_module(module)
    except ImportError as error:
        raise TrainingError(
            f"the conversion to LiteRT needs {module.replace('_', '-')}, which is not installed here: "
            "`make bundle-litert` sets up an environment that has it"
        ) from error


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """These tools print pages; what is wrong they raise."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
