"""A wearer's first day of undisturbed wear, kept as it was: what drift is measured against.

Of each unit of wear, ten seconds, one number is kept, beside its *kind* of movement. A new unit is ranked among those
of its own kind, before it may become one of them (predict, then learn):

    z = Phi^-1((k + 1/2) / (n + 1))    k of the n units of its kind are less strange, ties count half

so z is about standard normal while nothing changes, and a shift of one standard deviation of what is normal for this
wearer moves z by one. Rank-normal scores (van der Waerden 1952) within categories (Mondrian conformal prediction: Vovk,
Gammerman, Shafer 2005, section 4.5).

Bounded and then frozen: where the room is full, every second unit is forgotten and from then on half as many are kept,
until a day has been seen. Then nothing is learnt any more, so that what comes after a change cannot become the measure
of it (reference-conditional).

Two figures say how far z may be trusted, and both are part of the assumption in `shift`:

- `variance`: units of one bout of walking or sitting resemble each other, so sums of z vary more than those of
  independent ones. V is the variance of sums over many minutes against that of as many independent units (batch means:
  Law, Carson 1979), times what makes it an upper bound at 90 % for so few sums.
- `tolerance`: a reference of n units has errors of its own, for ever. What is within so many standard errors of it is
  no drift.
"""

from statistics import NormalDist

import numpy as np

from agent.records import Floats, Integers

UNIT_S = 10.0
"""A shift of one standard deviation has to be found within ten minutes, with one false drift in 300 days at the most:
with independent units that takes some 45 of them, so a unit of 30 s would take 20 minutes; one of 5 s resembles its
neighbours more without telling more."""
DAY_UNITS = round(86_400 / UNIT_S)
CAPACITY = DAY_UNITS // 8
"""Units kept: at the end every eighth of a day's."""
LEAST_OF_KIND = 20
"""Units of a kind before another is ranked among them."""
BATCH = 90
"""Units in a sum for `variance`: a quarter of an hour, several bouts."""
LEAST_BATCHES = 8
"""Sums without which nothing is said: two hours of wear."""
SURE = 1.5
"""Standard errors of the reference that are no drift; `shift` bets on nothing less than 0.2 beyond that."""
EDGES_G = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Between the kinds of movement: standard deviation of the length of the acceleration, each about twice the one before.
On real normal wear, recordings in random order, the median V is 2.0 with these six kinds and 3.1 with three."""
NO_KIND = -1

MEMORY = np.dtype(
    [
        ("values", np.float32, CAPACITY),
        ("kinds", np.int8, CAPACITY),
        ("kept", np.int32),
        ("stride", np.int32),
        ("seen", np.int32),
        ("batch", np.float64),
        ("in_batch", np.int32),
        ("squares", np.float64),
        ("batches", np.int32),
    ]
)
"""One wearer: units kept and their kinds, how many, every how many-th, of how many seen; the sum that is under way, its
units; the sum of the squares of the sums before, and how many these are."""

_SHARES = np.arange(1, 8192) / 8192
_NORMAL = np.array([NormalDist().inv_cdf(share) for share in _SHARES])


class Reference:
    """The references of all wearers; about 5.4 kB each."""

    def __init__(self) -> None:
        self.memory = unknown(0)

    def rank(self, wearer: Integers, value: Floats, kind: Integers) -> tuple[Floats, Floats]:
        """Of one unit each of n wearers, z (NaN where too few of its kind are known) and tolerance, (n,) each."""
        memory = self.memory[wearer]
        alike = memory["kinds"] == kind[:, None]
        number = value.astype(np.float32)[:, None]
        count = alike.sum(axis=1)
        less = (alike & (memory["values"] < number)).sum(axis=1)
        ties = (alike & (memory["values"] == number)).sum(axis=1)
        z = np.where(count >= LEAST_OF_KIND, normal_score((less + ties / 2 + 0.5) / (count + 1)), np.nan)
        return z, self._standard_errors(wearer, count)

    def learn(self, wearer: Integers, value: Floats, kind: Integers, z: Floats) -> None:
        """Keep these units, where the reference is not frozen yet."""
        growing = self.memory["seen"][wearer] < DAY_UNITS
        wearer, value, kind, z = wearer[growing], value[growing], kind[growing], z[growing]
        self._sum_up(wearer[np.isfinite(z)], z[np.isfinite(z)])
        memory = self.memory
        due = memory["seen"][wearer] % memory["stride"][wearer] == 0
        self._thin(wearer[due & (memory["kept"][wearer] == CAPACITY)])
        due = memory["seen"][wearer] % memory["stride"][wearer] == 0
        place = (wearer[due], memory["kept"][wearer[due]])
        memory["values"][place], memory["kinds"][place] = value[due], kind[due]
        memory["kept"][wearer[due]] += 1
        memory["seen"][wearer] += 1

    def variance(self, wearer: Integers) -> Floats:
        """(n,) V, at least 1; inf = not enough wear yet to say."""
        count = self.memory["batches"][wearer].astype(float)
        enough = count >= LEAST_BATCHES
        count = np.maximum(count, LEAST_BATCHES)
        found = self.memory["squares"][wearer] / (count * BATCH)
        return np.where(enough, np.maximum(found / _lower_share(count), 1.0), np.inf)

    def tolerance(self, wearer: Integers) -> Floats:
        """(n,) of all kinds together, as they are mixed in the reference."""
        return self._standard_errors(wearer, self.memory["kept"][wearer])

    def _standard_errors(self, wearer: Integers, count: Integers) -> Floats:
        alike = np.maximum(self.variance(wearer) / self.memory["stride"][wearer], 1.0)
        return np.asarray(SURE * np.sqrt(alike / np.maximum(count, 1)))

    def _sum_up(self, wearer: Integers, z: Floats) -> None:
        memory = self.memory
        memory["batch"][wearer] += z
        memory["in_batch"][wearer] += 1
        full = wearer[memory["in_batch"][wearer] == BATCH]
        memory["squares"][full] += memory["batch"][full] ** 2
        memory["batches"][full] += 1
        memory["batch"][full], memory["in_batch"][full] = 0.0, 0

    def _thin(self, wearer: Integers) -> None:
        memory, half = self.memory, CAPACITY // 2
        memory["values"][wearer, :half] = memory["values"][wearer, ::2]
        memory["kinds"][wearer, :half] = memory["kinds"][wearer, ::2]
        memory["kinds"][wearer, half:] = NO_KIND
        memory["kept"][wearer] = half
        memory["stride"][wearer] *= 2


def unknown(wearers: int) -> np.ndarray:
    """(wearers,) of `MEMORY`, of whom nothing is known."""
    memory = np.zeros(wearers, MEMORY)
    memory["kinds"], memory["stride"] = NO_KIND, 1
    return memory


def kind_of(movement_g: Floats) -> Integers:
    """(n,) kind of movement: 0 = as good as still, 5 = jogging and hopping."""
    return np.digitize(movement_g, EDGES_G).astype(np.int64)


def normal_score(share: Floats) -> Floats:
    """Phi^-1 for shares of at least 1 / 8192."""
    return np.asarray(np.interp(share, _SHARES, _NORMAL))


def _lower_share(count: Floats) -> Floats:
    """The 10 % quantile of chi-square over its degrees of freedom (Wilson, Hilferty 1931)."""
    part = 2 / (9 * count)
    return np.asarray((1 - part - 1.2816 * np.sqrt(part)) ** 3)
