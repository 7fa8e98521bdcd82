"""p-values and evidence of faults -> the set-valued verdict.

`normal` is ruled out where p <= alpha: among normal half-minutes exchangeable with the calibration, at most a share
alpha is so called (see `calibrate`). `novelty` is ruled out where even the lower end of p's interval is above alpha.
Between the two the calibration cannot tell, and the answer holds both.

The same two tests are written as masses on sets of labels, and everything else follows from these, so that set,
belief and plausibility cannot contradict each other. With a = 1 - min(1, alpha / 2 p_low) where p_low > alpha, and
b = 1 - p / 2 alpha where p <= alpha (0 elsewhere; never both):

    {normal}: a     {novelty}: b     {normal, novelty}: 1 - a - b

These say nothing of the measurement: with `noise` added to each set, they are combined by Dempster's rule with `Trust`,
the masses on {normal, novelty} (measured right), {noise} (wrong) and all three; the two never conflict. A window that
could not be scored has its whole mass on all three.
A label is ruled out by interval dominance: where the belief in another is at least its own plausibility
(Zaffalon 2002, J. Stat. Plann. Inference 105:5).
"""

import numpy as np

from agent.calibrate import BLOCKS_PER_DAY
from agent.records import CAUSES, NOISE, NORMAL, Booleans, Floats, Integers, Surprise, Trust, Verdicts

ALIEN_SCORE = 10.0
"""Where the open part of the score is beyond this many scales from normal, nothing like it was ever seen: the hardest
of 1,273 falls of SisFall is at 6. Novelty or a fault? The answer holds both."""

SETS = np.array([[bits >> label & 1 for label in range(3)] for bits in range(8)], dtype=float)
"""(8, 3) the subsets of `LABELS`, numbered by their bits: 1 = {normal}, 2 = {noise}, 4 = {novelty}, 7 = all."""


def level(false_alarms_per_day: float) -> float:
    """Budget -> alpha, the level of each half-minute: budget / 2880."""
    return false_alarms_per_day / BLOCKS_PER_DAY


def decide(surprise: Surprise, trust: Trust, promise_per_day: Floats, alpha: float, alien: Booleans) -> Verdicts:
    """The verdict of each window.

    Args:
        surprise: calibrated scores of n windows.
        trust: (n,) of the leading position; of the most doubtful where none could be scored.
        promise_per_day: (n,) see `Calibration.promise_per_day`.
        alpha: level at which `normal` is ruled out.
        alien: (n,) nothing like it was ever seen, see `ALIEN_SCORE`.
    """
    unscored = np.isnan(surprise.p_value)
    alien = alien & ~unscored  # what was too poor to score was not seen at all
    masses = _masses(surprise, trust, alpha, alien)
    belief, plausibility = masses[:, [1, 2, 4]], np.clip(masses @ SETS, 0.0, 1.0)
    labels = _undominated(belief, plausibility)
    return Verdicts(labels, belief, plausibility, _causes(labels, unscored, alien), promise_per_day)


def _masses(surprise: Surprise, trust: Trust, alpha: float, alien: Booleans) -> Floats:
    """(n, 8) mass of each of `SETS`; rows sum to 1."""
    unscored = np.isnan(surprise.p_value)
    p, p_low = np.where(unscored, 1.0, surprise.p_value), np.where(unscored, 1.0, surprise.p_low)
    masses = np.zeros((len(p), 8))
    masses[:, 1] = np.where(p_low > alpha, 1 - alpha / (2 * np.maximum(p_low, alpha)), 0.0)
    masses[:, 4] = np.where(p <= alpha, 1 - p / (2 * alpha), 0.0)
    masses[:, 5] = 1 - masses[:, 1] - masses[:, 4]
    masses[alien] = np.eye(8)[6]
    masses[unscored] = np.eye(8)[7]
    right, wrong = np.where(alien | unscored, 0.0, trust.right), trust.wrong
    out = np.zeros_like(masses)
    for bits in range(1, 8):
        out[:, bits & 5] += right * masses[:, bits]
        out[:, bits | 2] += (1 - right - wrong) * masses[:, bits]
    out[:, 2] += wrong
    return out


def _undominated(belief: Floats, plausibility: Floats) -> Booleans:
    """(n, 3) labels whose plausibility exceeds the belief in every other one."""
    labels = plausibility > 0
    for label in range(3):
        others = np.delete(belief, label, axis=1).max(axis=1)
        labels[:, label] &= plausibility[:, label] > others
    return labels


def _causes(labels: Booleans, unscored: Booleans, alien: Booleans) -> Integers:
    """Index in `CAUSES`: 0 where one label is left."""
    poor = unscored | (labels[:, NORMAL] & labels[:, NOISE])
    cause = np.select(
        [labels.sum(axis=1) == 1, alien, poor, labels[:, NOISE]],
        [CAUSES.index(name) for name in ("", "unlike_anything_seen", "poor_signal", "ambiguous")],
        CAUSES.index("too_little_calibration"),
    )
    return cause.astype(np.int64)
