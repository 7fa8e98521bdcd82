"""What runs the network: one protocol, one module a runtime, loaded only when a bundle or the settings ask for it."""

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, Self

import numpy as np

from agent.records import ProviderName, RuntimeName, Singles

log = logging.getLogger("veille")

LARGEST_BATCH = 256
"""Rows a call: beyond this only the memory grows, not the speed."""
FILES: dict[RuntimeName, tuple[str, ...]] = {
    "onnx": ("model.onnx",),
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
    provider: str
    """What really computes, for example `CPUExecutionProvider`; may differ from what was asked."""
    asked: ProviderName
    """What was asked to compute."""
    fell_back: bool
    """Whether something else computes."""

    def run(self, features: Singles) -> Answer:
        """(m, channels, samples) -> the network's answer for each row."""


def load(name: RuntimeName, files: Mapping[str, bytes], provider: ProviderName = "cpu") -> Runtime:
    """Load the network with the runtime of that name.

    Args:
        name: which runtime.
        files: the contents of `FILES[name]`.
        provider: what should compute; litert knows the CPU alone.

    Raises:
        BundleError: the runtime is not installed, or the bytes are no network, or one with other outputs.
    """
    runtime: Runtime
    if name == "litert":
        from agent.runtime.litert import LitertRuntime

        runtime = LitertRuntime(files["model.tflite"], files["model.b1.tflite"], provider)
    else:
        from agent.runtime.onnx import OnnxRuntime

        runtime = OnnxRuntime(files["model.onnx"], provider)
    if runtime.fell_back:
        log.warning("provider %s was asked for, but %s computes; see `veille doctor`", provider, runtime.provider)
    return runtime
