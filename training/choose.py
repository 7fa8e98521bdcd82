"""How the numbers of the score were chosen: every variant beside the others, on the calibration wearers.

The test wearers take no part. The variants differ in how segments are merged (`sum` of all, or the `strangest`), in
the weight of the context, and in whether the anchors that all families share are there.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from agent.batch import cut_recording
from agent.bundle import Bundle
from agent.layout import POSITIONS, Layout
from agent.records import Floats, Windows
from agent.score import SHARED, Anatomy, Scorer
from training.datasets import Labelled, open_dataset
from training.datasets.split import split
from training.evaluate import opened
from training.metrics import ScoredRecording, average_precision_of, event_recall_at, roc_auc_of, tally

WEIGHTS = (0.3, 0.5, 1.0)
FALLS = (("sisfall", "waist"), ("umafall", "wrist"), ("umafall", "waist"), ("umafall", "chest"), ("umafall", "ankle"))
HEADINGS = ("segments", "context weight", "anchors", "ROC-AUC", "AP", "recall at 10/h", "AP of each")


@dataclass(frozen=True, slots=True)
class Taken:
    """One recording of one position, with what its score can be made of."""

    item: Labelled
    end_s: Floats
    anatomy: Anatomy
    missing: Floats
    """(n,) share of missing samples."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell `parser` what `main` needs."""
    parser.add_argument("--bundle", type=Path, help="bundle whose network is used (default: the one in the package)")
    parser.add_argument("--root", type=Path, help="folder of the datasets (default: $VEILLE_DATA or ../shared/data)")


def main(args: argparse.Namespace) -> None:
    """Print one line a variant: means over dataset and position, then each average precision."""
    bundle = opened(args.bundle)
    print("| " + " | ".join(HEADINGS) + " |\n" + "| --- " * len(HEADINGS) + "|")
    for anchors in (True, False):
        taken = {fall: list(_take(bundle, *fall, anchors, args.root)) for fall in FALLS}
        for merge in ("sum", "strangest"):
            for weight in WEIGHTS:
                figures = np.array([_figures(items, merge, weight) for items in taken.values()])
                means = " | ".join(f"{figure:.3f}" for figure in figures.mean(axis=0))
                each = " ".join(f"{figure:.3f}" for figure in figures[:, 1])
                print(f"| {merge} | {weight:g} | {'yes' if anchors else 'no'} | {means} | {each} |", flush=True)
    print("\nIn the last column: " + ", ".join(f"{dataset} {position}" for dataset, position in FALLS) + ".")


def _take(bundle: Bundle, dataset: str, position: str, anchors: bool, root: Path | None) -> Iterator[Taken]:
    layout = Layout(positions=POSITIONS)
    known = bundle.model.prototypes
    kept = np.ones(len(known.family), bool) if anchors else known.family != SHARED
    scorer = Scorer(
        bundle.model.runtime, replace(known, places=known.places[kept], family=known.family[kept]), layout.segments
    )
    for item in open_dataset(dataset, root, lambda wearer: split(wearer) == "calibrate"):
        if position in item.recording.positions:
            windows: Windows = cut_recording(item.recording, layout)
            missing = np.isnan(windows.samples_g[:, 0]).mean(axis=1)
            _, anatomy = scorer.score(windows.samples_g, windows.family, missing)
            yield Taken(item, windows.end_s[windows.owner], anatomy, missing)


def _figures(items: Sequence[Taken], merge: str, weight: float) -> tuple[float, float, float]:
    """ROC-AUC, average precision, recall at 10 false alarms an hour."""
    scored = []
    for one in items:
        by_segment = one.anatomy.strangeness(weight).sum(axis=(2, 3))
        score = (by_segment.sum(axis=1) if merge == "sum" else by_segment.max(axis=1)).astype(np.float64)
        truth = (one.item.recording.wearer, one.item.recording.times_s, one.item.label, one.item.judged)
        scored.append(ScoredRecording(*truth, one.end_s, np.where(one.missing > 0.5, np.nan, score)))
    counts = tally(scored, Layout().window_s)
    everyone = np.ones(len(counts.wearers))
    return roc_auc_of(counts, everyone), average_precision_of(counts, everyone), event_recall_at(10)(counts, everyone)
