"""`python -m training evaluate`: detection figures of a bundle beside its peers, on the same windows in one run.

What is judged, and how, is said in `training.compare`; the figures are defined in `training.metrics`.
"""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from agent.batch import cut_recording
from agent.bundle import Bundle, default_bundle_path, open_bundle
from agent.errors import BundleError
from agent.judge import Judge
from agent.layout import POSITIONS, Layout
from agent.recording import Recording
from agent.records import FALL, FREEZING, OPEN, Floats
from training import forms
from training.bootstrap import Estimate
from training.compare import PROTOCOLS, Result, Score, compare, fitted_peers
from training.datasets.corpus import Public
from training.drift_figures import drift_table
from training.errors import TrainingError
from training.markdown import table
from training.own import MERGED, judged
from training.promise import HEADINGS as PROMISE_HEADINGS
from training.promise import Kept, kept

EXAMPLE = """example:
  python -m training evaluate --protocol falls-waist --json figures.json"""
SHOWN = ("roc_auc", "average_precision", "recall_at_1_per_hour", "recall_at_10_per_hour")
HEADINGS = ("protocol", "program", "wearers", "normal h", "events", "ROC-AUC", "AP", "recall at 1/h", "recall at 10/h")
NOTES = """In brackets: 95 % bootstrap interval over wearers. Recall: share of events detected at that many false
alarms per hour of normal wear, with one threshold for all wearers, chosen on these recordings (an oracle, for each
program alike). Falls are acted, tasks scripted, minutes long. With less than an hour of normal wear, 1/h means that
no false alarm at all is allowed."""

IN_TIME = ("protocol", "program", "VUS-PR", "recall at 1/day", "delay at 10/h, s")
IN_TIME_NOTES = """VUS-PR: volume under the precision-recall surface, buffer 2.5 s. Recall at 1/day: `-` with less than
a day of normal wear, which cannot show it. Delay: median seconds from the start of an event to the end of the first
window at the threshold for 10 false alarms an hour, over the events that are detected; a fall begins 1 s before its
peak. RandomForest (supervised) has seen falls of the training wearers (SisFall; UMAFall for both wrists), for freezing
those of the other wearers: a ceiling, no peer."""

PROMISE_NOTES = """The same wearers at the level that follows from the budget and from the calibration in the bundle:
nothing is chosen on these recordings. Where the calibration is too small for the budget (the wrist: 53 half-minutes),
`normal` is never ruled out and the answer is doubt."""

_ANY_ALPHA = 0.01  # the score does not depend on the level at which verdicts are given


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell `parser` what `main` needs."""
    parser.epilog, parser.formatter_class = EXAMPLE, argparse.RawDescriptionHelpFormatter
    names = [protocol.name for protocol in PROTOCOLS]
    parser.add_argument("--protocol", action="append", choices=names, help="may be repeated; default: all")
    parser.add_argument("--bundle", type=Path, help="bundle to judge (default: the one inside the package)")
    parser.add_argument("--peers-only", action="store_true", help="judge the peers without a bundle")
    parser.add_argument("--root", type=Path, help="folder of the datasets (default: $VEILLE_DATA or ../shared/data)")
    parser.add_argument("--folder", type=Path, help="judge on your own recordings instead (wearers who test)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures, also those of each wearer")
    parser.add_argument("--drift", action="store_true", help="with --protocol: the figures of drift too")
    parser.add_argument("--resamples", type=int, default=1000, help="draws of the bootstrap (default: %(default)s)")


def main(args: argparse.Namespace) -> int:
    """Print the table; returns the exit status.

    Raises:
        TrainingError: no bundle can be scored, or a dataset is missing.
    """
    if args.folder:
        own = opened(args.bundle)
        print(judged(args.folder, own, veille(own), args.resamples))
        return 0
    bundle = None if args.peers_only else opened(args.bundle)
    layout = bundle.manifest.layout if bundle else Layout(positions=POSITIONS)
    program = veille(bundle) if bundle else None
    peers = fitted_peers(Public(args.root).normal("train"), layout)
    options: Any = {"ceiling": True, "root": args.root, "resamples": args.resamples}
    results: list[Result] = []
    for protocol in PROTOCOLS:
        if not args.protocol or protocol.name in args.protocol:
            results += compare(protocol, layout, program, peers, **options)
    print(markdown(results) + "\n\n" + in_time(results))
    if bundle:
        names = args.protocol or [protocol.name for protocol in PROTOCOLS]
        print("\n" + promises(kept(bundle, names, args.root, args.resamples)))
        chosen = [protocol for protocol in PROTOCOLS if protocol.name in names]
        print("\n" + forms.markdown(forms.compare_forms(chosen, bundle, args.root)))
        if not args.protocol or args.drift:
            print("\n" + drift_table(bundle, args.root))
    if args.json:
        args.json.write_text(json.dumps([without_nan(asdict(result)) for result in results], indent=1) + "\n")
    return 0


def opened(path: Path | None) -> Bundle:
    """The bundle, by default the one inside the package.

    Raises:
        TrainingError: there is no such bundle, or it is refused.
    """
    try:
        return open_bundle(path or default_bundle_path())
    except BundleError as error:
        raise TrainingError(f"{error}; --peers-only judges the peers without one") from error


def veille(bundle: Bundle) -> Score:
    """The bundle behind the agent's own ingest, windows and calibration: its merged score, and the parts apart.

    `open set` is what nobody labelled; `known` is the stronger of the head for falls and of trembling in place.
    Causal: each score is made of its own window and of what came before.
    """

    def score(recording: Recording) -> tuple[Floats, dict[str, Floats]]:
        found = Judge(bundle.model, _ANY_ALPHA).judge(cut_recording(recording, bundle.manifest.layout))
        parts = found.parts()
        apart = {"Veille, open set": parts[:, OPEN], "Veille, known": parts[:, [FALL, FREEZING]].max(axis=1)}
        apart = {name: np.where(np.isfinite(best), best, np.nan) for name, best in apart.items()}
        return found.windows.end_s, {MERGED: found.surprise.score, **apart}

    return score


def markdown(results: Sequence[Result]) -> str:
    """A Markdown table, one line a program and protocol, and what the columns mean."""
    lines = []
    for result in results:
        facts = (result.protocol, result.program, result.wearers, f"{result.normal_hours:.2f}", result.events)
        lines.append((*facts, *(_cell(result.figures[name]) for name in SHOWN)))
    return table(HEADINGS, lines) + "\n\n" + NOTES


def in_time(results: Sequence[Result]) -> str:
    """A second Markdown table, of the figures that need the order of the windows or a long time."""
    lines = []
    for result in results:
        vus, day, delay = (result.figures[name] for name in ("vus_pr", "recall_at_1_per_day", "delay_s"))
        lines.append((result.protocol, result.program, _cell(vus), _cell(day), _cell(delay, digits=2)))
    return table(IN_TIME, lines) + "\n\n" + IN_TIME_NOTES


def promises(results: Sequence[Kept]) -> str:
    """A Markdown table of what came of the budgets, and what it means."""
    lines = []
    for one in results:
        figures = (one.false_alarms_per_hour, one.recall, one.recall_or_doubt)
        lines.append((one.protocol, f"{one.budget_per_hour:g}", *(_cell(figure) for figure in figures)))
    return table(PROMISE_HEADINGS, lines) + "\n\n" + PROMISE_NOTES


def _cell(estimate: Estimate, digits: int = 3) -> str:
    if math.isnan(estimate.value):
        return "-"
    if math.isnan(estimate.low):
        return f"{estimate.value:.{digits}f}"
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits - 1}f}-{estimate.high:.{digits - 1}f})"


def without_nan(value: Any) -> Any:
    """The same with null for NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {name: without_nan(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [without_nan(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value
