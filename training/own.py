"""How a bundle does on a user's own recordings: on the wearers of the folder that it has not met."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from agent.bundle import Bundle
from agent.layout import POSITIONS, Layout
from training.bootstrap import estimate
from training.compare import FIGURES, Score, scored
from training.datasets.corpus import open_corpus, tell
from training.datasets.labelled import Labelled
from training.datasets.own_recordings import NAME
from training.datasets.split import NEED
from training.errors import TrainingError
from training.markdown import table
from training.metrics import Tally, tally
from training.progress import watched

MERGED = "Veille"
"""Name of the score that a bundle's verdicts rest on."""
NOTES = """In brackets: 95 % bootstrap interval over wearers. Recall: share of events detected at that many false
alarms per hour of normal wear, with one threshold for all wearers, chosen on these recordings (an oracle)."""


def judged(folder: Path, bundle: Bundle, score: Score, resamples: int) -> str:
    """A Markdown table: figures on the wearers who test; on all of them where the bundle learnt from none.

    Raises:
        TrainingError: the folder is not the one that the bundle learnt from, or no event of a test wearer is marked.
    """
    items = list(_unmet(folder, bundle))
    if not any(item.label.any() for item in items):
        raise TrainingError(f"{folder}: no event of a wearer who tests is marked in events.csv; nothing to detect")
    found = []
    for item in watched(items, "judging"):
        end_s, named = score(item.recording)
        found.append(scored(item, end_s, named[MERGED]))
    return _table(tally(found, bundle.manifest.layout.window_s), resamples)


def _unmet(folder: Path, bundle: Bundle) -> Iterator[Labelled]:
    """Recordings of wearers that the bundle has not met, with the positions that it knows."""
    public = any(source.name != NAME for source in bundle.manifest.data)
    corpus = open_corpus(None, folder, Layout(positions=POSITIONS), with_public=public)  # split as in training
    tell(corpus)
    own = corpus.folders()[0]
    digests = {source.digest for source in bundle.manifest.data if source.name == NAME}
    if digests and digests != {facts.digest for facts in own.facts()}:
        raise TrainingError(
            f"{folder}: changed since the bundle learnt from it, so who tests is not known; train again"
        )
    for part in NEED[-1:] if digests else NEED:
        for item in own.recordings(part):
            names = set(item.recording.positions) & set(bundle.manifest.layout.positions)
            positions = {name: item.recording.positions[name] for name in sorted(names)}
            if positions:
                yield replace(item, recording=replace(item.recording, positions=positions))


def _table(counts: Tally, resamples: int) -> str:
    lines: list[tuple[str, object]] = [("wearers", len(counts.wearers))]
    lines += [("normal h", f"{counts.normal_hours.sum():.2f}"), ("events", len(counts.event_score))]
    for name, figure in FIGURES.items():
        one = estimate(counts, figure, resamples)
        ends = "" if math.isnan(one.low) else f" ({one.low:.2f}-{one.high:.2f})"
        lines.append((name, f"{one.value:.3f}{ends}"))
    return table(("figure", "value"), lines) + "\n\n" + NOTES
