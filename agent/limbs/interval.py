"""A figure of sums and where it lies: hours not worn are as unlike as those worn, and the detector errs as is known.

How far a figure is pulled by single hours is told by leaving each worn hour out in turn (jackknife: Efron & Stein 1981,
Ann. Stat. 9:586); of that counts the share of the waking day that was not worn. Guarantee: an interval holds, with
95 %, what a detector without error would have told of the whole waking day. Assumptions: hours not worn are like those
worn, one draw each; the detector errs, in the logarithm, as it did where it was held against a reference.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agent.binomial import Z_95_BOTH
from agent.limbs.change import t_quantile
from agent.limbs.columns import AT
from agent.records import Floats

MOST_SPREAD = 5.0
"""In ln; an interval from a 150th to the 150-fold says that nothing is known."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums by name of column."""

    array: Floats
    """(..., columns)"""

    def __getitem__(self, name: str) -> Floats:
        column: Floats = self.array[..., AT[name]]
        return column


Of = Callable[[Sums], Floats]
"""What a figure is made of: (...,) from (..., columns)."""


def quotient(one: str, other: str) -> Of:
    """One sum over another."""
    return lambda sums: sums[one] / sums[other]


@dataclass(frozen=True, slots=True)
class Worn:
    """The hours of a day in which a figure's sensors were worn."""

    hours: Floats
    """(hours, columns)"""
    awake_h: float
    """Hours of wear after which nothing more is missing."""
    worn_h: float

    @property
    def unseen(self) -> float:
        """Share of the waking day that was not worn."""
        return max(0.0, 1 - self.worn_h / self.awake_h)

    def estimated(self, of: Of, over: str, log_sd: float, *, draws: bool = False) -> Figure | None:
        """A positive figure of the day; None where it is none.

        Args:
            of: the figure.
            over: column that is not 0 in the hours that speak of it.
            log_sd: the detector's known error.
            draws: hours are draws of something that lasts, worn or not: all of their spread counts.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            value = float(of(Sums(self.hours.sum(axis=0))))
            if not (np.isfinite(value) and value > 0):
                return None
            between = self.pull(lambda sums: np.log(of(sums)), over) * np.sqrt(1.0 if draws else self.unseen)
        spread = min(float(np.hypot(between, Z_95_BOTH * log_sd)), MOST_SPREAD)
        return Figure(value, value * float(np.exp(-spread)), value * float(np.exp(spread)))

    def counted(
        self, what: tuple[str, ...], over: str, unit: float = 1.0, log_sd: float = 0.0, share_sd: float = 0.0
    ) -> Figure | None:
        """An amount that grows with wear: from what was counted to what it would be had the day been worn.

        Args:
            what: columns that are summed.
            over: as in `estimated`, in seconds.
            unit: what 1 in those columns counts for.
            log_sd: the detector's known error, and
            share_sd: the same as a share of the time worn, in hours.
        """
        if self.worn_h <= 0:
            return None
        total = unit * float(self.hours[:, [AT[one] for one in what]].sum())
        rate = self.estimated(lambda sums: sum((sums[one] for one in what), np.array(0.0)) / sums[over], over, 0.0)
        more = rate.high / rate.value if rate else 1.0
        factor, off_h = float(np.exp(Z_95_BOTH * log_sd)), Z_95_BOTH * share_sd * self.worn_h
        whole = max(1.0, self.awake_h / self.worn_h)
        return Figure(total, max(0.0, total / factor - off_h), (total * more * factor + off_h) * whole)

    def pull(self, of: Of, over: str) -> float:
        """Half of the 95 % interval of `of` by its spread between hours; an hour alone says nothing of others: 0."""
        hours = self.hours[self.hours[:, AT[over]] > 0]
        if len(hours) < 2:
            return 0.0
        left_out = of(Sums(np.maximum(hours.sum(axis=0) - hours, 0.0)))
        if not np.isfinite(left_out).all():
            return np.inf
        return t_quantile(len(hours) - 1) * float(np.sqrt((len(hours) - 1) * left_out.var()))
