"""What becomes of detection and of false alarms where sensors are worn badly: see `training.corruptions`.

At the shipped budget, each recording from its beginning, nothing chosen on these recordings. Beside the false alarms of
the verdict stand those of the bare score, at the threshold under which the uncorrupted recordings give ten an hour: so
it shows whether a corruption that makes movement look stranger is caught by doubt and by {noise}.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from agent.records import NOISE
from training.answers import ALARM, DOUBT, Answer
from training.markdown import table
from training.metrics import ScoredRecording, Tally, average_precision_of, recall_above, tally, threshold_at

AT_PER_HOUR = 10.0
DOUBLED = 2.0
PROVED = 0.05
"""Level of the test that a rate has more than doubled."""
HEADINGS = (
    "protocol",
    "corruption",
    "AP",
    "recall, {novelty}",
    "novelty or doubt",
    "false alarms per h",
    "doubled?",
    "score alone, per h",
    "abstains",
    "{noise}",
)
NOTES = """Change against the uncorrupted recordings in brackets. False alarms of {novelty} at the shipped budget, 24 a
day. *Doubled?*: the rate is more than twice that of the uncorrupted recordings; `proved` where an exact test on the two
counts refutes, at 5 %, that it is at most twice (conditional binomial test of two Poisson rates: Przyborowski, Wilenski
1940, Biometrika 31:313). *Score alone*: false alarms of the bare score at the threshold that gives ten an hour without
corruption. *Abstains*, *{noise}*: shares of all windows."""


@dataclass(frozen=True, slots=True)
class Robust:
    """One protocol under one corruption."""

    protocol: str
    corruption: str
    normal_hours: float
    average_precision: float
    recall: float
    recall_or_doubt: float
    false_alarms: int
    score_alarms: int
    """Of the score alone at `threshold`."""
    threshold: float
    abstains: float
    noise: float

    @property
    def per_hour(self) -> float:
        """False alarms an hour of the verdict."""
        return self.false_alarms / self.normal_hours


def measure(protocol: str, corruption: str, found: Sequence[Answer], window_s: float, clean: Robust | None) -> Robust:
    """The figures; `clean` = the same without corruption, which fixes the threshold of the score."""
    by_score, by_verdict = (tally(list(one), window_s) for one in zip(*map(_both, found), strict=True))
    everyone = np.ones(len(by_score.wearers))
    threshold = clean.threshold if clean else threshold_at(by_score, everyone, AT_PER_HOUR)
    labels = np.concatenate([answer.labels() for answer in found])
    several = labels.sum(axis=1) > 1
    return Robust(
        protocol=protocol,
        corruption=corruption,
        normal_hours=float(by_score.normal_hours.sum()),
        average_precision=average_precision_of(by_score, everyone),
        recall=recall_above(ALARM, by_verdict, everyone),
        recall_or_doubt=recall_above(DOUBT, by_verdict, everyone),
        false_alarms=_false_alarms(by_verdict, ALARM),
        score_alarms=_false_alarms(by_score, threshold),
        threshold=threshold,
        abstains=float(several.mean()),
        noise=float((labels[:, NOISE] & ~several).mean()),
    )


def markdown(results: Sequence[Robust]) -> str:
    """A Markdown table and what it means; the first of each protocol is the uncorrupted one."""
    clean: dict[str, Robust] = {}
    return table(HEADINGS, [_line(one, clean.setdefault(one.protocol, one)) for one in results]) + "\n\n" + NOTES


def doubled(one: Robust, clean: Robust) -> tuple[bool, bool]:
    """Whether the rate of false alarms is more than twice that without corruption, and whether that is proved."""
    share = DOUBLED * one.normal_hours / (DOUBLED * one.normal_hours + clean.normal_hours)
    both = one.false_alarms + clean.false_alarms
    more = one.per_hour > DOUBLED * clean.per_hour
    proved = both > 0 and binomtest(one.false_alarms, both, share, alternative="greater").pvalue <= PROVED
    return more, bool(proved)


def _both(answer: Answer) -> tuple[ScoredRecording, ScoredRecording]:
    return answer.scored(), answer.alarms()


def _false_alarms(counts: Tally, threshold: float) -> int:
    place = np.flatnonzero(counts.thresholds >= threshold)
    return int(counts.false_alarms[:, place[-1]].sum()) if len(place) else 0


def _line(one: Robust, clean: Robust) -> tuple[object, ...]:
    more, proved = doubled(one, clean)
    return (
        one.protocol,
        one.corruption,
        f"{one.average_precision:.3f} ({one.average_precision - clean.average_precision:+.3f})",
        f"{one.recall:.2f} ({one.recall - clean.recall:+.2f})",
        f"{one.recall_or_doubt:.2f} ({one.recall_or_doubt - clean.recall_or_doubt:+.2f})",
        f"{one.per_hour:.2f} ({one.per_hour - clean.per_hour:+.2f})",
        ("proved" if proved else "yes") if more else "no",
        f"{one.score_alarms / one.normal_hours:.1f}",
        f"{one.abstains:.2f} ({one.abstains - clean.abstains:+.2f})",
        f"{one.noise:.3f} ({one.noise - clean.noise:+.3f})",
    )
