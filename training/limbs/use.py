"""Functional use of each arm against two therapists with video (`upper_limb_use`), each wearer left out in turn.

The dataset holds features for each quarter of a second, not samples: counts, gravity and variance are theirs (David et
al. 2021, Front. Physiol. 12:648; Subash et al. 2022, Front. Physiol. 13:996239). Runs without a gap are kept whole and
no moment of a wearer is learnt from when that wearer is judged.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from agent.limbs import learned
from agent.limbs.posture import GROSS_S, LEVEL_DEG, TURNED_DEG, turned_deg
from agent.records import Booleans, Floats, Integers
from training.errors import DataError
from training.limbs.learn import learn

RATE_HZ = 4.0
FILES = [(group, side) for group in ("control", "patient") for side in ("left", "right")]


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm of one wearer."""

    wearer: str
    side: str
    base: Floats
    """(n, 5) as `learned.base`."""
    gravity: Floats
    """(n, 3) g"""
    counts: Floats
    """(n,) counts of the second that each moment lies in."""
    run: Integers
    """(n,) moments of one run follow each other."""
    place: Integers
    """(n,) quarter of a second of the moment on a common clock."""
    used: Booleans


def read(root: Path) -> list[Arm]:
    """All arms.

    Raises:
        DataError: the files are missing.
    """
    folder = root / "upper_limb_use"
    if not folder.is_dir():
        raise DataError(f"dataset upper_limb_use: no {folder}")
    return [arm for group, side in FILES for arm in _arms(folder, group, side)]


def _arms(folder: Path, group: str, side: str) -> list[Arm]:
    table = pq.read_table(folder / f"{group}_{side}_4hz.parquet")
    column = {name: table.column(name).to_numpy() for name in table.column_names if name not in ("time", "task")}
    place = np.round(table.column("time").to_numpy().astype("datetime64[ms]").astype(np.int64) / 250).astype(np.int64)
    arms = []
    for subject in np.unique(column["subject"]):
        rows = np.flatnonzero(column["subject"] == subject)
        rows = rows[np.unique(place[rows], return_index=True)[1]]  # a quarter told twice counts once
        gravity = np.stack([column[f"a{axis}_mean"][rows] for axis in "xyz"], axis=1)
        variance = np.sum([column[f"a{axis}_var"][rows] for axis in "xyz"], axis=0)
        counts, run = column["a2_mean"][rows], np.cumsum(np.diff(place[rows], prepend=place[rows][0]) > 4)
        base = learned.base(gravity, variance, 10 * counts)
        second = np.unique(np.stack([run, place[rows] // 4]), axis=1, return_inverse=True)[1].ravel()
        by_second = (np.bincount(second, counts) / np.bincount(second))[second]
        arms.append(
            Arm(f"{group}{subject}", side, base, gravity, by_second, run, place[rows], column["t_maj"][rows] > 0.5)
        )
    return arms


def described(arms: list[Arm]) -> list[Floats]:
    """(n, features) of each arm beside the wearer's other."""
    others = {(arm.wearer, arm.side): arm for arm in arms}
    out = []
    for arm in arms:
        other = others[arm.wearer, "right" if arm.side == "left" else "left"]
        at = np.clip(np.searchsorted(other.place, arm.place), 0, len(other.place) - 1)
        beside = np.where((other.place[at] == arm.place)[:, None], other.base[at], np.nan)
        parts = [
            learned.describe(arm.base[arm.run == run], _carried(beside[arm.run == run]), RATE_HZ)
            for run in np.unique(arm.run)
        ]
        out.append(np.concatenate(parts))
    return out


def _carried(beside: Floats) -> Floats:
    """Moments that the other arm missed (one in sixty) take its last ones; all missing stays missing."""
    there = np.isfinite(beside[:, 0])
    if not there.any():
        return beside
    last = np.maximum.accumulate(np.where(there, np.arange(len(there)), 0))
    last[: np.argmax(there)] = np.argmax(there)
    return beside[last]


def _turned(arm: Arm) -> Floats:
    """(n,) degrees between any two directions of the forearm in the last two seconds of the same run."""
    up = arm.gravity / np.linalg.norm(arm.gravity, axis=1, keepdims=True)
    back = np.arange(round(GROSS_S * RATE_HZ))
    at = np.maximum(np.arange(len(up))[:, None] - back, 0)
    at = np.where(arm.run[at] == arm.run[:, None], at, np.arange(len(up))[:, None])
    return turned_deg(up[at])


def youden(told: Booleans, used: Booleans) -> float:
    """Sensitivity + specificity - 1; NaN where one class is absent."""
    if used.all() or not used.any():
        return float("nan")
    return float(told[used].mean() - told[~used].mean())


@dataclass(frozen=True, slots=True)
class Judged:
    """How one method did on one arm."""

    wearer: str
    side: str
    method: str
    youden: float
    duration_error: float
    """Told less true duration of use, share of the recording."""
    log_ratio_error: float
    """ln(use ratio told) - ln(use ratio by video), left over right; the same for both arms of a wearer."""
    youden_sure: float
    """Youden's index where the detector does not abstain."""
    abstained: float


def judge(root: Path) -> list[Judged]:
    """Every method on every arm."""
    arms = read(root)
    features = described(arms)
    told: dict[str, list[Floats]] = {"counts": [], "gross": [], "both": [], "learned": []}
    for arm in arms:
        level = np.abs(np.degrees(arm.base[:, 0])) < LEVEL_DEG
        told["counts"].append((arm.counts > 0).astype(float))
        told["gross"].append((level & (_turned(arm) > TURNED_DEG)).astype(float))
        told["both"].append((level & (arm.counts > 0)).astype(float))
        told["learned"].append(np.zeros(0))
    doubts: dict[int, Floats] = {}
    expected = [np.zeros(0)] * len(arms)
    for wearer in sorted({arm.wearer for arm in arms}):
        rest = [n for n, arm in enumerate(arms) if arm.wearer != wearer]
        rows, used = np.concatenate([features[n] for n in rest]), np.concatenate([arms[n].used for n in rest])
        detector = learn(rows, used, RATE_HZ)
        for n, arm in enumerate(arms):
            if arm.wearer == wearer:
                told["learned"][n] = detector.chance(features[n])
                doubts[n] = detector.answer(told["learned"][n])
                expected[n] = detector.expected(told["learned"][n])
    shares = {method: [float((one > 0.5).mean()) for one in each] for method, each in told.items()}
    shares["learned"] = [float(one.mean()) for one in expected]
    return [_judged(arms, told[method], shares[method], method, n, doubts) for method in told for n in range(len(arms))]


def _judged(
    arms: list[Arm], told: list[Floats], share: list[float], method: str, n: int, doubts: dict[int, Floats]
) -> Judged:
    arm, yes = arms[n], told[n] > 0.5
    left, right = sorted((m for m, one in enumerate(arms) if one.wearer == arm.wearer), key=lambda m: arms[m].side)
    log_error = np.log(share[left] / share[right]) - np.log(arms[left].used.mean() / arms[right].used.mean())
    sure = np.isfinite(doubts[n]) if method == "learned" else np.ones(len(yes), np.bool_)
    return Judged(
        arm.wearer,
        arm.side,
        method,
        youden(yes, arm.used),
        float(share[n] - arm.used.mean()),
        float(log_error),
        youden(yes[sure], arm.used[sure]),
        float(1 - sure.mean()),
    )
