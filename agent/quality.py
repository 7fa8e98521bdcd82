"""Windows -> evidence of a wrong measurement, from physics alone, vectorised over rows.

Each kind of evidence is a ramp from 0 (nothing to see) to its ceiling. Ceilings below `CERTAIN` mark what a real
movement can also do: a hard fall clips a +-4 g sensor, a sensor on a table lies as still as a stuck one. Such
evidence leads to doubt, never to a verdict of noise by itself.
"""

from dataclasses import dataclass

import numpy as np

from agent import laws
from agent.lasting import Lasting, in_rounds
from agent.records import Booleans, Floats, Integers, Quality, Singles

CERTAIN = 0.9
"""Evidence from here on rules out that the measurement is right."""
SAME_G = 1e-5
"""Neighbouring samples closer than this are one repeated value (a sensor's own noise is 1-5 mg)."""
STILL_G = 0.013
"""Standard deviation below which an axis is still: van Hees et al. 2011, PLoS ONE 6:e22922 (13 mg)."""
MOVING_G = 0.15
REPEATS_BY_CHANCE = 0.1
"""Share of neighbouring samples that may agree on an axis where the sensor's noise shows."""
LENGTH_G, WHITE, LEAPING = (0.1, 0.2), (2.45, 2.75), (7.0, 12.0)
"""Where the evidence from `laws` begins and is full: g off the lawful length and whiteness, both throughout
`THROUGHOUT` windows; windows with a lone leap among the last `AMONG`. In normal wear and falls of 41 people, training
and calibration wearers of three laboratories, the most was .14 g (sensors apart that rest at a wrong length), 2.61 and
11."""
THROUGHOUT, AMONG = 8, 20
LEGS = ("thigh", "ankle")
"""Families that the ground strikes: there blows are as white as noise and leap alone, step after step (Daphnet and
Stanford FoG, ankles, feet and thighs), so neither says anything about the sensor."""
NON_WEAR_S = (300.0, 1800.0)
"""Stillness from which non-wear is thought of, and after which it is certain (30 min: van Hees et al. 2011)."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Which rows belong together."""

    owner: Integers
    """(m,) the window."""
    family: Integers
    """(m,) index of the position's family."""


TRUNK, ARM = ("waist", "chest"), "wrist"
SHAKEN_G = 0.15
"""Standard deviation of the length of the acceleration: a trunk that is shaken so walks, and its arms are shaken too.
One that bends or sways is not, and legs may lie still under sit-ups: nothing follows for them."""


class Assessor:
    """Quality of rows; remembers per stream since when it has been still, whether its noise shows at rest, and what
    its last windows broke of the laws.
    """

    def __init__(self, rate_hz: float, families: tuple[str, ...] = ()) -> None:
        """`families`: names behind the indices that `assess` is given; without them no sensor is held to another."""
        self.rate_hz = rate_hz
        self._trunk, self._arm, self._legs = (
            np.flatnonzero(np.isin(families, names)) for names in (TRUNK, (ARM,), LEGS)
        )
        self._still_since_s: Floats = np.empty(0)
        self._lawless, self._leapt, self._left = Lasting(3, THROUGHOUT), Lasting(1, AMONG), Lasting(1, AMONG)
        self._noisy: Booleans = np.empty(0, np.bool_)
        """(streams,) a still window was seen whose samples differ: this sensor can never repeat one value."""

    def assess(self, samples_g: Singles, stream: Integers, end_s: Floats, beside: Beside | None = None) -> Quality:
        """Evidence for each row.

        Args:
            samples_g: (m, 3, samples) in g, NaN = missing.
            stream: (m,) slots; rows of one stream in order of time.
            end_s: (m,) end of each row's window, seconds.
            beside: whose sensors are worn together; None = nothing is known of that.
        """
        self._grow(int(stream.max(initial=-1)) + 1)
        missing = np.isnan(samples_g[:, 0]).mean(axis=1)
        with np.errstate(invalid="ignore"):
            spread = _spread(samples_g)  # (m, 3)
            still = (spread < STILL_G).sum(axis=1) >= 2
            level = np.linalg.norm(_mean(samples_g), axis=1)
        length, white, leaping = self._outlawed(samples_g, stream)
        if beside is not None:
            struck = np.isin(beside.family, self._legs)
            white, leaping = np.where(struck, 0.0, white), np.where(struck, 0.0, leaping)
        return Quality(
            stuck=self._stuck(samples_g, stream, spread, level),
            clipped=_clipped(samples_g),
            spikes=np.maximum(_spikes(samples_g), leaping),
            gravity=np.maximum(np.where(still, _ramp(np.abs(level - 1), 0.12, 0.35), 0.0), length),
            dropout=_ramp(missing, 0.1, 0.5),
            missing=missing,
            non_wear=self._non_wear(still, stream, end_s),
            white=white,
            left=np.zeros(len(end_s)) if beside is None else self._left_behind(samples_g, still, stream, beside),
        )

    def _outlawed(self, samples_g: Singles, stream: Integers) -> tuple[Floats, Floats, Floats]:
        """(m,) evidence each: a wrong length, whiteness, lone leaps, as far as they have lasted."""
        found = laws.measure(samples_g)
        white = np.minimum(_ramp(found.white, *WHITE), _ramp(found.noise, laws.AUDIBLE_G, laws.DROWNING_G))
        least = self._lawless.of(stream, np.column_stack([found.short, found.long, white])).min(axis=1)
        leapt = (self._leapt.of(stream, (found.leaps > 0).astype(np.float64)[:, None]) > 0).sum(axis=(1, 2))
        length = _ramp(np.maximum(least[:, 0], least[:, 1]), *LENGTH_G)
        return length, least[:, 2], _ramp(leapt, *LEAPING)

    def _left_behind(self, samples_g: Singles, still: Booleans, stream: Integers, beside: Beside) -> Floats:
        """(m,) throughout the last `AMONG` windows the arm lay still while the trunk was shaken: it was left behind.

        A wrist that rests while its owner walks still shakes by ten times `STILL_G`.
        """
        with np.errstate(invalid="ignore"):
            shaken = np.linalg.norm(samples_g, axis=1).std(axis=1) > SHAKEN_G  # False where samples are missing
        walks = np.bincount(beside.owner, shaken & np.isin(beside.family, self._trunk))[beside.owner] > 0
        alone = walks & still & np.isin(beside.family, self._arm)
        least: Floats = self._left.of(stream, alone.astype(np.float64)[:, None]).min(axis=(1, 2))
        return least

    def _grow(self, streams: int) -> None:
        new = max(streams - len(self._noisy), 0)
        self._still_since_s = np.concatenate([self._still_since_s, np.full(new, np.nan)])
        self._noisy = np.concatenate([self._noisy, np.zeros(new, np.bool_)])

    def _stuck(self, samples_g: Singles, stream: Integers, spread: Floats, level: Floats) -> Floats:
        """All axes freeze, which a moving, a badly placed or a noisy sensor cannot; or one axis is dead.

        A sensor so coarse that its noise never showed may lie still for real: its evidence stays below `CERTAIN`.
        """
        same: Booleans = np.abs(np.diff(samples_g, axis=2)) < SAME_G  # (m, 3, samples - 1)
        repeats = same.mean(axis=2)  # (m, 3)
        seen = np.isfinite(samples_g[:, 0]).mean(axis=1) > 0.5  # what is missing does not repeat, but is no noise
        noise_shows = seen & (spread.max(axis=1) < MOVING_G) & (repeats.max(axis=1) < REPEATS_BY_CHANCE)
        self._noisy[stream[noise_shows]] = True
        frozen_s = _longest_run(np.logical_and.reduce(same, axis=1)) / self.rate_hz
        moved = spread.max(axis=1) > MOVING_G
        off = np.abs(level - 1) > MOVING_G
        doubtful = 0.6 * _ramp(frozen_s, 1.0, 2.5)
        frozen = np.where(moved | off | self._noisy[stream], _ramp(frozen_s, 0.4, 1.0), doubtful)
        dead = (repeats.max(axis=1) > 0.95) & (repeats.min(axis=1) < REPEATS_BY_CHANCE) & moved
        return np.maximum(frozen, np.where(dead, 0.95, 0.0))

    def _non_wear(self, still: Booleans, stream: Integers, end_s: Floats) -> Floats:
        out = np.zeros(len(still))
        for rows in in_rounds(stream):
            slots = stream[rows]
            since = np.where(still[rows], np.fmin(self._still_since_s[slots], end_s[rows]), np.nan)
            self._still_since_s[slots] = since
            out[rows] = np.nan_to_num(_ramp(end_s[rows] - since, *NON_WEAR_S))
        return out


def _ramp(value: Floats, low: float, high: float) -> Floats:
    """0 up to `low`, 1 from `high` on, straight in between."""
    ramp: Floats = np.clip((value - low) / (high - low), 0.0, 1.0)
    return ramp


def _mean(samples_g: Singles) -> Floats:
    present = np.isfinite(samples_g)
    mean: Floats = np.where(present, samples_g, 0).sum(axis=2) / np.maximum(present.sum(axis=2), 1)
    return mean


def _spread(samples_g: Singles) -> Floats:
    """(m, 3) standard deviation over the samples present."""
    present = np.isfinite(samples_g)
    apart = np.where(present, samples_g - _mean(samples_g)[..., None], 0)
    spread: Floats = np.sqrt((apart**2).sum(axis=2) / np.maximum(present.sum(axis=2), 1))
    return spread


def _longest_run(flags: Booleans) -> Integers:
    """(m, k) -> (m,) length of the longest run of True."""
    count = np.arange(1, flags.shape[1] + 1)
    since = np.maximum.accumulate(np.where(flags, 0, count), axis=1)
    longest: Integers = (count - since).max(axis=1, initial=0)
    return longest


def _clipped(samples_g: Singles) -> Floats:
    """Flat tops: at least 60 ms at one extreme of more than 1.5 g. Ceiling 0.6: real impacts do this too."""
    high = np.nan_to_num(np.abs(samples_g))
    top = high.max(axis=2, keepdims=True)
    flat = (high > top - 0.002) & (top > 1.5)
    runs = np.stack([_longest_run(flat[:, axis]) for axis in range(3)], axis=1).max(axis=1)
    return 0.6 * _ramp(runs.astype(float), 2.0, 6.0)


def _spikes(samples_g: Singles) -> Floats:
    """One sample leaps by more than 3 g on one axis and is back at once, the other axes unmoved.

    A body cannot do it: an impact shakes all axes and rings. Two such leaps in a window are certain.
    """
    step = np.diff(samples_g, axis=2)  # (m, 3, samples - 1)
    leap = np.minimum(np.abs(step[:, :, :-1]), np.abs(step[:, :, 1:]))
    back = np.abs(samples_g[:, :, 2:] - samples_g[:, :, :-2])
    lone = (leap > 3.0) & (back < 0.3)
    calm = (leap < 0.3).sum(axis=1, keepdims=True) >= 2
    evidence: Floats = 0.5 * np.minimum((lone & calm).sum(axis=(1, 2)), 2)
    return evidence
