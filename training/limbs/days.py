"""How the test for changes over days does: on simulated days of known truth, and on real months after a stroke."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from agent.limbs.change import THRESHOLD, Found, Shift
from agent.records import Floats
from training.errors import DataError

SPREADS = (0.04, 0.06, 0.08, 0.10, 0.15, 0.30)
"""Standard deviations between days of ln(use ratio)."""
KNOWN_DAYS = 28
"""Days without change before the relapse."""
RELAPSE = 0.20
LEAST_SHARE = 0.5
"""A day with less than this share of the patient's median movements counts as too little wear (the data has no wear
times; first and last day of each week are partial)."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """Of many simulated wearers with one spread between days."""

    spread: float
    days_to_false: float
    """Judged days without change for each false event; inf where there was none."""
    within_three: float
    """Share of relapses of 20 % told on the third day at the latest."""
    within_seven: float
    size_error: float
    """Median of |size told - size true|."""


def simulate(spread: float, seed: int = 0, wearers: int = 200, days: int = 120, measures: int = 1) -> Simulated:
    """Days without change, and a relapse of the first measure after `KNOWN_DAYS`.

    Days are independent and normal in ln(ratio), and so are the measures, which share one promise of false events.
    """
    rng = np.random.default_rng(seed)
    false, delays, errors = 0, [], []
    for _ in range(wearers):
        false += sum(len(found(rng.normal(0, spread, days), measures)) for _ in range(measures))
    for _ in range(wearers):
        after = math.log(1 - RELAPSE) + rng.normal(0, spread, 30)
        shift = Shift(threshold=measures * THRESHOLD)
        told = [shift.add(day, one) for day, one in enumerate([*rng.normal(0, spread, KNOWN_DAYS), *after])][
            KNOWN_DAYS:
        ]
        first = next((day for day, one in enumerate(told) if one), None)
        delays.append(math.inf if first is None else first + 1)
        errors += [abs(told[first].size + RELAPSE)] if first is not None else []  # type: ignore[union-attr]
    late = np.array(delays)
    each = wearers * days / false if false else math.inf
    return Simulated(spread, each, float((late <= 3).mean()), float((late <= 7).mean()), float(np.median(errors)))


def found(values: Floats, measures: int = 1) -> list[Found]:
    """All changes in a run of days of one of several measures that share a promise."""
    shift = Shift(threshold=measures * THRESHOLD)
    told = [shift.add(day, float(value)) for day, value in enumerate(values)]
    return [one for one in told if one is not None]


@dataclass(frozen=True, slots=True)
class Patient:
    """One patient of `paruse_daily`: functional movements of the paretic arm over those of the other."""

    name: str
    days: int
    left_out: int
    """Days with too little wear."""
    spread: float
    """Standard deviation between days of ln(ratio)."""
    changes: list[Found]
    shuffled_days_to_false: float
    """The same days in random order, 500 times: days for each event, which are all false."""


def patients(root: Path) -> list[Patient]:
    """Every patient, the months put behind each other.

    Raises:
        DataError: the files are missing.
    """
    files = sorted((root / "paruse_daily").glob("*.parquet"))
    if not files:
        raise DataError(f"dataset paruse_daily: no *.parquet in {root / 'paruse_daily'}")
    return [_patient(file) for file in files]


def _patient(file: Path) -> Patient:
    table = pq.read_table(file)
    paretic, other = (table.column(f"FuncUse_{arm}_day").to_numpy() for arm in ("paretic", "non_paretic"))
    worn = paretic + other >= LEAST_SHARE * np.median(paretic + other)
    values = np.log(paretic[worn] / other[worn])
    rng = np.random.default_rng(0)
    false = sum(len(found(rng.permutation(values))) for _ in range(500))
    each = 500 * len(values) / false if false else math.inf
    return Patient(file.stem, len(paretic), int((~worn).sum()), float(values.std(ddof=1)), found(values), each)
