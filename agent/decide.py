"""Two questions, each answered with masses on sets of labels -> the set-valued verdict.

*Is it unusual?* The p-value answers (see `calibrate`, `own`). With alpha the level of the window, a = 1 - alpha / 10
p_low where even the lower end of p's interval is above alpha, and b = 1 - p / 10 alpha where p <= alpha (0 elsewhere;
never both):

    {normal, noise}: a     {novelty, noise}: b     all three: 1 - a - b

It speaks of what was measured, so it never speaks against `noise`.

*Was it measured right?* `Trust` answers (see `evidence`):

    {normal, novelty}: right     {noise}: wrong     all three: 1 - right - wrong

A fault that is *borne*, a wrong gain or much noise, leaves {noise} while the movement is not unusual. Where it is, the
fault does not explain it away: a fall is one on a badly calibrated sensor too. Its mass goes to all three, and
{novelty, noise} is left.

Dempster's rule joins the two (Shafer 1976, "A Mathematical Theory of Evidence", ch. 3); every set of the one shares a
label with every set of the other, so nothing conflicts and nothing is normalised. A window that could not be scored
has no answer to the first, and to the second only that it was measured wrong, if it was. Set, belief and plausibility
follow from the same masses and cannot contradict each other. Which labels are left is for a head to say, see `heads`.

Guarantee: where no mass is on {noise}, `normal` is ruled out exactly where p <= alpha, under either head.
"""

import numpy as np

from agent.calibrate import BLOCKS_PER_DAY
from agent.heads import SETS, Head, kept_by
from agent.records import CAUSES, NOISE, NORMAL, Booleans, Floats, Integers, Surprise, Trust, Verdicts

DOUBT_LEFT = 0.1
"""Mass that stays undecided at the level itself; it shrinks in proportion as p leaves the level behind."""


def level(false_alarms_per_day: float) -> float:
    """Budget -> alpha, the level of each half-minute: budget / 2880."""
    return false_alarms_per_day / BLOCKS_PER_DAY


def decide(surprise: Surprise, trust: Trust, alpha: Floats, head: Head = "interval_dominance") -> Verdicts:
    """The verdict of each window.

    Args:
        surprise: calibrated scores of n windows.
        trust: of n windows: that of the leading position; of the worst where none could be scored.
        alpha: (n,) level at which `normal` is ruled out, in (0, 1].
        head: which rule picks the labels.
    """
    unscored = np.isnan(surprise.p_value)
    masses = _masses(surprise, trust, alpha, unscored)
    belief, plausibility = masses[:, [1, 2, 4]], np.clip(masses @ SETS, 0.0, 1.0)
    labels = kept_by(head, masses)
    return Verdicts(labels, belief, plausibility, _causes(labels, unscored, trust.alien & ~unscored), alpha)


def _masses(surprise: Surprise, trust: Trust, alpha: Floats, unscored: Booleans) -> Floats:
    """(n, 8) mass of each of `SETS`; rows sum to 1."""
    p, p_low = np.where(unscored, 1.0, surprise.p_value), np.where(unscored, 1.0, surprise.p_low)
    usual = np.where(~unscored & (p_low > alpha), 1 - DOUBT_LEFT * alpha / np.maximum(p_low, alpha), 0.0)
    unusual = np.where(~unscored & (p <= alpha), 1 - DOUBT_LEFT * p / alpha, 0.0)
    right = np.where(unscored, 0.0, trust.right)
    wrong = np.where(trust.borne & (p <= alpha), 0.0, trust.wrong)
    open_, unsure = 1 - usual - unusual, 1 - right - wrong
    columns = (0 * p, usual * right, wrong, usual * unsure, unusual * right, open_ * right, unusual * unsure)
    return np.stack((*columns, open_ * unsure), axis=1)


def _causes(labels: Booleans, unscored: Booleans, alien: Booleans) -> Integers:
    """Index in `CAUSES`: 0 where one label is left."""
    poor = unscored | (labels[:, NORMAL] & labels[:, NOISE])
    cause = np.select(
        [labels.sum(axis=1) == 1, alien, poor, labels[:, NOISE]],
        [CAUSES.index(name) for name in ("", "unlike_anything_seen", "poor_signal", "ambiguous")],
        CAUSES.index("too_little_calibration"),
    )
    return cause.astype(np.int64)
