"""Quality and scores of a row -> was it measured right?

Physics alone for now: evidence q of a fault leaves 1 - q for a right measurement; from `CERTAIN` on the rest is mass on
a wrong one, below it is ignorance (discounting: Shafer 1976, "A Mathematical Theory of Evidence", ch. 11).
"""

import numpy as np

from agent.quality import CERTAIN
from agent.records import OPEN, Quality, Scores, Trust

ALIEN_SCORE = 10.0
"""Where the open part of the score is beyond this many scales from normal, nothing like it was ever seen: the hardest
of 1,273 falls of SisFall is at 6. Novelty or a fault? The answer holds both."""


def weigh(quality: Quality, scores: Scores) -> Trust:
    """Trust in each of m rows."""
    fault = quality.faults().max(axis=1, initial=0.0)
    alien = scores.parts[:, OPEN] > ALIEN_SCORE
    wrong = np.where(fault >= CERTAIN, fault, 0.0)
    return Trust(np.where(alien & (wrong == 0), 0.0, 1 - fault), wrong, alien)
