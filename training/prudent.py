"""`python -m training prudence`: does the answer keep its word? The budget, robustness, and where doubt is placed.

On wearers that nobody has learnt from; what is measured, and how, is said in `training.budget`, `training.robustness`
and `training.selective`.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent.bundle import Bundle
from training import budget, robustness, selective
from training.answers import HEADS, answers
from training.compare import PROTOCOLS, judged_recordings
from training.corruptions import CORRUPTIONS
from training.evaluate import opened, without_nan
from training.robustness import Robust
from training.selective import Selective

EXAMPLE = """example:
  python -m training prudence --protocol falls-waist --json prudence.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell `parser` what `main` needs."""
    parser.epilog, parser.formatter_class = EXAMPLE, argparse.RawDescriptionHelpFormatter
    names = [protocol.name for protocol in PROTOCOLS]
    parser.add_argument("--protocol", action="append", choices=names, help="may be repeated; default: all, and budgets")
    parser.add_argument("--bundle", type=Path, help="bundle to judge (default: the one inside the package)")
    parser.add_argument("--root", type=Path, help="folder of the datasets (default: $VEILLE_DATA or ../shared/data)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures, and FILE.svg: risk and coverage")


def main(args: argparse.Namespace) -> int:
    """Print the tables; returns the exit status.

    Raises:
        TrainingError: no bundle can be judged, or a dataset is missing.
    """
    bundle = opened(args.bundle)
    figures: dict[str, Any] = {}
    if not args.protocol:
        kept = budget.measure(bundle, args.root)
        figures["budget"] = kept.json()
        print(f"### Is the budget kept?\n\n{budget.markdown(kept)}\n", flush=True)
    robust, doubt = under_protocols(bundle, args.protocol or [protocol.name for protocol in PROTOCOLS], args.root)
    print(
        f"### Robustness\n\n{robustness.markdown(robust)}\n\n### Is doubt well placed?\n\n{selective.markdown(doubt)}"
    )
    if args.json:
        figures |= {"robustness": [asdict(one) for one in robust], "selective": [asdict(one) for one in doubt]}
        _write(figures, doubt, args.json)
    return 0


def under_protocols(bundle: Bundle, names: Sequence[str], root: Path | None) -> tuple[list[Robust], list[Selective]]:
    """All corruptions under the named protocols, and selective risk without any."""
    window_s = bundle.manifest.layout.window_s
    robust: list[Robust] = []
    doubt: list[Selective] = []
    for protocol in (one for one in PROTOCOLS if one.name in names):
        items, clean = judged_recordings(protocol, bundle.manifest.layout, root), None
        for name, corrupt in CORRUPTIONS.items():
            found = list(answers(bundle, items, name, corrupt, HEADS if clean is None else HEADS[:1]))
            if not found:
                continue
            robust.append(robustness.measure(protocol.name, name, found, window_s, clean))
            if clean is None:
                clean = robust[-1]
                doubt += selective.measure(protocol.name, selective.judgements(found, window_s))
    return robust, doubt


def _write(figures: dict[str, Any], doubt: Sequence[Selective], path: Path) -> None:
    path.write_text(json.dumps(without_nan(figures), indent=1) + "\n")
    selective.draw(doubt, path.with_suffix(".svg"))
