"""Does the bundle keep its word? Verdicts at the budget it ships with, on wearers that it never saw.

No threshold is chosen here: the level follows from the budget and the calibration in the bundle, as on a gateway.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.batch import cut_recording
from agent.bundle import Bundle
from agent.decide import level
from agent.judge import Judge
from agent.recording import Recording
from agent.records import NOISE, NORMAL, NOVELTY, Booleans, Floats
from training.bootstrap import Estimate, estimate
from training.compare import PROTOCOLS, judged_recordings, scored
from training.metrics import Figure, Tally, Weights, recall_above, tally
from training.progress import watched

BUDGETS_PER_DAY = (24.0, 72.0)
"""One false alarm an hour, which is the default, and three."""
ALARM, DOUBT = 2.0, 1.0
HEADINGS = ("protocol", "budget per h", "false alarms per h", "recall, {novelty}", "recall, novelty or doubt")


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of a budget under one protocol."""

    protocol: str
    budget_per_hour: float
    false_alarms_per_hour: Estimate
    recall: Estimate
    """Share of events with a window whose verdict is {novelty}."""
    recall_or_doubt: Estimate
    """Share of events with a window whose verdict holds novelty."""


def kept(bundle: Bundle, names: Sequence[str], root: Path | None, resamples: int) -> list[Kept]:
    """All budgets under the named protocols.

    Raises:
        DataError: a dataset is missing.
    """
    found = []
    for protocol in (one for one in PROTOCOLS if one.name in names):
        items = judged_recordings(protocol, bundle.manifest.layout, root)
        for budget in BUDGETS_PER_DAY:
            watching = watched(items, f"{protocol.name}: verdicts at {budget:g} a day")
            judged = [scored(item, *_verdicts(bundle, item.recording, budget)) for item in watching]
            counts = tally(judged, bundle.manifest.layout.window_s)
            figures = (_alarms_per_hour, _recall_above(ALARM), _recall_above(DOUBT))
            found.append(Kept(protocol.name, budget / 24, *(estimate(counts, one, resamples) for one in figures)))
    return found


def _verdicts(bundle: Bundle, recording: Recording, budget: float) -> tuple[Floats, Floats]:
    """Ends of the windows, and `ALARM` where only novelty is left, `DOUBT` where it cannot be ruled out."""
    windows = cut_recording(recording, bundle.manifest.layout)
    labels: Booleans = Judge(bundle.model, level(budget)).judge(windows).verdicts.labels
    alone = labels[:, NOVELTY] & ~labels[:, NORMAL] & ~labels[:, NOISE]
    return windows.end_s, np.where(alone, ALARM, np.where(labels[:, NOVELTY], DOUBT, 0.0))


def _alarms_per_hour(counts: Tally, weights: Weights) -> float:
    place = np.flatnonzero(counts.thresholds >= ALARM)
    alarms = float(weights @ counts.false_alarms[:, place[-1]]) if len(place) else 0.0
    hours = float(weights @ counts.normal_hours)
    return alarms / hours if hours else float("nan")


def _recall_above(threshold: float) -> Figure:
    return lambda counts, weights: recall_above(threshold, counts, weights)
