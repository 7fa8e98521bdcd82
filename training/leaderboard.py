"""`python -m training leaderboard`: VUS-PR of our causal recipe beside the published detectors, series by series.

One recipe for every series (`training.recipe`), made without a look at any of them. The published figures are those of
the TSB-AD repository; their detectors' settings were tuned on other series of the benchmark, and most of them see the
whole series at once, future included. As there, all rows are judged, the training part too.
"""

import argparse
import csv
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from agent.records import Floats
from training.bootstrap import percentiles
from training.datasets import data_root
from training.errors import DataError
from training.evaluate import without_nan
from training.markdown import table
from training.progress import watched
from training.recipe import score
from training.series import Series, from_folder, from_recordings
from training.vus import vus_pr

EXAMPLE = """examples:
  python -m training leaderboard                  the series whose recordings are in the datasets' folder
  python -m training leaderboard --tsb TSB-AD-M   all series of the benchmark, from its CSV files"""
NOTES = """VUS-PR, the mean over the series of a dataset. In brackets: 95 % bootstrap interval, over series where there
are several; over 40 stretches of the series where it is the only one (Daphnet: one wearer, six events: a rough
statement). Published: TheDatumOrg/TSB-AD, from detectors that mostly saw the whole series; ours is causal, and one
recipe for all. MSL and SMAP: channels of another copy of the data, matched by length and anomalies."""
STRETCHES, RESAMPLES = 40, 200
TABLE = "TSB-AD_multi_mergedTable_VUS-PR.csv"
OUR_NAME = "Veille's recipe (causal)"
_DETECTORS_END = "ts_len"


@dataclass(frozen=True, slots=True)
class Placed:
    """Our figure for one series beside the published ones."""

    series: str
    dataset: str
    events: int
    ours: float
    interval: tuple[float, float]
    """95 % bootstrap interval over stretches of the series; NaN where the dataset has others to draw from."""
    published: dict[str, float]
    """Detector -> its VUS-PR; empty = the series is in no table."""

    @property
    def place(self) -> int:
        """Ours among them, 1 = best."""
        return 1 + sum(figure > self.ours for figure in self.published.values())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell `parser` what `main` needs."""
    parser.epilog, parser.formatter_class = EXAMPLE, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--tsb", type=Path, metavar="FOLDER", help="folder of TSB-AD-M CSV files")
    parser.add_argument("--root", type=Path, help="folder of the datasets (default: $VEILLE_DATA or ../shared/data)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of each series")


def main(args: argparse.Namespace) -> None:
    """Print the tables.

    Raises:
        DataError: series or published figures are missing.
    """
    others = published(data_root(args.root) / "published" / TABLE)
    series = list(from_folder(args.tsb) if args.tsb else from_recordings(args.root))
    count = Counter(one.dataset for one in series)
    watching = watched(series, "scoring the series")
    found = [placed(one, others.get(one.name, {}), alone=count[one.dataset] == 1) for one in watching]
    print(markdown(found))
    if args.json:
        figures = [without_nan(asdict(one) | {"place": one.place}) for one in found]
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


def published(path: Path) -> dict[str, dict[str, float]]:
    """Series -> detector -> VUS-PR, of a result table as TSB-AD publishes it.

    Raises:
        DataError: there is no such file, or it is of another shape.
    """
    if not path.exists():
        raise DataError(f"{path} is absent: it is benchmark_exp/benchmark_eval_results of the TSB-AD repository")
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    if not rows or "file" not in rows[0] or _DETECTORS_END not in rows[0]:
        raise DataError(f"{path}: has no columns file and {_DETECTORS_END}")
    names = list(rows[0])[1 : list(rows[0]).index(_DETECTORS_END)]
    return {row["file"]: {name: float(row[name]) for name in names if row[name]} for row in rows}


def placed(series: Series, others: Mapping[str, float], *, alone: bool) -> Placed:
    """Score one series, judge it, and set it beside the others; with an interval of its own where it is `alone`."""
    scores = score(series.values, series.normal_rows)
    ours = vus_pr(series.label, scores, series.buffer)
    events = int((np.diff(series.label, prepend=0) == 1).sum())
    interval = over_stretches(series, scores) if alone else (math.nan, math.nan)
    return Placed(series.name, series.dataset, events, ours, interval, dict(others))


def over_stretches(series: Series, scores: Floats, resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap: stretches of equal length are drawn with replacement, and judged one after the other.

    Draws without an anomalous row are left out.
    """
    rows = np.array_split(np.arange(len(scores)), STRETCHES)
    rng, figures = np.random.default_rng(seed), []
    for _ in range(resamples):
        drawn = np.concatenate([rows[place] for place in rng.integers(0, STRETCHES, STRETCHES)])
        figures.append(vus_pr(series.label[drawn], scores[drawn], series.buffer))
    return percentiles(np.array(figures))


def markdown(found: Sequence[Placed]) -> str:
    """Means by dataset, one line a detector, ours among them; best first by the mean over all series."""
    datasets = sorted({one.dataset for one in found})
    known = [one for one in found if one.published] or list(found)
    names = [OUR_NAME, *known[0].published]
    headings = ("detector", *(f"{name}, n = {sum(one.dataset == name for one in known)}" for name in datasets), "all")
    lines = []
    for name in sorted(names, key=lambda name: -_mean(known, name, None)):
        cells = [_cell(known, name, dataset) for dataset in datasets]
        lines.append((name, *cells, f"{_mean(known, name, None):.3f}"))
    places = ", ".join(f"{one.place}" for one in known if one.published)
    return f"{table(headings, lines)}\n\n{NOTES}\nOur place on each series, of {len(names)}: {places or '-'}."


def _mean(found: Sequence[Placed], name: str, dataset: str | None) -> float:
    """Mean over the series of one dataset, or over all."""
    own = [one for one in found if dataset in (None, one.dataset)]
    figures = [one.ours if name == OUR_NAME else one.published.get(name, math.nan) for one in own]
    return float(np.mean(figures)) if figures else math.nan


def _cell(found: Sequence[Placed], name: str, dataset: str) -> str:
    text = f"{_mean(found, name, dataset):.3f}"
    if name != OUR_NAME:
        return text
    own = [one for one in found if one.dataset == dataset]
    low, high = own[0].interval if len(own) == 1 else _over_series(np.array([one.ours for one in own]))
    return f"{text} ({low:.2f}-{high:.2f})"


def _over_series(figures: Floats, seed: int = 0) -> tuple[float, float]:
    draws = np.random.default_rng(seed).integers(0, len(figures), (1000, len(figures)))
    return percentiles(figures[draws].mean(axis=1))
