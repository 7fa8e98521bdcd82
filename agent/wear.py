"""Judged windows as the watch for drift sees them: how strange, and whether it is plain wear at all.

What is watched is the strangeness of the strangest position, as the network sees it before anything lasting is taken
off (`score`: echo and habit): the score itself was made to overlook what lasts. Its logarithm, over the median of its
family. On five wearers of SisFall who do not test, a strap turned by 30 degrees moves it by 0.9 or 1.5 of their
standard deviations, the score by 0.5 or 0.3; 10 % more movement moves it by 0.35, the score not at all.
"""

import numpy as np

from agent import score
from agent.judge import Judged
from agent.quality import CERTAIN
from agent.records import NORMAL, OPEN, Booleans, Floats
from agent.score import Prototypes


def strangeness(judged: Judged, prototypes: Prototypes) -> Floats:
    """(n,) logarithm of the strangest position's raw open score over its family's median; NaN = not scored."""
    rows = np.flatnonzero(np.isfinite(judged.scores.score))
    reading = judged.anatomy.reading
    places = score.strangeness(reading.from_prototype[rows], reading.from_context[rows], prototypes.context_weight)
    by_segment = places.sum(axis=(2, 3))
    usual = prototypes.norms.median[judged.windows.family[rows], OPEN]
    raw = np.log(np.maximum(by_segment.max(axis=1, initial=0.0), 1e-6) / usual)
    found = np.full(len(judged.windows.end_s), -np.inf)
    np.maximum.at(found, judged.windows.owner[rows], raw)
    return np.where(np.isfinite(found), found, np.nan)


def disturbed(judged: Judged) -> Booleans:
    """(n,) windows that are no plain wear: an alarm, a fault anywhere, an abstention, or nobody wears the sensor."""
    labels, owner = judged.verdicts.labels, judged.windows.owner
    wrong = (judged.fault >= CERTAIN) | (judged.quality.non_wear >= 1)
    plain = labels[:, NORMAL] & (labels.sum(axis=1) == 1)
    return np.asarray(~plain | (np.bincount(owner, wrong, len(labels)) > 0))
