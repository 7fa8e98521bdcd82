"""How often drift is told falsely, and how soon truly: on simulated wear, and on real normal wear of people who test.

Nobody's wear of 30 days is at hand. Real wear is made from recordings of minutes: whole recordings of one wearer, as
they are, in random order; or bouts of one activity after the other, each as long as an exponential draw of one or of
five minutes, filled with that wearer's recordings of it again and again. The longer the bouts, the less a stretch of
ten minutes says: that is what the delay pays for.

Each wearer lives a first day through `agent.drift`, and then 30 days against the reference that is frozen by then,
with the statistic begun anew after each false drift. For the delay, z is raised by one, which is one standard
deviation of the wearer's own, from random moments on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.stats import chi2

from agent.batch import cut_recording
from agent.bundle import Bundle
from agent.decide import level
from agent.drift import Drift
from agent.judge import Judge
from agent.layout import Layout
from agent.records import Floats, Integers, Singles
from agent.reference import DAY_UNITS, UNIT_S, kind_of
from agent.regime import movement
from agent.shift import EFFECTS, THRESHOLD, gains, grown
from agent.wear import disturbed, strangeness
from training.datasets import NAMES, Labelled, open_dataset
from training.datasets.split import split

DAYS = 30
SEED = 20230308
LEAST_UNITS = 50
"""Of real wear, for a wearer to count."""
MOMENTS = 10
"""Changes tried on each wearer."""
LONGEST = DAY_UNITS
"""Units after which a change counts as not found: a day."""
HEADINGS = ("wear", "wearers", "V", "false drifts in 30 days", "most of one wearer", "minutes to find it", "9 in 10")
NOTES = """Wearers' 30 days each, after a first day. V: median over wearers of what bouts do to the variance of sums (1
= independent units of 10 s). False drifts: mean over wearers, with an exact 95 % Poisson interval. Minutes: median from
a lasting shift of one standard deviation to the drift that tells it; in the last lines, from a change of what the
sensor delivers, whatever it comes to in standard deviations. In these lines whole recordings follow each other."""

Wear = tuple[Floats, Integers]
"""Values and kinds of units, (units,) or (wearers, units) each."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What became of wearers of one sort."""

    wear: str
    variance: Floats
    """(wearers,) V."""
    false: Integers
    """(wearers,) false drifts in `days`."""
    delay_min: Floats
    """(changes,) inf = not within a day."""
    days: float


def exchangeable(rng: np.random.Generator, wearers: int, units: int) -> Wear:
    """Independent units, half of them of one kind of movement."""
    return rng.normal(size=(wearers, units)), rng.choice([0, 2, 3], (wearers, units), p=[0.5, 0.3, 0.2])


def lasting(coefficient: float) -> Callable[[np.random.Generator, int, int], Wear]:
    """Units that resemble the one before: a first-order autoregression."""

    def drawn(rng: np.random.Generator, wearers: int, units: int) -> Wear:
        new = rng.normal(size=(units, wearers)) * np.sqrt(1 - coefficient**2)
        new[0] /= np.sqrt(1 - coefficient**2)
        for unit in range(1, units):
            new[unit] += coefficient * new[unit - 1]
        return new.T, np.full((wearers, units), 3)

    return drawn


def watch(wear: str, values: Floats, kinds: Integers, rng: np.random.Generator, shift: float = 1.0) -> Watched:
    """Let wearers live: (wearers, units) values and kinds; the first day is the reference, z is raised by `shift`."""
    drift, slots = Drift(0.5), np.arange(len(values))
    for unit in range(DAY_UNITS):
        drift.take(slots, np.full(len(slots), (unit + 1) * UNIT_S), values[:, unit], kinds[:, unit])
        for one in np.flatnonzero(drift.memory["open"]):  # false, and rare: the first day goes on as if it had ended
            drift.memory["open"][one] = 0
    z, tolerance = _against(drift, values[:, DAY_UNITS:], kinds[:, DAY_UNITS:])
    variance = drift.reference.variance(slots)
    starts = rng.integers(0, max(1, z.shape[1] - LONGEST), (MOMENTS, len(values)))
    delays = [_delay(z[one] + shift, tolerance[one], variance[one], starts[:, one]) for one in slots]
    days = z.shape[1] / DAY_UNITS
    return Watched(wear, variance, _raised(z, tolerance, variance), np.concatenate(delays) * UNIT_S / 60, days)


def _against(drift: Drift, values: Floats, kinds: Integers) -> tuple[Floats, Floats]:
    """Rank scores and tolerances against the frozen references; each different unit is ranked once."""
    out = np.empty((2, *values.shape))
    for one, (value, kind) in enumerate(zip(values, kinds, strict=True)):
        pairs, place = np.unique(np.column_stack([np.round(value, 3), kind]), axis=0, return_inverse=True)
        parts = np.array_split(pairs, 1 + len(pairs) // 1000)
        ranked = [drift.reference.rank(np.full(len(part), one), *part.T) for part in parts]
        out[:, one] = np.concatenate(ranked, axis=1)[:, place.ravel()]
    return out[0], out[1]


def _raised(z: Floats, tolerance: Floats, variance: Floats) -> Integers:
    """(wearers,) how often a drift is raised; after each the bets begin anew."""
    wealth, count = np.zeros((len(z), len(EFFECTS))), np.zeros(len(z), np.int64)
    for now, limit in zip(z.T, tolerance.T, strict=True):
        gain = gains(now, limit, variance)
        wealth = np.where(np.isnan(gain), wealth, grown(wealth, gain))
        raised = wealth.mean(axis=1) >= THRESHOLD
        if raised.any():
            count[raised] += 1
            wealth[raised] = 0.0
    return count


def _delay(z: Floats, tolerance: Floats, variance: float, starts: Integers) -> Floats:
    """(changes,) units from each start to the drift; inf = not within `LONGEST`. Bets begin at the change."""
    delay, wealth = np.full(len(starts), np.inf), np.zeros((len(starts), len(EFFECTS)))
    for unit in range(LONGEST):
        places = starts + unit
        gain = gains(z[places], tolerance[places], np.full(len(starts), variance))
        wealth = np.where(np.isnan(gain), wealth, grown(wealth, gain))
        found = (wealth.mean(axis=1) >= THRESHOLD) & np.isinf(delay)
        delay[found] = unit + 1
        if np.isfinite(delay).all():
            break
    return delay


@dataclass(frozen=True, slots=True)
class Lived:
    """Units of one wearer's real normal wear, recordings one after the other."""

    value: Floats
    kind: Integers
    recording: Integers
    activity: Integers

    def for_days(self, rng: np.random.Generator, units: int, bout_s: float | None) -> Wear:
        """So many units of it; `bout_s`: mean length of a bout, None = whole recordings in random order."""
        group = self.recording if bout_s is None else self.activity
        pools = [np.flatnonzero(group == one) for one in np.unique(group)]
        drawn, count = [], 0
        while count < units:
            pool = pools[rng.integers(len(pools))]
            if bout_s is not None:
                length = 1 + int(rng.exponential(bout_s / UNIT_S))
                pool = pool[(rng.integers(len(pool)) + np.arange(length)) % len(pool)]
            drawn.append(pool)
            count += len(pool)
        places = np.concatenate(drawn)[:units]
        return self.value[places], self.kind[places]


def _slipped(samples_g: Singles) -> Singles:
    """The strap has turned by 30 degrees about the sensor's z axis."""
    cosine, sine = np.cos(np.pi / 6), np.sin(np.pi / 6)
    return np.asarray(samples_g @ [[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]], np.float32)


def _livelier(samples_g: Singles) -> Singles:
    """10 % more movement about the mean."""
    mean = np.nanmean(samples_g, axis=0)
    return np.asarray(mean + 1.1 * (samples_g - mean), np.float32)


def _noisier(samples_g: Singles) -> Singles:
    """White noise of 50 mg on each axis."""
    noise = np.random.default_rng(SEED).normal(0, 0.05, samples_g.shape)
    return np.asarray(samples_g + noise, np.float32)


Change = Callable[[Singles], Singles]
CHANGES: dict[str, Change] = {
    "a strap turned by 30 degrees": _slipped,
    "noise of 50 mg": _noisier,
    "10 % more movement": _livelier,
}


def lived(bundle: Bundle, root: Path | None, part: str = "test", change: Change | None = None) -> dict[str, Lived]:
    """Real normal wear of each wearer of that part of the split who has enough of it, changed as told.

    Raises:
        DataError: a dataset is missing.
    """
    found: dict[str, list[tuple[Floats, Integers, str]]] = {}
    layout = bundle.manifest.layout
    for item in _normal(root, part, layout):
        recording = item.recording
        if change:
            recording = replace(recording, positions={place: change(g) for place, g in recording.positions.items()})
        judged = Judge(bundle.model, level(1.0)).judge(cut_recording(recording, layout))
        good = ~disturbed(judged)
        unit = ((judged.windows.end_s - judged.windows.end_s[:1]) // UNIT_S).astype(int)[good]
        strange = strangeness(judged, bundle.model.prototypes)[good]
        counts = np.bincount(unit)
        full = counts >= 0.7 * UNIT_S / layout.hop_s
        value = np.bincount(unit, strange)[full] / counts[full]
        moved = np.bincount(unit, movement(judged.windows)[good])[full] / counts[full]
        found.setdefault(item.recording.wearer, []).append((value, kind_of(moved), item.activity))
    everyone = {wearer: _joined(parts) for wearer, parts in sorted(found.items())}
    return {wearer: one for wearer, one in everyone.items() if len(one.value) >= LEAST_UNITS}


def _normal(root: Path | None, part: str, layout: Layout) -> Iterator[Labelled]:
    """Normal recordings of those wearers, with the positions that the bundle knows."""
    for name in NAMES:
        for item in open_dataset(name, root, lambda wearer: split(wearer) == part):
            known = {place: samples for place, samples in item.recording.positions.items() if place in layout.positions}
            if item.normal and known:
                yield replace(item, recording=replace(item.recording, positions=known))


def _joined(parts: list[tuple[Floats, Integers, str]]) -> Lived:
    activities = sorted({activity for _, _, activity in parts})
    numbered = [(n, activities.index(activity), len(value)) for n, (value, _, activity) in enumerate(parts)]
    return Lived(
        np.concatenate([value for value, _, _ in parts]),
        np.concatenate([kind for _, kind, _ in parts]),
        np.concatenate([np.full(count, number) for number, _, count in numbered]),
        np.concatenate([np.full(count, activity) for _, activity, count in numbered]),
    )


def simulated(wearers: int, days: float = DAYS) -> Iterator[Watched]:
    """Simulated wear of three sorts."""
    units = round((1 + days) * DAY_UNITS)
    sorts = {"independent": exchangeable} | {f"AR(1), {a:g}": lasting(a) for a in (0.1, 0.3)}
    for number, (name, draw) in enumerate(sorts.items()):
        rng = np.random.default_rng([SEED, number])
        yield watch(name, *draw(rng, wearers, units), rng)


def real(wearers: Sequence[Lived], days: float = DAYS) -> Iterator[Watched]:
    """Real wear, resampled three ways."""
    units = round((1 + days) * DAY_UNITS)
    for number, bout_s in enumerate((None, 60.0, 300.0)):
        rng = np.random.default_rng([SEED, 10 + number])
        drawn = [one.for_days(rng, units, bout_s) for one in wearers]
        name = "real, whole recordings" if bout_s is None else f"real, bouts of {bout_s / 60:g} min"
        yield watch(name, np.stack([value for value, _ in drawn]), np.stack([kind for _, kind in drawn]), rng)


def changed(before: dict[str, Lived], after: dict[str, Lived], name: str) -> Watched:
    """A first day as it was, then two of wear that has changed: how soon is that told? Whole recordings."""
    rng = np.random.default_rng([SEED, 20])
    drawn = [
        (before[wearer].for_days(rng, DAY_UNITS, None), one.for_days(rng, 2 * DAY_UNITS, None))
        for wearer, one in after.items()
        if wearer in before
    ]
    values, kinds = (np.stack([np.concatenate([day[n], rest[n]]) for day, rest in drawn]) for n in (0, 1))
    return watch(name, values, kinds, rng, shift=0.0)


def drift_table(bundle: Bundle, root: Path | None, wearers: int = 10, days: float = DAYS) -> str:
    """A Markdown table of all of it, and what it means.

    Raises:
        DataError: a dataset is missing.
    """
    lines: list[tuple[str, ...]] = [HEADINGS, ("---",) * len(HEADINGS)]
    known = lived(bundle, root)
    lines += [_line(one) for one in (*simulated(wearers, days), *real(list(known.values()), days))]
    for name, change in CHANGES.items():
        one = changed(known, lived(bundle, root, change=change), name)
        lines.append((one.wear, str(len(one.false)), "", "", "", *_minutes(one)))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n\n" + NOTES


def _line(one: Watched) -> tuple[str, ...]:
    months = len(one.false) * one.days / 30
    low, high = poisson_interval(int(one.false.sum()))
    false = f"{one.false.sum() / months:.2f} ({low / months:.2f}-{high / months:.2f})"
    facts = (one.wear, str(len(one.false)), f"{np.median(one.variance):.1f}", false, str(one.false.max()))
    return (*facts, *_minutes(one))


def _minutes(one: Watched) -> list[str]:
    found = (float(np.quantile(one.delay_min, share, method="higher")) for share in (0.5, 0.9))
    return [f"{minutes:.0f}" if np.isfinite(minutes) else "over a day" for minutes in found]


def poisson_interval(count: int) -> tuple[float, float]:
    """Exact 95 % interval of the mean of a Poisson count (Garwood 1936)."""
    low = float(chi2.ppf(0.025, 2 * count)) / 2 if count else 0.0
    return low, float(chi2.ppf(0.975, 2 * count + 2)) / 2
