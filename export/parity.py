"""fp32 against int8, through the agent's own scorer, on wearers that trained nothing: falls included.

The same prototypes and scale serve both, so what differs is the quantization alone.
"""

from collections.abc import Iterable

import numpy as np

from agent.batch import cut_recording
from agent.layout import Layout
from agent.records import Booleans, Floats, Windows
from agent.runtime import Runtime
from agent.score import Prototypes, Scorer
from training.datasets import Labelled
from training.metrics import average_precision, roc_auc, window_labels

ALARM_SCORE = 1.0
"""One scale above the median: the strangest window of nine in ten normal half-minutes stays below it."""


def parity(
    fp32: Runtime, int8: Runtime, prototypes: Prototypes, layout: Layout, recordings: Iterable[Labelled]
) -> dict[str, float]:
    """ROC-AUC and average precision of both forms, and the share of windows on the same side of `ALARM_SCORE`."""
    scorers = [Scorer(runtime, prototypes, layout.segments) for runtime in (fp32, int8)]
    scores: list[list[Floats]] = [[], []]
    labels: list[Booleans] = []
    for item in recordings:
        windows = cut_recording(item.recording, layout)
        if len(windows.end_s) == 0:
            continue
        end_s = windows.end_s[windows.owner]
        labels.append(window_labels(item.recording.times_s, item.label, end_s, layout.window_s) > 0)
        for kept, scorer in zip(scores, scorers, strict=True):
            kept.append(_scores(scorer, windows))
    full, small = np.concatenate(scores[0]), np.concatenate(scores[1])
    known = np.isfinite(full) & np.isfinite(small)
    truth, full, small = np.concatenate(labels)[known].astype(np.int8), full[known], small[known]
    return {
        "roc_auc_fp32": round(roc_auc(truth, full), 4),
        "roc_auc_int8": round(roc_auc(truth, small), 4),
        "average_precision_fp32": round(average_precision(truth, full), 4),
        "average_precision_int8": round(average_precision(truth, small), 4),
        "alarm_agreement": round(float(((full > ALARM_SCORE) == (small > ALARM_SCORE)).mean()), 4),
        "windows": float(len(truth)),
    }


def _scores(scorer: Scorer, windows: Windows) -> Floats:
    missing = np.isnan(windows.samples_g[:, 0]).mean(axis=1)
    return scorer.score(windows.samples_g, windows.family, missing)[0].score
