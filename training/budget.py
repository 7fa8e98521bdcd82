"""Is the budget kept, wearer by wearer? Realised against nominal false-alarm rate of people whom the bundle never saw.

Once through: each wearer's normal recordings one after the other through one judge of the agent, which learns as it
goes. A false alarm is a half-minute with a {novelty} window; expected are level x half-minutes. Whether a wearer's
number refutes the budget is for the exact binomial test to say, at 1 % (Clopper, Pearson 1934, Biometrika 26:404, in
the form of its acceptance region). It takes half-minutes as independent, which those of one activity are not.

Long: days drawn from the same wearers, see `training.days`, counted from the second day on.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom, binomtest

from agent.bundle import Bundle
from agent.calibrate import BLOCKS_PER_DAY
from agent.decide import level
from agent.heads import Head
from agent.prudence import Prudence
from agent.records import Booleans, Floats
from training.days import BOUND_AFTER, DAY, drawn, enough, lived
from training.markdown import table
from training.unseen import Worn, unseen

ONCE_BUDGETS = (24.0, 144.0, 288.0)
"""False alarms a day: the default, and two under which minutes of wear can show something."""
LONG_BUDGETS = {24.0: 10, 96.0: 10, 4.0: 30, 1.0: 30}
"""Budget -> days drawn."""
LOW, HIGH = 0.8, 1.2
REFUTED = 0.01
"""Level of each test."""
BOUND_FAILS = 0.05
"""Share of wearers whose rate may exceed the honest bound."""
HEAD: Head = "interval_dominance"

ONCE_HEADINGS = (
    "budget a day",
    "wearers",
    "half-minutes",
    "expected",
    "false alarms",
    "not refuted at 1 %",
    "above, below",
    "ratio in [.8, 1.2]",
    "by chance alone",
    "bound refuted",
)
LONG_HEADINGS = (
    "budget a day",
    "wearers",
    "days each",
    "median ratio",
    "range",
    "ratio in [.8, 1.2]",
    "by chance alone",
    "above the bound after 10 min, 1 h, 1 day",
    "more than 5 %?",
)
ONCE_NOTES = """Once through: normal recordings of each unseen wearer one after the other, minutes each. *By chance
alone*: the share of wearers that an exact agent would have in [.8, 1.2] at these lengths; where less than one false
alarm is expected, hardly any number can lie there. *Bound refuted*: wearers whose false alarms refute, at 1 %, the
bound that was told them at the start."""
LONG_NOTES = """Long: days drawn from the same wearers' recordings, whole, in new orders, with a little noise so that a
handful of half-minutes has a tail (`training/days.py`): a test of the calibration, not of what people do in a month. Of
wearers with at least five minutes; counted from the second day on. *More than 5 %?*: the p-value of the binomial test
that at most 5 % of wearers exceed their bound, the smallest of the three."""


@dataclass(frozen=True, slots=True)
class Once:
    """One budget, once through."""

    per_day: float
    half_minutes: dict[str, int]
    """Of each wearer with at least one."""
    false_alarms: dict[str, int]
    bound_per_day: float
    """What is told everyone at the start."""


@dataclass(frozen=True, slots=True)
class Long:
    """One budget over drawn days."""

    per_day: float
    days: int
    false_alarms: dict[str, int]
    """From the second day on."""
    exceeded: dict[str, list[bool]]
    """Whether that rate is above the bound told after each of `training.days.BOUND_AFTER`."""


@dataclass(frozen=True, slots=True)
class Budget:
    """All that was measured."""

    once: list[Once] = field(default_factory=list)
    long: list[Long] = field(default_factory=list)

    def json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def measure(bundle: Bundle, root: Path | None) -> Budget:
    """Both, on everyone unseen.

    Raises:
        DataError: a dataset is missing.
    """
    hop_s, calibration = bundle.manifest.layout.hop_s, bundle.model.calibration
    found, lasting = Budget([_told(bundle, budget) for budget in ONCE_BUDGETS]), []
    for worn in unseen(bundle, root):
        for once in found.once:
            _live_through(once, worn, bundle)
        if enough(worn, hop_s):
            lasting.append(worn.without_samples())
    names = [worn.wearer for worn in lasting]
    for budget, days in LONG_BUDGETS.items():
        came = lived(drawn(lasting, calibration, hop_s, days, seed=0), calibration, level(budget))
        late = came.alarm[:, DAY:]
        above = BLOCKS_PER_DAY * late.mean(axis=1)[:, None] > came.bound
        counts = dict(zip(names, late.sum(axis=1).tolist(), strict=True))
        found.long.append(Long(budget, days, counts, dict(zip(names, above.tolist(), strict=True))))
    return found


def markdown(found: Budget) -> str:
    """Two tables and what they mean."""
    once = table(ONCE_HEADINGS, [_once_line(one) for one in found.once])
    long = table(LONG_HEADINGS, [_long_line(one) for one in found.long])
    return f"{once}\n\n{ONCE_NOTES}\n\n{long}\n\n{LONG_NOTES}"


def verdicts(alarms: Sequence[int], trials: Sequence[int], share: float) -> tuple[Booleans, Booleans]:
    """Of each wearer: whether more alarms than `share` of the trials are proved at `REFUTED`, two-sided; or fewer."""
    counts, sizes = np.asarray(alarms), np.asarray(trials)
    above = binom.sf(counts - 1, sizes, share) <= REFUTED / 2
    return above, binom.cdf(counts, sizes, share) <= REFUTED / 2


def within_by_chance(trials: Sequence[int], share: float) -> float:
    """Share of wearers whose ratio would lie in [LOW, HIGH] if each half-minute alarmed with `share` exactly."""
    expected = np.asarray(trials) * share
    most, least = np.floor(HIGH * expected + 1e-9), np.ceil(LOW * expected - 1e-9)
    return float((binom.cdf(most, trials, share) - binom.cdf(least - 1, trials, share)).mean())


def _told(bundle: Bundle, budget: float) -> Once:
    beginning = Prudence(bundle.model.calibration, level(budget), bundle.manifest.layout.hop_s, HEAD)
    bound = beginning.level.at_most_per_day(np.zeros(1, np.int64))
    return Once(budget, {}, {}, float(bound[0]))


def _live_through(once: Once, worn: Worn, bundle: Bundle) -> None:
    """Note the wearer's half-minutes and alarms."""
    prudence = Prudence(bundle.model.calibration, level(once.per_day), bundle.manifest.layout.hop_s, HEAD)
    prudence.answer(worn.windows, worn.population, worn.trust)
    if len(prudence.level.judged) and prudence.level.judged[0]:
        once.half_minutes[worn.wearer] = int(prudence.level.judged[0])
        once.false_alarms[worn.wearer] = int(prudence.level.alarms[0])


def _once_line(once: Once) -> tuple[object, ...]:
    trials, alarms, share = list(once.half_minutes.values()), list(once.false_alarms.values()), level(once.per_day)
    above, below = verdicts(alarms, trials, share)
    over, _ = verdicts(alarms, trials, min(1.0, once.bound_per_day / BLOCKS_PER_DAY))
    ratio = np.array(alarms) / (share * np.array(trials))
    return (
        f"{once.per_day:g}",
        len(trials),
        sum(trials),
        f"{share * sum(trials):.1f}",
        sum(alarms),
        f"{1 - (above | below).mean():.0%}",
        f"{above.sum()}, {below.sum()}",
        f"{_within(ratio):.0%}",
        f"{within_by_chance(trials, share):.0%}",
        int(over.sum()),
    )


def _long_line(long: Long) -> tuple[object, ...]:
    trials, share = (long.days - 1) * DAY, level(long.per_day)
    ratio = np.array(list(long.false_alarms.values())) / (trials * share)
    exceeded = np.array(list(long.exceeded.values())).sum(axis=0)
    worst = binomtest(int(exceeded.max()), len(ratio), BOUND_FAILS, alternative="greater").pvalue
    return (
        f"{long.per_day:g}",
        len(ratio),
        long.days,
        f"{np.median(ratio):.2f}",
        f"{ratio.min():.2f} to {ratio.max():.2f}",
        f"{_within(ratio):.0%}",
        f"{within_by_chance([trials], share):.0%}",
        ", ".join(str(count) for count in exceeded[: len(BOUND_AFTER)]),
        f"p = {worst:.2g}",
    )


def _within(ratio: Floats) -> float:
    return float(((ratio >= LOW) & (ratio <= HIGH)).mean())
