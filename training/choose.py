"""How the numbers of the score were chosen: every variant beside the others, on the calibration wearers.

The test wearers take no part. The variants differ in the weight of the context, in how long what was strange echoes,
in whether the anchors that all families share are there, and in which parts are merged.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from agent.bundle import Bundle
from agent.records import FALL, OPEN, Floats
from agent.score import SHARED, Prototypes
from training.compare import scored
from training.datasets import Labelled, open_dataset
from training.datasets.labelled import worn_at
from training.datasets.split import split
from training.evaluate import opened
from training.markdown import line, table
from training.metrics import average_precision_of, event_recall_at, roc_auc_of, tally
from training.scoring import score_windows
from training.windows import NormalWindows, normal_windows

FALLS = (("sisfall", "waist"), ("umafall", "wrist"), ("umafall", "waist"), ("umafall", "chest"), ("umafall", "ankle"))
HEADINGS = ("variant", "ROC-AUC", "AP", "recall at 10/h", "AP of each")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell `parser` what `main` needs."""
    parser.add_argument("--bundle", type=Path, help="bundle whose network is used (default: the one in the package)")
    parser.add_argument("--root", type=Path, help="folder of the datasets (default: $VEILLE_DATA or ../shared/data)")


def main(args: argparse.Namespace) -> None:
    """Print one line a variant: means over dataset and position, then each average precision."""
    bundle = opened(args.bundle)
    worn = [_worn(bundle, *fall, args.root) for fall in FALLS]
    print(table(HEADINGS, []))
    for name, prototypes, part in _variants(bundle.model.prototypes):
        figures = np.array([_figures(bundle, prototypes, part, *one) for one in worn])
        means = (f"{figure:.3f}" for figure in figures.mean(axis=0))
        each = " ".join(f"{figure:.3f}" for figure in figures[:, 1])
        print(line((name, *means, each)), flush=True)
    print("\nIn the last column: " + ", ".join(f"{dataset} {position}" for dataset, position in FALLS) + ".")


def _variants(known: Prototypes) -> list[tuple[str, Prototypes, int | None]]:
    """Name, what is scored with, and which part is judged; None = the merged score."""
    kept = known.family != SHARED
    bare = replace(known, places=known.places[kept], family=known.family[kept])
    return [
        ("as shipped", known, None),
        ("fall alone", known, FALL),
        ("open alone", known, OPEN),
        *((f"open, echo {echo:g}", replace(known, echo=echo), OPEN) for echo in (0.0, 0.6, 0.9, 0.99)),
        *((f"open, context {weight:g}", replace(known, context_weight=weight), OPEN) for weight in (0.0, 0.5, 1.0)),
        ("open, no habit", replace(known, habit=0.0), OPEN),
        ("open, no anchors", bare, OPEN),
    ]


def _worn(bundle: Bundle, dataset: str, position: str, root: Path | None) -> tuple[list[Labelled], NormalWindows]:
    """The calibration wearers' recordings of one position, and their windows."""
    items = list(worn_at({position}, open_dataset(dataset, root, lambda wearer: split(wearer) == "calibrate")))
    return items, normal_windows(items, bundle.manifest.layout)


def _figures(
    bundle: Bundle, prototypes: Prototypes, part: int | None, items: list[Labelled], windows: NormalWindows
) -> tuple[float, float, float]:
    """ROC-AUC, average precision, recall at 10 false alarms an hour."""
    layout = bundle.manifest.layout
    scores = score_windows(bundle.model.runtime, prototypes, layout, windows)
    values: Floats = scores.score if part is None else scores.parts[:, part]
    recording = np.array([session.split("/")[1] for session in windows.session])
    own = [recording == item.recording.name for item in items]
    judged = [scored(item, windows.end_s[rows], values[rows]) for item, rows in zip(items, own, strict=True)]
    counts = tally(judged, layout.window_s)
    everyone = np.ones(len(counts.wearers))
    return roc_auc_of(counts, everyone), average_precision_of(counts, everyone), event_recall_at(10)(counts, everyone)
