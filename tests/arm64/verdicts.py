"""Opens the shipped bundle, which replays the golden stream, and writes what it gives: `verdicts.py RUNTIME OUT`."""

import platform
import sys

import numpy as np

from agent import golden
from agent.bundle import default_bundle_path, open_bundle
from agent.recording import Recording

RUNTIME, OUT = sys.argv[1:]
model = open_bundle(default_bundle_path(), RUNTIME).model
with np.load(default_bundle_path() / "golden.npz") as arrays:
    positions = {key[7:]: arrays[key] for key in arrays if key.startswith("stream_") and key != "stream_t_s"}
    recording = Recording("golden", "golden", arrays["stream_t_s"], positions)
given = golden.golden_arrays(recording, {"onnx": model})
np.savez(OUT, labels=given["labels"], score=given["score"], p_value=given["p_value"])
print(platform.machine(), platform.python_version(), model.runtime.package, model.runtime.provider)
