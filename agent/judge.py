"""Windows -> judged windows: quality, score, calibrate, decide, in this order. Pure: no file, no network, no event."""

from dataclasses import dataclass

import numpy as np

from agent.anatomy import Anatomy
from agent.calibrate import Calibration
from agent.evidence import weigh
from agent.heads import Head
from agent.layout import Layout
from agent.prudence import Prudence
from agent.quality import CERTAIN, Assessor
from agent.records import PARTS, Floats, Quality, Scores, Standing, Surprise, Trust, Verdicts, Windows
from agent.runtime import Runtime
from agent.score import Prototypes, Rows, Scorer


@dataclass(frozen=True, slots=True)
class Model:
    """What judging needs of a bundle."""

    layout: Layout
    runtime: Runtime
    prototypes: Prototypes
    calibration: Calibration


@dataclass(frozen=True, slots=True)
class Judged:
    """One tick's windows with all that is known of them."""

    windows: Windows
    quality: Quality
    scores: Scores
    anatomy: Anatomy
    surprise: Surprise
    fault: Floats
    """(m,) strongest evidence of a fault of each row."""
    trust: Trust
    """(n,) in the measurement, by the position that speaks for the window."""
    verdicts: Verdicts
    standing: Standing

    def parts(self) -> Floats:
        """(n, 3) of each window the highest of each part over its positions; -inf where no position has it."""
        best = np.full((len(self.windows.end_s), len(PARTS)), -np.inf)
        scored = np.isfinite(self.scores.score)
        np.maximum.at(best, self.windows.owner[scored], self.scores.parts[scored])
        return best


class Judge:
    """Judges windows; remembers what each stream showed last, and what is normal for each wearer."""

    def __init__(self, model: Model, alpha: float, head: Head = "interval_dominance") -> None:
        """`alpha`: level that follows from the budget, in (0, 1]; `head`: rule that picks the labels."""
        layout = self._layout = model.layout
        self.model = model
        self._assessor = Assessor(layout.rate_hz)
        self.scorer = Scorer(model.runtime, model.prototypes, layout.segments, layout.rate_hz, layout.hop_s)
        self.prudence = Prudence(model.calibration, alpha, layout.hop_s, head)

    def judge(self, windows: Windows) -> Judged:
        """Judge n windows with m rows; of one wearer never before those already judged."""
        samples, family = windows.samples_g, windows.family
        end_s = windows.end_s[windows.owner]
        quality = self._assessor.assess(samples, windows.stream, end_s)
        scores, anatomy = self.scorer.score(
            Rows(samples, family, windows.stream, windows.owner, end_s, quality.missing)
        )
        fault = quality.faults().max(axis=1, initial=0.0)
        population = self.model.calibration.rank(windows, scores.score, fault < CERTAIN)
        trust = weigh(quality, scores).of(_spokesman(windows, population, fault))
        surprise, verdicts, standing = self.prudence.answer(windows, population, trust)
        return Judged(windows, quality, scores, anatomy, surprise, fault, trust, verdicts, standing)


def _spokesman(windows: Windows, surprise: Surprise, fault: Floats) -> np.ndarray:
    """(n,) the leading row; where nothing was scored, the row with the most evidence of a fault."""
    order = np.lexsort((fault, windows.owner))
    worst = np.zeros(len(windows.end_s), np.int64)
    worst[windows.owner[order]] = order  # the last of each owner stays
    return np.where(surprise.leading_row >= 0, surprise.leading_row, worst)
