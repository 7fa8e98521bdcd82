"""What runs the network: one protocol, one module a runtime, loaded only when a bundle or the settings ask for it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, Self

import numpy as np

from agent.records import RuntimeName, Singles

LARGEST_BATCH = 64
"""Rows a call: beyond this only the memory grows (onnxruntime: 1 MB at 64, 8 at 256), not the speed."""
FILES: dict[RuntimeName, tuple[str, ...]] = {
    "onnx": ("model.onnx",),
    "onnx-cuda": ("model.onnx",),
    "onnx-tensorrt": ("model.onnx",),
    "litert": ("model.tflite", "model.b1.tflite"),
}
"""The files of a bundle that each runtime reads; `model.tflite` takes 64 rows a call, `model.b1.tflite` one."""


class Answer(NamedTuple):
    """What the network says of m rows; each field is the output `out_<field>` of every form of the network."""

    embedding: Singles
    """(m, d)"""
    expected: Singles
    """(m, d) what each segment's embedding should be by the other segments"""
    log_variance: Singles
    """(m, d) of the embedding around what was expected"""
    trunk: Singles
    """(m, 1 + 8) log of how far the teachers would disagree, then logits of the faults that training injected"""

    @classmethod
    def named(cls, outputs: Mapping[str, Singles]) -> Self:
        """From outputs by their names in the network."""
        return cls(**{name.removeprefix("out_"): values for name, values in outputs.items()})

    @classmethod
    def joined(cls, parts: "Sequence[Answer]") -> Self:
        """Several batches as one."""
        return cls(*(np.concatenate(values) for values in zip(*parts, strict=True)))


OUTPUTS = tuple(f"out_{field}" for field in Answer._fields)
"""Names of the network's outputs."""


class Runtime(Protocol):
    """A loaded network."""

    package: str
    """The library and its version, for example `onnxruntime 1.32.0`."""
    asked: str
    """What should compute."""
    provider: str
    """What really computes, for example `CPUExecutionProvider`; differs from what was asked where that is not to be
    had: onnxruntime then falls back without an error."""

    def run(self, features: Singles) -> Answer:
        """(m, channels, samples) -> the network's answer for each row."""


def load(name: RuntimeName, files: Mapping[str, bytes]) -> Runtime:
    """Load the network with the runtime of that name.

    Args:
        name: which runtime.
        files: the contents of `FILES[name]`.

    Raises:
        BundleError: the runtime is not installed, or the bytes are no network, or one with other outputs.
    """
    if name == "litert":
        from agent.runtime.litert import LitertRuntime

        return LitertRuntime(files["model.tflite"], files["model.b1.tflite"])
    from agent.runtime.onnx import PROVIDERS, OnnxRuntime

    return OnnxRuntime(files["model.onnx"], PROVIDERS[name])
