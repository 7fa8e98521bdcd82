"""`python -m training noise-novelty`: is a broken measurement told from a changed behaviour?"""

import argparse
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from agent.bundle import Bundle, default_bundle_path, open_bundle
from agent.decide import level
from agent.errors import BundleError
from agent.records import Floats
from training.benchmarks import noise_novelty
from training.benchmarks.noise_novelty.answers import (
    ANSWERS,
    NORMAL_WEAR,
    Answer,
    answered,
    f1s,
    filed,
    macro_f1,
    shares,
    weighed,
)
from training.benchmarks.noise_novelty.episodes import episodes
from training.benchmarks.noise_novelty.taxonomy import GRADES, TAXONOMY
from training.benchmarks.noise_novelty.wear import NOVELTIES, wears
from training.bootstrap import interval_of
from training.errors import TrainingError
from training.progress import watched

SEED = 4
UNTELLABLE = tuple(fault.name for fault in TAXONOMY if not fault.tellable)
HEADINGS = ("what happened", "grade", "strength", "episodes", *ANSWERS, "alarm at all")
NOTES = """One episode = one answer. A fault (clear, gross) ought to be `noise`, a real novelty `novelty`, normal wear
and a slight fault `quiet`. Alarm at all: at least one window said {novelty}, whatever the episode's answer. Kinds
marked * cannot be told from the samples by any program and are not in the headline. How an episode is made and
answered: `training/benchmarks/noise_novelty/__init__.py`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell `parser` what `main` needs."""
    parser.formatter_class, parser.description = argparse.RawDescriptionHelpFormatter, noise_novelty.__doc__
    parser.add_argument("--bundle", type=Path, help="bundle to judge (default: the one inside the package)")
    parser.add_argument("--root", type=Path, help="folder of the datasets (default: $VEILLE_DATA or ../shared/data)")
    parser.add_argument("--part", choices=("train", "calibrate", "test"), default="test", help="whose wear")
    parser.add_argument("--each", type=int, default=1, help="episodes of a fault and grade a person (%(default)s)")
    parser.add_argument("--per-day", type=float, default=24.0, help="false-alarm budget (default: %(default)s)")
    parser.add_argument("--resamples", type=int, default=1000, help="draws of the bootstrap (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every answer")


def main(args: argparse.Namespace) -> int:
    """Print the tables; returns the exit status.

    Raises:
        TrainingError: no bundle can be judged, or a dataset is missing.
    """
    try:
        bundle = open_bundle(args.bundle or default_bundle_path())
    except BundleError as error:
        raise TrainingError(str(error)) from error
    answers, left_out = judged(bundle, args.part, args.root, args.each, args.per_day)
    print(markdown(answers, left_out, args.resamples))
    if args.json:
        args.json.write_text(json.dumps([asdict(one) for one in answers], indent=1) + "\n")
    return 0


def judged(
    bundle: Bundle, part: str, root: Path | None = None, each: int = 1, per_day: float = 24.0
) -> tuple[list[Answer], dict[str, int]]:
    """Every answer, and what was left out (see `episodes`).

    Raises:
        DataError: a dataset is missing.
    """
    people = wears(part, bundle.manifest.layout, root)  # type: ignore[arg-type] # argparse has checked it
    played, left_out = episodes(people, each, SEED)
    alpha = level(per_day)
    return [answered(one, bundle.model, alpha) for one in watched(played, "noise or novelty")], left_out


def markdown(answers: Sequence[Answer], left_out: dict[str, int], resamples: int) -> str:
    """The headline, then a line for each kind and grade."""
    lines = [HEADINGS, ("---",) * len(HEADINGS)]
    lines += [_line(answers, NORMAL_WEAR, "", NORMAL_WEAR + " wear")]
    lines += [_line(answers, name, "", name) for name in NOVELTIES.values()]
    for fault in TAXONOMY:
        for grade in GRADES:
            if grade in fault.grades:
                name = fault.name + ("" if fault.tellable else " *")
                lines.append(_line(answers, fault.name, grade, name, f"{fault.grades[grade]:g} ({fault.unit})"))
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines if line[3] != "0")
    out = ", ".join(f"{name} {count}" for name, count in sorted(left_out.items())) or "none"
    return f"{headline(answers, resamples)}\n\n{table}\n\n{NOTES}\nFaults that did not take place: {out}."


def headline(answers: Sequence[Answer], resamples: int) -> str:
    """Macro-F1 and the two errors, with 95 % intervals over wearers."""
    tellable, everything = weighed(answers, without=UNTELLABLE), weighed(answers)
    noise, novelty = f1s(tellable, np.ones(tellable.wearers))
    rows = (
        ("macro-F1 of noise and novelty", lambda weights: macro_f1(tellable, weights)),
        ("the same, with the kinds that cannot be told", lambda weights: macro_f1(everything, weights)),
        ("real novelties filed as noise", filed(tellable, "novelty", "noise")),
        ("normal wear filed as noise", filed(tellable, NORMAL_WEAR, "noise")),
        ("normal wear filed as novelty", filed(tellable, NORMAL_WEAR, "novelty")),
        ("clear and gross faults filed as novelty", filed(tellable, "noise", "novelty")),
    )
    lines = ["| figure | value |", "| --- | --- |"]
    lines += [
        f"| {name} | {_estimate(figure, tellable.wearers, everything.wearers, resamples)} |" for name, figure in rows
    ]
    lines.append(f"| F1 of noise, of novelty | {noise:.3f}, {novelty:.3f} |")
    return "\n".join(lines)


def _estimate(figure: Callable[[Floats], float], wearers: int, everyone: int, resamples: int) -> str:
    size = max(wearers, everyone)  # the same people, whichever kinds are left out
    low, high = interval_of(figure, size, resamples)
    value = figure(np.ones(size))
    return "-" if math.isnan(value) else f"{value:.3f} ({low:.3f}-{high:.3f})"


def _line(answers: Sequence[Answer], kind: str, grade: str, name: str, strength: str = "") -> tuple[str, ...]:
    own = [one for one in answers if one.kind == kind and one.grade == grade]
    found = shares(own, lambda one: True)
    alarmed = sum(one.alarmed for one in own) / max(len(own), 1)
    cells = (f"{found[answer]:.2f}" for answer in ANSWERS)
    return name, grade, strength, str(len(own)), *cells, f"{alarmed:.2f}"
