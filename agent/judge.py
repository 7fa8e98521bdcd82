"""Windows -> judged windows: quality, score, calibrate, decide, in this order. Pure: no file, no network, no event."""

from dataclasses import dataclass

import numpy as np

from agent.anatomy import Anatomy
from agent.calibrate import Calibration
from agent.discovery import Discovery
from agent.evidence import Layer, Testimony, Witness
from agent.heads import Head
from agent.layout import Layout
from agent.prudence import Prudence
from agent.quality import CERTAIN, Assessor, Beside
from agent.records import PARTS, Booleans, Floats, Quality, Scores, Standing, Surprise, Trust, Verdicts, Windows
from agent.runtime import Runtime
from agent.score import Prototypes, Rows, Scorer


@dataclass(frozen=True, slots=True)
class Model:
    """What judging needs of a bundle."""

    layout: Layout
    runtime: Runtime
    prototypes: Prototypes
    calibration: Calibration
    layer: Layer | None = None
    """Evidence of wrong measurements beyond physics; None = this bundle knows none."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One tick's windows before anybody's budget or own normal wear comes in."""

    windows: Windows
    quality: Quality
    scores: Scores
    anatomy: Anatomy
    fault: Floats
    """(m,) strongest evidence of a fault of each row."""
    trust: Trust
    """(m,) was each row measured right?"""
    population: Surprise
    """(n,) as the population's calibration sees the windows."""
    spoken: Trust
    """(n,) the trust in the position that speaks for each window."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One tick's windows with all that is known of them."""

    windows: Windows
    quality: Quality
    scores: Scores
    anatomy: Anatomy
    surprise: Surprise
    fault: Floats
    """(m,) strongest evidence of a fault of each row, from physics alone."""
    trust: Trust
    """(m,) was it measured right?"""
    spoken: Trust
    """(n,) the trust in the position that speaks for each window."""
    verdicts: Verdicts
    standing: Standing

    @property
    def faulty(self) -> Booleans:
        """(m,) rows whose measurement is wrong."""
        return self.trust.wholly_wrong()

    def parts(self) -> Floats:
        """(n, 3) of each window the highest of each part over its positions; -inf where no position has it."""
        best = np.full((len(self.windows.end_s), len(PARTS)), -np.inf)
        scored = np.isfinite(self.scores.score)
        np.maximum.at(best, self.windows.owner[scored], self.scores.parts[scored])
        return best


class Judge:
    """Judges windows; remembers what each stream showed last, and what is normal for each wearer."""

    def __init__(
        self, model: Model, alpha: float, head: Head = "interval_dominance", false_share: float | None = None
    ) -> None:
        """`alpha`: level that follows from the budget, in (0, 1]; `head`: rule that picks the labels; `false_share`:
        the most of all alarms that should be false, see `discovery`.
        """
        layout = self._layout = model.layout
        self.model = model
        self._assessor = Assessor(layout.rate_hz, layout.families)
        self._witness = Witness(model.layer, len(layout.families), layout.segments)
        self.scorer = Scorer(model.runtime, model.prototypes, layout.segments, layout.rate_hz, layout.hop_s)
        self.prudence = Prudence(model.calibration, alpha, layout.hop_s, head, Discovery(false_share))

    def judge(self, windows: Windows) -> Judged:
        """Judge n windows with m rows; of one wearer never before those already judged."""
        found = self.measure(windows)
        surprise, verdicts, standing = self.prudence.answer(windows, found.population, found.spoken)
        seen = (found.quality, found.scores, found.anatomy, surprise, found.fault, found.trust, found.spoken)
        return Judged(windows, *seen, verdicts, standing)

    def measure(self, windows: Windows) -> Measured:
        """All but the answer: what does not depend on the level; order as in `judge`."""
        samples, family = windows.samples_g, windows.family
        end_s = windows.end_s[windows.owner]
        quality = self._assessor.assess(samples, windows.stream, end_s, Beside(windows.owner, family))
        fault = quality.faults().max(axis=1, initial=0.0)
        rows = Rows(samples, family, windows.stream, windows.owner, end_s, quality.missing, fault < CERTAIN)
        scores, anatomy = self.scorer.score(rows)
        said = Testimony(samples, family, windows.stream, windows.owner, quality, scores)
        trust = self._witness.testify(said)
        population = self.model.calibration.rank(windows, scores.score, ~trust.wholly_wrong())
        spoken = trust.of(_spokesman(windows, population, np.maximum(fault, trust.wrong)))
        return Measured(windows, quality, scores, anatomy, fault, trust, population, spoken)


def _spokesman(windows: Windows, surprise: Surprise, fault: Floats) -> np.ndarray:
    """(n,) the leading row; where nothing was scored, the row with the most evidence of a fault."""
    order = np.lexsort((fault, windows.owner))
    worst = np.zeros(len(windows.end_s), np.int64)
    worst[windows.owner[order]] = order  # the last of each owner stays
    return np.where(surprise.leading_row >= 0, surprise.leading_row, worst)
