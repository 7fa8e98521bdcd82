"""Numbers -> fuzzy linguistic terms: what a number is called, and how truly (Zadeh 1975, Inf. Sci. 8:199).

Each variable is a row of trapezoids that overlap and sum to 1 everywhere (Ruspini 1969, Inf. Control 15:22), so some
term always holds with at least a half. The truth of a sentence is the least of its terms'.
"""

import math
from typing import NamedTuple

Edges = tuple[tuple[str, float, float], ...]
"""Terms in rising order: name, from where it begins to hold, from where it holds fully. The first begins at -inf."""

_ALL = -math.inf

DURATION: Edges = (
    ("moment", _ALL, _ALL),
    ("half_second", 0.25, 0.45),
    ("one_second", 0.75, 1.0),
    ("two_seconds", 1.45, 1.75),
    ("whole_window", 2.2, 2.5),
)
"""Seconds."""
SHARE: Edges = (("all", _ALL, _ALL), ("mostly", 0.4, 0.6), ("only", 0.85, 0.95))
"""Share of one axis in what the three add."""
DIFFERENCE: Edges = (("slightly", _ALL, _ALL), ("clearly", 1.0, 2.0), ("much", 3.0, 4.0))
"""Standard deviations of normal wear, without sign."""


class Term(NamedTuple):
    """A name for a number, and how truly it is one, in [0.5, 1]."""

    name: str
    truth: float


def called(value: float, edges: Edges) -> Term:
    """The term that holds best."""
    return max((Term(name, truth(value, edges, name)) for name, _, _ in edges), key=lambda term: term.truth)


def truth(value: float, edges: Edges, name: str) -> float:
    """How truly a number is called by that name, in [0, 1]."""
    place = [one[0] for one in edges].index(name)
    after = _risen(value, *edges[place + 1][1:]) if place + 1 < len(edges) else 0.0
    return _risen(value, *edges[place][1:]) - after


def _risen(value: float, start: float, full: float) -> float:
    return 1.0 if full == _ALL else min(1.0, max(0.0, (value - start) / (full - start)))
