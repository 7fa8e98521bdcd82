"""fp32 against the forms that ship, through the agent's own scorer, on wearers that trained nothing: falls included.

The same prototypes and scale serve all, so what differs is the form alone.
"""

from collections.abc import Iterable, Mapping

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
LARGEST_LOSS = 0.005
"""Of ROC-AUC and of average precision, from fp32 to a form that ships."""
LEAST_AGREEMENT = 0.99
"""Share of windows on the same side of `ALARM_SCORE`."""


def parity(
    fp32: Runtime, forms: Mapping[str, Runtime], prototypes: Prototypes, layout: Layout, recordings: Iterable[Labelled]
) -> dict[str, float]:
    """ROC-AUC and average precision of fp32 and of each form, and the share of windows on fp32's side of an alarm.

    Returns:
        `roc_auc_<form>` and `average_precision_<form>`; the share is `alarm_agreement` for int8 (as it always was),
        `alarm_agreement_<form>` for another form; and `windows`.
    """
    scorers = {name: Scorer(runtime, prototypes, layout.segments) for name, runtime in {"fp32": fp32, **forms}.items()}
    parts: dict[str, list[Floats]] = {name: [] for name in scorers}
    labels: list[Booleans] = []
    for item in recordings:
        windows = cut_recording(item.recording, layout)
        if len(windows.end_s) == 0:
            continue
        end_s = windows.end_s[windows.owner]
        labels.append(window_labels(item.recording.times_s, item.label, end_s, layout.window_s) > 0)
        for name, scorer in scorers.items():
            parts[name].append(_scores(scorer, windows))
    return figures(np.concatenate(labels), {name: np.concatenate(part) for name, part in parts.items()})


def figures(truth: Booleans, scores: Mapping[str, Floats]) -> dict[str, float]:
    """See `parity`; rows that one form cannot score count for none."""
    known = np.all([np.isfinite(values) for values in scores.values()], axis=0)
    labels = truth[known].astype(np.int8)
    kept = {name: values[known] for name, values in scores.items()}
    found: dict[str, float] = {}
    for name, values in kept.items():
        found[f"roc_auc_{name}"] = round(roc_auc(labels, values), 4)
        found[f"average_precision_{name}"] = round(average_precision(labels, values), 4)
        if name != "fp32":
            same = (kept["fp32"] > ALARM_SCORE) == (values > ALARM_SCORE)
            found[_agreement(name)] = round(float(same.mean()), 4)
    return found | {"windows": float(len(labels))}


def holds(found: Mapping[str, float], form: str) -> bool:
    """Whether a form is near enough to fp32 to ship."""
    losses = [found[f"{metric}_fp32"] - found[f"{metric}_{form}"] for metric in ("roc_auc", "average_precision")]
    return max(losses) <= LARGEST_LOSS and found[_agreement(form)] >= LEAST_AGREEMENT


def _agreement(form: str) -> str:
    return "alarm_agreement" if form == "int8" else f"alarm_agreement_{form}"


def _scores(scorer: Scorer, windows: Windows) -> Floats:
    missing = np.isnan(windows.samples_g[:, 0]).mean(axis=1)
    return scorer.score(windows.samples_g, windows.family, missing)[0].score
