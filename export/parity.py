"""fp32 against the forms that ship, through the agent's own scorer, on wearers that trained nothing: falls included.

The same prototypes and norms serve all, so what differs is the form alone; measured for each dataset and for all.
"""

from collections.abc import Mapping

import numpy as np
from scipy.stats import spearmanr

from agent.layout import Layout
from agent.records import Booleans, Floats
from agent.runtime import Runtime
from agent.score import Prototypes
from training.metrics import average_precision, roc_auc
from training.scoring import score_windows
from training.windows import NormalWindows

ALARM_SCORE = 1.0
"""One scale above the median: the strangest window of nine in ten normal half-minutes stays below it."""
LARGEST_LOSS = 0.005
"""Of ROC-AUC and of average precision, from fp32 to a form that ships."""
LEAST_AGREEMENT = 0.99
"""Share of windows on the same side of `ALARM_SCORE`."""


def parity(
    forms: Mapping[str, Runtime], prototypes: Prototypes, layout: Layout, windows: NormalWindows
) -> dict[str, float]:
    """Each form beside `fp32`.

    Returns:
        `roc_auc_<form>`, `average_precision_<form>`; for all but fp32 also `alarm_agreement_<form>`, the share of
        windows on fp32's side of an alarm (`alarm_agreement` is int8's, as it always was), and `anomaly_ranks_<form>`,
        Spearman's rank correlation with fp32 among the windows beyond an alarm: where ranges saturate, anomalies look
        alike and it falls; and `windows`. The same again for each dataset as `<dataset>.<figure>`.
    """
    scores = {name: score_windows(runtime, prototypes, layout, windows).score for name, runtime in forms.items()}
    truth = windows.label > 0
    found = figures(truth, scores)
    dataset = np.array([wearer.partition("-")[0] for wearer in windows.wearer])
    for name in np.unique(dataset):
        rows = dataset == name
        own = figures(truth[rows], {form: values[rows] for form, values in scores.items()})
        found |= {f"{name}.{figure}": value for figure, value in own.items()}
    return found


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
            found |= _beside(kept["fp32"], values, name)
    return found | {"windows": float(len(labels))}


def _beside(fp32: Floats, values: Floats, name: str) -> dict[str, float]:
    strange = fp32 > ALARM_SCORE
    ranks = spearmanr(fp32[strange], values[strange]).statistic if strange.sum() > 2 else np.nan
    return {
        _agreement(name): round(float((strange == (values > ALARM_SCORE)).mean()), 4),
        f"anomaly_ranks_{name}": round(float(ranks), 4),
    }


def holds(found: Mapping[str, float], form: str) -> bool:
    """Whether a form is near enough to fp32 to ship; where nobody fell, only alarms can be compared."""
    metrics = [metric for metric in ("roc_auc", "average_precision") if f"{metric}_fp32" in found]
    losses = [found[f"{metric}_fp32"] - found[f"{metric}_{form}"] for metric in metrics]
    return max(losses, default=0.0) <= LARGEST_LOSS and found[_agreement(form)] >= LEAST_AGREEMENT


def _agreement(form: str) -> str:
    return "alarm_agreement" if form == "int8" else f"alarm_agreement_{form}"
