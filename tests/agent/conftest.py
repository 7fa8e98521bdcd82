"""What the tests of the agent share: signals in g with a seed, packets made from them, and rows to score."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest

from agent.anatomy import Anatomy
from agent.known import Known
from agent.layout import POSITIONS, Layout
from agent.past import LAGS
from agent.records import FREEZING, Floats, Packet, Scores, Singles
from agent.runtime import Answer
from agent.score import MERGED, SHARED, Norms, Prototypes, Rows, Scorer

Walking = Callable[[Floats], Singles]


def _walking_g(times_s: Floats) -> Singles:
    """(n, 3) g: gravity, a bounce at 1.8 Hz and a sensor's noise, the same for the same times."""
    noise = np.sin(times_s[:, None] * [1234.5, 2345.6, 3456.7]) * 0.006
    bounce = np.sin(2 * np.pi * 1.8 * times_s)[:, None] * [0.05, 0.1, 0.25]
    return (noise + bounce + [0.1, -0.2, 0.97]).astype(np.float32)


def _packet(
    start_s: float = 0.0,
    count: int = 50,
    *,
    rate_hz: float = 50.0,
    wearer: str = "w1",
    position: str = "waist",
    late_s: float = 0.0,
    device_s: float = 0.0,
    samples_g: Singles | None = None,
) -> Packet:
    """`count` samples from `start_s` on the gateway's clock; the device's own clock shows `device_s` more."""
    times_s = start_s + np.arange(count) / rate_hz
    samples = _walking_g(times_s) if samples_g is None else samples_g
    received_s = float(times_s[-1]) + late_s if count else start_s
    return Packet(wearer, position, times_s + device_s, samples, received_s)


@pytest.fixture(scope="session")
def walking_g() -> Walking:
    return _walking_g


@pytest.fixture(scope="session")
def packet() -> Callable[..., Packet]:
    return _packet


class _Told:
    """A network that answers what the test tells it, row after row."""

    package = asked = provider = "test"

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.batches: list[int] = []

    def run(self, features: Singles) -> Answer:
        start = sum(self.batches)
        self.batches.append(len(features))
        return Answer(*(values[start : start + len(features)] for values in self.answer))


@dataclass(frozen=True)
class Invented:
    """Rows whose answers are drawn, so that every part of the score is met, and each leads somewhere."""

    answer: Answer
    prototypes: Prototypes
    rows: Rows
    layout: Layout

    def network(self) -> _Told:
        return _Told(self.answer)

    def scored(self, **other: object) -> tuple[Scores, Anatomy]:
        layout, prototypes = self.layout, replace(self.prototypes, **other)
        return Scorer(self.network(), prototypes, layout.segments, layout.rate_hz, layout.hop_s).score(self.rows)

    def some(self, chosen: np.ndarray) -> "Invented":
        """Those rows alone."""
        rows = Rows(*(getattr(self.rows, field.name)[chosen] for field in fields(Rows)))
        return replace(self, answer=Answer(*(values[chosen] for values in self.answer)), rows=rows)


def _norms(rng: np.random.Generator, families: Sequence[str]) -> Norms:
    """Wrists have no freezing part."""
    scale = rng.uniform(0.5, 2, (len(families), MERGED + 1)) * [90, 1, 0.8, 1]
    scale[[name == "wrist" for name in families], FREEZING] = np.nan
    return Norms(rng.uniform(0, 1, scale.shape) * [60, 1, 1, 0.5], scale)


def _invented(seed: int = 0, *, wearers: int = 2, ends: int = 8, worn: Sequence[int] = (0, 1, 3, 4, 4)) -> Invented:
    """`worn`: the family of each position; windows of one wearer come half a second apart, rows ordered as live."""
    rng, layout = np.random.default_rng(seed), Layout(positions=POSITIONS)
    d, families, each = 16 * layout.segments, len(layout.families), 6
    end, wearer, place = (index.ravel() for index in np.indices((ends, wearers, len(worn))))
    m = len(end)

    def draw(*shape: int) -> Singles:
        return rng.normal(size=shape).astype(np.float32)

    tremor = np.sin(2 * np.pi * 5 * np.arange(layout.window_samples) / layout.rate_hz)
    samples = 0.3 * draw(m, 3, layout.window_samples) + rng.choice([0, 1.5], (m, 1, 1)) * tremor
    strong = rng.choice([1.0, 2.5], (m, 1)).astype(np.float32)
    answer = Answer(strong * draw(m, d), 6 * draw(m, d), draw(m, d), draw(m, 9))
    hidden = (5, 3)
    known = Known(
        draw((1 + LAGS) * d, hidden[0]) / 8, draw(hidden[0]), draw(*hidden), draw(hidden[1]), 4 * draw(hidden[1]), 0.3
    )
    prototypes = Prototypes(
        places=draw((families + 1) * each, d),
        family=np.repeat(np.arange(families + 1) + SHARED, each),
        norms=_norms(rng, layout.families),
        context_weight=0.3,
        echo=0.8,
        known=known,
        legs=np.array([name in ("thigh", "ankle") for name in layout.families]),
    )
    stream, owner = wearer * len(worn) + place, end * wearers + wearer
    heard = rng.random(m) < 0.9
    end_s, whole = layout.hop_s * end, np.zeros(m)
    rows = Rows(samples.astype(np.float32), np.array(worn)[place], stream, owner, end_s, whole, heard)
    return Invented(answer, prototypes, rows, layout)


@pytest.fixture(scope="session")
def invented() -> Callable[..., Invented]:
    return _invented


@pytest.fixture(scope="session")
def blanks():
    """What is left to fill in in a phrase, or, place by place, in a collection of phrases."""

    def found(value):
        if isinstance(value, str):
            return sorted(re.findall(r"{(\w+)}", value))
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        return {name: found(part) for name, part in parts}

    return found
