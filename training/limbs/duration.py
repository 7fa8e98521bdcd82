"""Ways to tell how long an arm was used from a detector's chances, each judged on wearers left out (`upper_limb_use`).

Whatever a way needs to know, error rates, a threshold, a calibration, is learnt from the other wearers' arms, each
told by a detector that has not seen its wearer: two layers of leaving out, so nothing is chosen on who is judged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from agent.limbs.learned import Detector
from agent.records import Booleans, Floats
from training.limbs import use
from training.limbs.learn import learn


@dataclass(frozen=True, slots=True)
class Known:
    """What the other wearers' arms tell."""

    chances: list[Floats]
    used: list[Booleans]
    detector: Detector

    @property
    def all(self) -> tuple[Floats, Booleans]:
        return np.concatenate(self.chances), np.concatenate(self.used)


def classified(chance: Floats, known: Known) -> float:
    """Count what is more likely than not."""
    return float((chance > 0.5).mean())


def expected(chance: Floats, known: Known) -> float:
    """Sum of the chances with the share of use among the others as prior: what ships."""
    return float(known.detector.expected(chance).mean())


def adjusted(chance: Floats, known: Known) -> float:
    """Adjusted count: the count, put right by the error rates on others (Forman 2008, Data Min. Knowl. Discov. 17)."""
    others, used = known.all
    hits, false = (others[used] > 0.5).mean(), (others[~used] > 0.5).mean()
    return float(np.clip(((chance > 0.5).mean() - false) / (hits - false), 0, 1))


def adjusted_half(chance: Floats, known: Known) -> float:
    """Half the adjusted count, half the mean share of the others."""
    return 0.5 * adjusted(chance, known) + 0.5 * float(known.all[1].mean())


def by_new_prior(chance: Floats, known: Known) -> float:
    """The prior that makes the chances agree with themselves (Saerens, Latinne, Decaestecker 2002)."""
    prior, odds = 0.5, np.clip(chance, 1e-9, 1 - 1e-9) / np.clip(1 - chance, 1e-9, 1)
    for _ in range(200):
        there = odds * prior / (1 - prior)
        prior = float(np.clip((there / (1 + there)).mean(), 1e-3, 1 - 1e-3))
    return prior


def unbiased_threshold(chance: Floats, known: Known) -> float:
    """Count above the threshold that gives the others their duration."""
    others, used = known.all
    return float((chance > np.quantile(others, 1 - used.mean())).mean())


def recalibrated(chance: Floats, known: Known) -> float:
    """Sum of chances that were calibrated on others (Platt 1999)."""
    others, used = known.all
    fit = LogisticRegression(C=1e6).fit(_log_odds(others)[:, None], used)
    return float(fit.predict_proba(_log_odds(chance)[:, None])[:, 1].mean())


def regressed(chance: Floats, known: Known) -> float:
    """Straight line from the count to the share, through the others' arms."""
    counts = np.array([(one > 0.5).mean() for one in known.chances])
    line = np.polyfit(counts, [one.mean() for one in known.used], 1)
    return float(np.clip(np.polyval(line, (chance > 0.5).mean()), 0, 1))


def constant(chance: Floats, known: Known) -> float:
    """The others' mean share, whatever this arm did: what no way should do worse than."""
    return float(known.all[1].mean())


WAYS: tuple[Callable[[Floats, Known], float], ...] = (
    classified,
    expected,
    recalibrated,
    adjusted,
    adjusted_half,
    by_new_prior,
    unbiased_threshold,
    regressed,
    constant,
)


def judge(root: Path) -> dict[str, list[tuple[str, float]]]:
    """By way: wearer and error (share told less true share) of each arm; errors as in `use.read`."""
    arms = use.read(root)
    features = use.described(arms)
    wearers = sorted({arm.wearer for arm in arms})
    errors: dict[str, list[tuple[str, float]]] = {way.__name__: [] for way in WAYS}

    def trained(left_out: tuple[str, ...]) -> Detector:
        rest = [n for n, arm in enumerate(arms) if arm.wearer not in left_out]
        used = np.concatenate([arms[n].used for n in rest])
        return learn(np.concatenate([features[n] for n in rest]), used, use.RATE_HZ)

    pairs = {frozenset((one, two)): trained((one, two)) for one in wearers for two in wearers if one < two}
    for wearer in wearers:
        others = [n for n, arm in enumerate(arms) if arm.wearer != wearer]
        chances = [pairs[frozenset((wearer, arms[n].wearer))].chance(features[n]) for n in others]
        known = Known(chances, [arms[n].used for n in others], trained((wearer,)))
        for n, arm in enumerate(arms):
            if arm.wearer == wearer:
                chance = known.detector.chance(features[n])
                for way in WAYS:
                    errors[way.__name__].append((wearer, way(chance, known) - float(arm.used.mean())))
    return errors


def _log_odds(chance: Floats) -> Floats:
    inside = np.clip(chance, 1e-9, 1 - 1e-9)
    odds: Floats = np.log(inside / (1 - inside))
    return odds
