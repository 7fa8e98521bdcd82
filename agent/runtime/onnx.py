"""onnxruntime: int8 QDQ on one thread.

One intra-op thread without spinning: a gateway shares its cores, and small networks gain nothing from more.

Since 1.29 the library's Linux builds tell their maker about each process and model, over the network, and keep an
identifier under the home directory (microsoft/onnxruntime#27379). Nothing leaves a gateway that nobody asked for: the
switch must be set before the library is loaded.
"""

import os
import warnings

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

from agent.errors import BundleError
from agent.records import RuntimeName, Singles
from agent.runtime import OUTPUTS, Answer

PROVIDERS: dict[RuntimeName, tuple[str, ...]] = {
    "onnx": ("CPUExecutionProvider",),
    "onnx-cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "onnx-tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
"""Whom to ask, the first that can be had is taken; the CPU always can."""


class OnnxRuntime:
    """See `runtime.Runtime`.

    Raises:
        BundleError: the bytes are no network, or one with other outputs.
    """

    def __init__(self, model: bytes, providers: tuple[str, ...] = PROVIDERS["onnx"]) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            with warnings.catch_warnings(action="ignore"):  # of a fallback, which `asked` and `provider` tell
                self._session = onnxruntime.InferenceSession(model, options, providers=list(providers))
        except Exception as error:  # onnxruntime raises a family of its own, without a common public root
            raise BundleError(f"model.onnx cannot be loaded: {str(error).splitlines()[0][:200]}") from error
        found = {output.name for output in self._session.get_outputs()}
        if not found.issuperset(OUTPUTS):
            raise BundleError(
                f"model.onnx has outputs {sorted(found)}, this agent needs {sorted(OUTPUTS)}; export the bundle again"
            )
        self._input = self._session.get_inputs()[0].name
        self.package = f"onnxruntime {onnxruntime.__version__}"
        self.asked = providers[0]
        self.provider: str = self._session.get_providers()[0]

    def run(self, features: Singles) -> Answer:
        return Answer.named(dict(zip(OUTPUTS, self._session.run(OUTPUTS, {self._input: features}), strict=True)))
