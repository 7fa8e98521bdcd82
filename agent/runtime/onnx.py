"""onnxruntime: int8 QDQ on one thread.

One intra-op thread without spinning: a gateway shares its cores, and small networks gain nothing from more. A GPU is
taken where the settings ask for it and this build of onnxruntime has it; onnxruntime falls back to the CPU without an
error, so what was taken is compared with what was asked.
"""

import warnings

import onnxruntime

from agent.errors import BundleError
from agent.records import ProviderName, Singles
from agent.runtime import OUTPUTS, Answer

PROVIDERS: dict[ProviderName, tuple[str, ...]] = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
"""In the order of preference; the first is what was asked for."""


class OnnxRuntime:
    """See `runtime.Runtime`.

    Raises:
        BundleError: the bytes are no network, or one with other outputs.
    """

    def __init__(self, model: bytes, asked: ProviderName = "cpu") -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        wanted = PROVIDERS[asked]
        try:
            with warnings.catch_warnings(action="ignore"):  # that it falls back is told below, and in one way
                self._session = onnxruntime.InferenceSession(model, options, providers=list(wanted))
        except Exception as error:  # onnxruntime raises a family of its own, without a common public root
            raise BundleError(f"model.onnx cannot be loaded: {str(error).splitlines()[0][:200]}") from error
        found = {output.name for output in self._session.get_outputs()}
        if not found.issuperset(OUTPUTS):
            raise BundleError(
                f"model.onnx has outputs {sorted(found)}, this agent needs {sorted(OUTPUTS)}; export the bundle again"
            )
        self._input = self._session.get_inputs()[0].name
        self.package = f"onnxruntime {onnxruntime.__version__}"
        self.provider: str = self._session.get_providers()[0]
        self.asked, self.fell_back = asked, self.provider != wanted[0]

    def run(self, features: Singles) -> Answer:
        return Answer.named(dict(zip(OUTPUTS, self._session.run(OUTPUTS, {self._input: features}), strict=True)))
