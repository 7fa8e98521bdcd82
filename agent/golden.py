"""The golden stream: a short recording in the bundle, with every number that this bundle gave it when it was made.

A network that loads is not yet the network that was tested: another runtime, processor or library can compute
other numbers in silence. So every opening replays the golden stream through the live path.

Each runtime has its own results there, for two 8-bit forms of one network round differently; the verdicts must be the
same for all.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.batch import cut_recording
from agent.errors import BundleError, first_line
from agent.judge import Judge, Judged, Model
from agent.recording import Recording
from agent.records import RuntimeName

ALPHA = 1 / 120
"""Level at which the golden verdicts were made; fixed, so that settings do not change the exam."""

FEWEST_SCORED = 0.5
"""A network that answers NaN agrees with its own NaNs: this share of the golden rows must have a score."""

Arrays = dict[str, NDArray[Any]]


OWN = ("embedding", "score", "p_value", "labels", "right", "wrong")
"""Results that each runtime has of its own; `litert_score` beside `score`, which is that of onnx."""


LATER = ("right", "wrong")
"""Results that bundles of before the evidential layer do not hold."""


def golden_arrays(recording: Recording, models: Mapping[RuntimeName, Model]) -> Arrays:
    """The stream and its results on each runtime, as they go into `golden.npz`; `models` must name `onnx`."""
    results = {name: _replayed(recording, model) for name, model in models.items()}
    own = {f"{name}_{key}": results[name][key] for name in results if name != "onnx" for key in OWN}
    stream = {f"stream_{position}": samples for position, samples in recording.positions.items()}
    return {"stream_t_s": recording.times_s, **stream, **results["onnx"], **own}


def _replayed(recording: Recording, model: Model) -> Arrays:
    return _results(Judge(model, ALPHA).judge(cut_recording(recording, model.layout)))


def _results(judged: Judged) -> Arrays:
    return {
        "end_s": judged.windows.end_s,
        "samples_g": judged.windows.samples_g[::8],  # every 8th, to keep the bundle small
        "fault": judged.fault.astype(np.float32),
        "embedding": judged.scores.embedding[::8],
        "score": judged.scores.score,
        "p_value": judged.surprise.p_value,
        "labels": judged.verdicts.labels,
        "right": judged.trust.right.astype(np.float32),
        "wrong": judged.trust.wrong.astype(np.float32),
    }


def check_golden(arrays: Arrays, model: Model, tolerance: float, runtime: RuntimeName = "onnx") -> None:
    """Replay the golden stream and compare: numbers with those of this runtime, verdicts with those of onnx too.

    Raises:
        BundleError: the stream cannot be replayed, or a result differs by more than `tolerance`.
    """
    try:
        positions = {
            key.removeprefix("stream_"): arrays[key].astype(np.float32)
            for key in arrays
            if key.startswith("stream_") and key != "stream_t_s"
        }
        recording = Recording("golden", "golden", arrays["stream_t_s"].astype(np.float64), positions)
        found = _replayed(recording, model)
        if len(found["score"]) == 0:
            raise BundleError("golden.npz: holds no window to examine")
        if not np.isfinite(found["embedding"]).all() or np.isfinite(found["score"]).mean() < FEWEST_SCORED:
            raise BundleError("the network gives no numbers; make the bundle again")
        found = {key: values for key, values in found.items() if key in arrays or key not in LATER}
        _compare({key: arrays.get(f"{runtime}_{key}", arrays[key]) for key in found}, found, tolerance)
        _compare_verdicts(arrays["labels"], found["labels"])
    except BundleError as error:
        raise BundleError(f"golden replay on {model.runtime.package}: {error}") from error
    except Exception as error:  # whatever a bundle that does not fit makes numpy or the runtime raise
        raise BundleError(f"golden.npz: cannot be replayed: {first_line(error)}") from error


def _compare(expected: Arrays, found: Arrays, tolerance: float) -> None:
    for name, want in expected.items():
        have = found[name]
        if want.shape != have.shape:
            raise BundleError(f"{name} has shape {have.shape}, expected {want.shape}")
        if want.dtype == np.bool_:
            continue  # labels follow from p; a p at its very threshold may fall on either side of it
        worst = float(np.max(np.nan_to_num(np.abs(want.astype(float) - have.astype(float))), initial=0.0))
        if worst > tolerance or (np.isnan(want) != np.isnan(have)).any():
            raise BundleError(
                f"{name} differs by {worst:.3g}, tolerance {tolerance:g}; this machine computes other numbers than "
                "those that were tested; choose another runtime, or run `veille doctor`"
            )
    _compare_verdicts(expected["labels"], found["labels"])


def _compare_verdicts(expected: NDArray[np.bool_], found: NDArray[np.bool_]) -> None:
    differing = int((expected != found).any(axis=1).sum())
    if differing > 0.02 * len(expected):
        raise BundleError(f"{differing} of {len(expected)} verdicts differ")
