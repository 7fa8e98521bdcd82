"""Do limbs that agree tell more than the strangest of them, and is their tail in normal wear no heavier?

People of UMAFall with four sensors at once, calibration or test wearers. A person's window is as strange as its
strangest row. Three ways: each position *alone*; *together*, as the agent scores (`agent.agreement`); *foretold*: the
distance of a position's embedding from what ridge regression on the other positions makes of it, learnt on the normal
wear of the training wearers, merged with the open part like everything else.
"""

import argparse
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from agent.bundle import Bundle
from agent.records import OPEN, Booleans, Floats, Integers, Singles
from training.bootstrap import interval_of
from training.datasets import open_dataset
from training.datasets.split import split
from training.evaluate import opened
from training.markdown import line, table
from training.metrics import average_precision
from training.scoring import score_windows
from training.windows import NormalWindows, normal_windows, some

WORN = ("wrist", "waist", "chest", "ankle")
RIDGE = 3000.0
"""Penalty; of 30, 300 and 3000 the best on the calibration wearers."""
RARE = 0.005
"""Of all normal rows by themselves, the share that lies above the level at which the tails are compared."""
RESAMPLES = 300
HEADINGS = (
    "worn",
    "open, alone",
    "open, together",
    "open, foretold",
    "merged, alone",
    "merged, together",
    "tail",
    "alike",
)
NOTES = f"""
Tail: share of normal rows whose open part, together, lies above what {RARE:.1%} of them exceed alone. Alike: mean
correlation of two limbs' open parts in normal wear."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell `parser` what `main` needs."""
    parser.add_argument("--part", choices=("calibrate", "test"), default="calibrate", help="whose wear is judged")
    parser.add_argument("--bundle", type=Path, help="bundle that is asked (default: the one in the package)")
    parser.add_argument("--root", type=Path, help="folder of the datasets (default: $VEILLE_DATA or ../shared/data)")


def main(args: argparse.Namespace) -> None:
    """Print one line a set of positions: average precision of falls with 95 % over wearers, and the tail."""
    bundle = opened(args.bundle)
    learnt, windows = (_joined(bundle, part, args.root) for part in ("train", args.part))
    print(table(HEADINGS, []))
    for size in (len(WORN), 2):
        for worn in combinations(WORN, size):
            print(
                line(
                    (
                        " + ".join(worn),
                        *_figures(bundle, _wearing(bundle, learnt, worn), _wearing(bundle, windows, worn)),
                    )
                )
            )
    print(NOTES)


@dataclass(frozen=True, slots=True)
class People:
    """Windows in which a set of positions was worn: n windows, k positions."""

    windows: NormalWindows
    rows: Integers
    """(n, k) of `windows`."""

    @property
    def normal(self) -> Booleans:
        """(n,) nobody fell and nothing else was labelled."""
        return np.asarray(self.windows.normal[self.rows].all(axis=1))

    @property
    def falls(self) -> Integers:
        """(n,) 1 = one of the positions holds a sample of a fall."""
        return np.asarray(self.windows.label[self.rows].max(axis=1), dtype=np.int64)


def _joined(bundle: Bundle, part: str, root: Path | None) -> NormalWindows:
    """Windows, those of one trial that end together with one number: each position is a recording of its own."""
    items = open_dataset("umafall", root, lambda wearer: split(wearer) == part)
    windows = normal_windows(items, bundle.manifest.layout)
    trial = [session.rpartition("/")[0] for session in windows.session]
    ends = np.char.add(np.char.add(trial, "@"), np.round(windows.end_s, 2).astype(np.str_))
    return replace(windows, window=np.unique(ends, return_inverse=True)[1])


def _wearing(bundle: Bundle, windows: NormalWindows, worn: tuple[str, ...]) -> People:
    families = [bundle.manifest.layout.families.index(name) for name in worn]
    chosen = some(windows, np.isin(windows.family, families))
    order = np.lexsort((chosen.family, chosen.window))
    _, first, count = np.unique(chosen.window[order], return_index=True, return_counts=True)
    complete = first[count == len(worn)]
    rows = order[complete[:, None] + np.arange(len(worn))]
    keep = np.zeros(len(chosen.family), np.bool_)
    keep[rows] = True
    return People(some(chosen, keep), (np.cumsum(keep) - 1)[rows])


def _figures(bundle: Bundle, learnt: People, people: People) -> list[str]:
    prototypes, layout = bundle.model.prototypes, bundle.manifest.layout
    alone, together = (
        score_windows(bundle.model.runtime, prototypes, layout, people.windows, agreeing=agreeing)
        for agreeing in (False, True)
    )
    own, joint = (found.parts[:, OPEN][people.rows] for found in (alone, together))
    foretold = np.logaddexp(own, _foretold(bundle, learnt, people))
    found = (own, joint, foretold, alone.score[people.rows], together.score[people.rows])
    cells = [_precision(people, values.max(axis=1)) for values in found]
    level = np.quantile(own[people.normal], 1 - RARE)
    alike = np.atleast_2d(np.corrcoef(own[people.normal].T))[np.triu_indices(own.shape[1], 1)].mean()
    return [*cells, f"{(joint[people.normal] > level).mean():.3%}", f"{alike:.2f}"]


def _foretold(bundle: Bundle, learnt: People, people: People) -> Floats:
    """(n, k) how far each position is from what the others foretell, in units of its normal wear."""
    known, asked = (_embedded(bundle, lot) for lot in (learnt, people))
    out = np.empty(asked.shape[:2])
    for position in range(asked.shape[1]):
        inputs, wanted = _others(known, position)[learnt.normal], known[learnt.normal, position]
        weights = np.linalg.solve(inputs.T @ inputs + RIDGE * np.eye(inputs.shape[1]), inputs.T @ wanted)
        away = (asked[:, position] - _others(asked, position) @ weights) ** 2
        far = away.reshape(len(away), bundle.manifest.layout.segments, -1).sum(axis=2).max(axis=1)
        normal = far[people.normal]
        out[:, position] = (far - np.median(normal)) / (np.quantile(normal, 0.98) - np.median(normal))
    return out


def _embedded(bundle: Bundle, people: People) -> Singles:
    """(n, k, d), of one limb after the other."""
    model = bundle.model
    return score_windows(model.runtime, model.prototypes, model.layout, people.windows).embedding[people.rows]


def _others(embedding: Singles, position: int) -> Singles:
    """(n, (k - 1) d + 1), the last one 1."""
    n = len(embedding)
    rest = np.delete(embedding, position, axis=1).reshape(n, -1)
    return np.concatenate([rest, np.ones((n, 1), np.float32)], axis=1)


def _precision(people: People, score: Floats) -> str:
    """Average precision; 95 % bootstrap over wearers."""
    wearers, owner = np.unique(people.windows.wearer[people.rows[:, 0]], return_inverse=True)

    def figure(weights: Floats) -> float:
        taken = np.repeat(np.arange(len(owner)), weights[owner].astype(np.int64))
        return average_precision(people.falls[taken].astype(np.int8), score[taken])

    low, high = interval_of(figure, len(wearers), RESAMPLES)
    return f"{figure(np.ones(len(wearers))):.3f} ({low:.2f}-{high:.2f})"
