"""The student as ONNX: fp32, then int8 with activations U8, weights S8 per channel.

U8S8 is the one int8 form that is faster than fp32 on x86 as well as on arm64 (S8S8 is slower than fp32 on x86).
Ranges are set from normal *and* distorted windows: an anomaly that saturates the ranges would look less strange
than it is. Weights have 7 bits: with 8, processors with AVX2 but without VNNI add pairs of products in 16 bits that
overflow, and a gateway would compute other numbers than the machine that calibrated; with 7 all compute the same, at
the same speed.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from agent.features import CHANNELS
from agent.records import Singles
from agent.runtime import OUTPUTS
from training.model import Student

INPUT = "in_features"
BATCH = 64


class _Reader(CalibrationDataReader):  # type: ignore[misc] # onnxruntime is not typed
    """Hands features to the range finder, a batch at a time."""

    def __init__(self, features: Singles) -> None:
        self._batches = iter(np.array_split(features, max(1, len(features) // BATCH)))

    def get_next(self) -> dict[str, Singles] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def write_fp32(student: Student, samples: int, path: Path) -> None:
    """Export with a free batch size, and check the graph."""
    example = torch.zeros(2, CHANNELS, samples)
    program = torch.onnx.export(
        student,
        (example,),
        input_names=[INPUT],
        output_names=list(OUTPUTS),  # unmistakable: a bare `mean` collides with an inner value of the same name
        dynamic_shapes={"features": {0: torch.export.Dim("rows", min=1)}},
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program")
    program.save(str(path))
    onnx.checker.check_model(str(path))


def write_int8(fp32: Path, features: Singles, path: Path) -> None:
    """Quantize with ranges from `features` (m, channels, samples)."""
    prepared = path.with_suffix(".prepared.onnx")
    quant_pre_process(str(fp32), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(path),
        _Reader(features),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        calibrate_method=CalibrationMethod.MinMax,
        reduce_range=True,
    )
    prepared.unlink()
    onnx.checker.check_model(str(path))
