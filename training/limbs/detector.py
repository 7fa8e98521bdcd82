"""`python -m training limbs-detector FOLDER --out use.npz`: learn functional use of an arm from one's own recordings.

The folder holds recordings with `left_wrist` and `right_wrist` (the recording format, one wearer each, named
`WEARER_anything`), and `use.csv` with the columns recording,side,start_s,end_s: from when to when that arm was in use,
as somebody saw on video. What `use.csv` does not mark counts as not used, so mark whole recordings or leave them out.
Each wearer is left out in turn to tell how well it does on somebody new. The agent uses it where `[limbs] detector`
names the file. A model learnt here is yours: nothing of it ships.
"""

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.batch import cut_recording
from agent.layout import POSITIONS, Layout
from agent.limbs.learned import MOMENTS, describe
from agent.limbs.measure import Measurer
from agent.recording import SUFFIXES, read_recording
from agent.records import Booleans, Floats
from training.errors import DataError
from training.limbs.learn import learn
from training.limbs.use import youden

TABLE = "use.csv"
COLUMNS = ("recording", "side", "start_s", "end_s")
SIDES = ("left", "right")
LAYOUT = Layout(positions=POSITIONS)


@dataclass(frozen=True, slots=True)
class Taught:
    """One arm of one recording."""

    wearer: str
    features: Floats
    used: Booleans


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell `parser` what `main` needs."""
    parser.add_argument("folder", type=Path, help=f"recordings of two wrists, and {TABLE}")
    parser.add_argument("--out", type=Path, default=Path("use.npz"), help="file of the detector (default: use.npz)")
    parser.add_argument("--forearm", choices=("x", "y", "z"), default="x", help="axis along the forearm (default: x)")


def main(args: argparse.Namespace) -> int:
    """Learn, tell how well, write.

    Raises:
        DataError: the folder or its table cannot be used.
    """
    arms = taught(args.folder, args.forearm)
    wearers = sorted({arm.wearer for arm in arms})
    for wearer in wearers if len(wearers) > 1 else []:
        print(_judged(wearer, arms))
    if len(wearers) == 1:
        print(f"one wearer, {wearers[0]}: how well it does on anybody else is not known")
    detector = learn(*_together(arms), float(MOMENTS))
    detector.save(args.out)
    print(f"{args.out}: learnt from {len(arms)} arms of {len(wearers)} wearers; name it as `detector` under [limbs]")
    return 0


def taught(folder: Path, forearm: str = "x") -> list[Taught]:
    """Every arm of every recording that the table names.

    Raises:
        DataError: no table, a line that cannot be used, a recording without two wrists, or one class alone.
    """
    spans = _table(folder / TABLE)
    files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES and path.name != TABLE}
    if unknown := sorted(set(spans) - set(files)):
        raise DataError(f"{folder / TABLE}: no recording {unknown[0]} in {folder}; name files without their suffix")
    arms = [arm for name, sides in spans.items() for arm in _arms(files[name], sides, forearm)]
    used = np.concatenate([arm.used for arm in arms]) if arms else np.zeros(0, np.bool_)
    if not used.any() or used.all():
        raise DataError(f"{folder / TABLE}: both used and unused time is needed; mark some recordings in part")
    return arms


def _table(path: Path) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Recording -> side -> (from, to) in seconds."""
    try:
        lines = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; it has the columns {','.join(COLUMNS)}") from error
    spans: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for number, line in enumerate(lines, 2):
        try:
            name, side, start_s, end_s = line["recording"], line["side"], float(line["start_s"]), float(line["end_s"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}, line {number}: {error}; it has the columns {','.join(COLUMNS)}") from error
        if side not in SIDES or not start_s < end_s:
            raise DataError(f"{path}, line {number}: side is left or right, and start_s lies before end_s")
        spans.setdefault(Path(name).stem if Path(name).suffix in SUFFIXES else name, {}).setdefault(side, []).append(
            (start_s, end_s)
        )
    return spans


def _arms(path: Path, sides: dict[str, list[tuple[float, float]]], forearm: str) -> list[Taught]:
    recording = read_recording(path)
    wrists = [f"{side}_wrist" for side in SIDES]
    if missing := [name for name in wrists if name not in recording.positions]:
        raise DataError(f"{path}: no {missing[0]}; both wrists are needed")
    windows = cut_recording(recording, LAYOUT)
    side_of = np.array([wrists.index(name) if name in wrists else -1 for name in recording.positions])
    end_s, moments = Measurer(LAYOUT, forearm).moments(windows, side_of)
    run = np.cumsum(np.diff(end_s, prepend=end_s[:1]) > 1.5)
    at_s = (end_s[:, None] - 1 + (np.arange(MOMENTS) + 0.5) / MOMENTS).ravel()
    arms = []
    for side, name in enumerate(SIDES):
        own, other = (moments[:, one].reshape(-1, moments.shape[-1]) for one in (side, 1 - side))
        each = np.repeat(run, MOMENTS)
        parts = [describe(own[each == one], other[each == one], float(MOMENTS)) for one in np.unique(run)]
        heard = np.isfinite(own).all(axis=1)
        used = np.zeros(len(at_s), np.bool_)
        for start_s, stop_s in sides.get(name, []):
            used |= (at_s >= start_s) & (at_s < stop_s)
        if heard.any():
            arms.append(Taught(recording.wearer.split("_")[0], np.concatenate(parts)[heard], used[heard]))
    return arms


def _together(arms: list[Taught]) -> tuple[Floats, Booleans]:
    return np.concatenate([arm.features for arm in arms]), np.concatenate([arm.used for arm in arms])


def _judged(wearer: str, arms: list[Taught]) -> str:
    """How well a detector learnt from the others does on this one."""
    mine, others = ([arm for arm in arms if (arm.wearer == wearer) == own] for own in (True, False))
    features, used = _together(others)
    if used.all() or not used.any():
        return f"{wearer} left out: the others show one class alone"
    detector = learn(features, used, float(MOMENTS))
    features, used = _together(mine)
    chance = detector.chance(features)
    error = float(detector.expected(chance).mean() - used.mean())
    return f"{wearer} left out: Youden {youden(chance > 0.5, used):.2f}, share of use off by {error:+.2f}"
