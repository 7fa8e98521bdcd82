"""LiteRT (once TensorFlow Lite): model.tflite on one thread.

A LiteRT file holds one batch size, so there are two: 64 rows a call, and one. `ai_edge_litert` runs them; where only
its predecessor `tflite_runtime` is installed (Python 3.11 with numpy 1), that is tried. The golden replay decides
whether its numbers are right: it runs some of today's files wrongly, and in silence.
"""

import importlib
from importlib import metadata
from types import ModuleType
from typing import Any

import numpy as np

from agent.errors import BundleError, first_line
from agent.records import ProviderName, Singles
from agent.runtime import OUTPUTS, Answer

PACKAGES = {"ai-edge-litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime"}
"""Distributions and their modules, the first that can be imported is taken."""
MISSING = (
    "litert is asked for, but neither ai-edge-litert nor tflite-runtime can be imported; "
    "pip install 'veille[litert]', or choose the runtime onnx"
)
BATCH = 64
PADDED_FROM = 56
"""So many rows left over go faster as one padded call of 64 than one by one: measured on x86, 71 µs a row in a call of
64 and 79 one by one (int8), 51 and 58 (fp32)."""


class LitertRuntime:
    """See `runtime.Runtime`. Not for several threads at once, for a network keeps its tensors.

    Args:
        batched: the network for `BATCH` rows a call.
        single: the same network for one row a call.

    Raises:
        BundleError: nothing is installed that runs it, or the bytes are no network, or one with other outputs.
    """

    def __init__(self, batched: bytes, single: bytes, asked: ProviderName = "cpu") -> None:
        self.asked, self.fell_back = asked, asked != "cpu"
        package, module = _installed()
        self.package = f"{package} {metadata.version(package)}"
        self._batched = _Network("model.tflite", batched, BATCH, module)
        self._single = _Network("model.b1.tflite", single, 1, module)
        self.provider = self._batched.provider

    def run(self, features: Singles) -> Answer:
        """Blocks of 64, and what is left over one by one, or padded where that is faster."""
        rows = len(features)
        whole = rows - rows % BATCH
        parts = [self._batched.run(features[start : start + BATCH]) for start in range(0, whole, BATCH)]
        if rows - whole >= PADDED_FROM:
            padded = np.zeros((BATCH, *features.shape[1:]), np.float32)
            padded[: rows - whole] = features[whole:]
            parts.append(Answer(*(values[: rows - whole] for values in self._batched.run(padded))))
        else:
            parts += [self._single.run(features[row : row + 1]) for row in range(whole, rows)]
        return Answer.joined(parts)


def _installed() -> tuple[str, ModuleType]:
    """The distribution that runs LiteRT files, and its module of interpreters."""
    for package, module in PACKAGES.items():
        try:
            return package, importlib.import_module(f"{module}.interpreter")
        except ImportError:
            continue
    raise BundleError(MISSING)


class _Network:
    """One file, loaded."""

    def __init__(self, name: str, model: bytes, rows: int, module: ModuleType) -> None:
        try:
            self._interpreter = module.Interpreter(model_content=model, num_threads=1)
            self._interpreter.allocate_tensors()
            given, outputs = self._signature()
        except Exception as error:  # each version raises other errors for bytes that are no network
            raise BundleError(f"{name} cannot be loaded: {first_line(error)[:200]}") from error
        if not set(outputs).issuperset(OUTPUTS):
            raise BundleError(f"{name} has outputs {sorted(outputs)}, this agent needs {sorted(OUTPUTS)}")
        kinds = {np.dtype(tensor["dtype"]) for tensor in (given, *outputs.values())}
        if given["shape"][0] != rows or kinds != {np.dtype(np.float32)}:
            raise BundleError(f"{name} does not take {rows} rows of float32 a call; make the bundle again")
        self._given: int = given["index"]
        self._outputs: dict[str, int] = {field: outputs[field]["index"] for field in OUTPUTS}

    def _signature(self) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Details of the one input, and of each output by its name."""
        runner = self._interpreter.get_signature_runner()
        (given,) = runner.get_input_details().values()
        return given, runner.get_output_details()

    @property
    def provider(self) -> str:
        """XNNPACK is a delegate that takes over most operations; without it the plain kernels compute."""
        operations: list[dict[str, Any]] = getattr(self._interpreter, "_get_ops_details", list)()  # not public
        delegated = any(operation["op_name"] == "DELEGATE" for operation in operations)
        return "XNNPACK on the CPU" if delegated else "plain kernels on the CPU"

    def run(self, features: Singles) -> Answer:
        """(rows, channels, samples), as many rows as the file takes."""
        self._interpreter.set_tensor(self._given, features)
        self._interpreter.invoke()
        return Answer.named({name: self._interpreter.get_tensor(index) for name, index in self._outputs.items()})
