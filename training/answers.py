"""What the agent answers on the test wearers' recordings, each recording from its beginning, at the shipped budget."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from agent.batch import cut_recording
from agent.bundle import Bundle
from agent.decide import level
from agent.heads import Head
from agent.judge import Judge
from agent.prudence import Prudence
from agent.records import NOISE, NORMAL, NOVELTY, Booleans, Floats, Verdicts
from training.compare import scored
from training.corruptions import Corruption
from training.datasets import Labelled
from training.metrics import ScoredRecording
from training.progress import watched

BUDGET_PER_DAY = 24.0
"""What the settings have where nothing is said."""
HEADS: tuple[Head, ...] = get_args(Head)
ALARM, DOUBT = 2.0, 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One recording's n windows and what is said of them."""

    item: Labelled
    end_s: Floats
    score: Floats
    """(n,) NaN = could not be scored."""
    verdicts: dict[Head, Verdicts]

    def scored(self) -> ScoredRecording:
        """With the score; what could not be scored is as normal as can be."""
        return scored(self.item, self.end_s, np.where(np.isfinite(self.score), self.score, -1e9))

    def alarms(self) -> ScoredRecording:
        """With `ALARM` where only novelty is left, `DOUBT` where it cannot be ruled out, else 0."""
        labels = self.labels()
        alone = labels[:, NOVELTY] & ~labels[:, NORMAL] & ~labels[:, NOISE]
        return scored(self.item, self.end_s, np.where(alone, ALARM, np.where(labels[:, NOVELTY], DOUBT, 0.0)))

    def labels(self, head: Head = HEADS[0]) -> Booleans:
        """(n, 3) which labels a head leaves."""
        return self.verdicts[head].labels


def answers(
    bundle: Bundle, items: Sequence[Labelled], name: str, corrupt: Corruption, heads: Sequence[Head] = HEADS[:1]
) -> Iterator[Answer]:
    """Of all recordings, corrupted by what has that name; those for which it makes no sense are left out."""
    layout, calibration = bundle.manifest.layout, bundle.model.calibration
    alpha = level(BUDGET_PER_DAY)
    for item in watched(items, name):
        rng = np.random.default_rng(zlib.crc32(f"{name}/{item.recording.wearer}/{item.recording.name}".encode()))
        recording = corrupt(item.recording, rng)
        if recording is None:
            continue
        windows = cut_recording(recording, layout)
        found = Judge(bundle.model, alpha).measure(windows)
        verdicts = {
            head: Prudence(calibration, alpha, layout.hop_s, head).answer(windows, found.population, found.spoken)[1]
            for head in heads
        }
        yield Answer(item, windows.end_s, found.population.score, verdicts)
