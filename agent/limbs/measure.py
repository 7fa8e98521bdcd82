"""Windows -> seconds: what each arm did in each whole second, measured on the windows that the judge sees.

Every window that ends a second of the wearer's grid counts once; what a second shows is computed from its window alone,
but for the memory of two things a stream: the filter of the counts and the sums of the auto-calibration. So a live
stream gives what the whole recording gives.
"""

from dataclasses import dataclass, replace

import numpy as np

from agent.layout import Layout
from agent.limbs import learned, posture
from agent.limbs.columns import SIDES
from agent.limbs.counts import Counter
from agent.limbs.learned import Detector, Uses
from agent.limbs.upright import Upright
from agent.records import Booleans, Floats, Integers, Singles, Windows

USED_COUNTS = 2.0
"""Counts a second from which an arm is used (threshold of Uswatte et al. 2000, Stroke 31:662; Bailey & Lang 2013)."""
MOST_MISSING = 0.5
"""Share of a window beyond which nothing is said of its second."""
AXIS = {"x": 0, "y": 1, "z": 2}


@dataclass(frozen=True, slots=True)
class Seconds:
    """One second of one wearer, both sides (left, right); in order of time. NaN and False where a side is not heard."""

    wearer: Integers
    """(n,) slot of the wearer."""
    end_s: Floats
    """(n,) end of the second, seconds on the gateway's clock."""
    heard: Booleans
    """(n, 2) enough samples came."""
    still: Booleans
    """(n, 2) so still as a sensor that is not worn."""
    counts: Floats
    """(n, 2) activity counts of the second, length over the three axes."""
    by_counts: Booleans
    """(n, 2) used, by thresholded counts."""
    by_gross: Booleans
    """(n, 2) used, by gross movement: forearm near level and turned (GM)."""
    by_both: Booleans
    """(n, 2) used, by gross movement and counts: forearm near level, and counts (GMAC)."""
    by_learned: Floats
    """(n, 2) seconds of use to be expected by a learned detector, of the second ten back; 0 without one."""
    walking: Booleans
    """(n,) an arm moves in the rhythm of steps."""
    gravity: Floats
    """(n, 2, 3) mean direction of gravity on the sensor's axes."""

    def __len__(self) -> int:
        return len(self.end_s)


class Measurer:
    """Measures the wrists of all wearers."""

    def __init__(self, layout: Layout, forearm: str = "x", detector: Detector | None = None) -> None:
        """`forearm`: the sensor's axis that lies along the forearm; `detector`: of use, where one was learnt."""
        self._uses = Uses(detector) if detector else None
        self.layout = layout
        self.counter = Counter(round(layout.rate_hz))
        self.upright = Upright()
        self._axis = AXIS[forearm]
        self._ended_s: Floats = np.empty(0)
        """(streams,) end of the last second of each stream."""

    def measure(self, windows: Windows, side: Integers) -> Seconds:
        """Measure what is due.

        Args:
            windows: n windows with m rows, of one stream in order of time.
            side: (streams,) 0 = left wrist, 1 = right wrist, -1 = neither.
        """
        told, moments = self._seconds(windows, side)
        if self._uses is None:
            return told
        return replace(told, by_learned=self._uses.follow(told.wearer, told.end_s, moments))

    def moments(self, windows: Windows, side: Integers) -> tuple[Floats, Floats]:
        """What a detector learns from: (n,) ends of seconds, and (n, 2, 4, 5) moments of left and right."""
        told, moments = self._seconds(windows, side)
        return told.end_s, moments

    def _seconds(self, windows: Windows, side: Integers) -> tuple[Seconds, Floats]:
        rows = whole_seconds(windows, self.layout, side)
        self._grow(int(windows.stream.max(initial=-1)) + 1)
        return _by_side(windows, rows, side, self._rows(windows, rows))

    def _rows(self, windows: Windows, rows: Integers) -> dict[str, np.ndarray]:
        """What each row shows, by name of the fields of `Seconds`."""
        rate_hz, stream = self.layout.rate_hz, windows.stream[rows]
        raw = bridged(windows.samples_g[rows])
        still = posture.still(raw)
        counts = np.zeros((len(rows), 3))
        samples = np.empty_like(raw)
        for turn in in_turn(stream):
            gain, offset = self.upright.gains(stream[turn])
            samples[turn] = (raw[turn] - offset[:, :, None]) * gain[:, :, None]
            counts[turn] = self._counted(samples[turn], stream[turn], windows.end_s[windows.owner[rows[turn]]])
            self.upright.learn(raw[turn].mean(axis=2), stream[turn], still[turn])
        path = posture.gravity_path(samples, rate_hz)
        level = np.abs(posture.tilt_deg(path, self._axis)) < posture.LEVEL_DEG
        length = np.linalg.norm(counts, axis=1)
        return {
            "heard": np.ones(len(rows), np.bool_),
            "still": still,
            "counts": length,
            "by_counts": length >= USED_COUNTS,
            "by_gross": level & (posture.turned_deg(path) > posture.TURNED_DEG),
            "by_both": level & (length > 0),
            "walking": posture.rhythmic(samples, rate_hz),
            "gravity": path.mean(axis=1),
            "moments": learned.moments(samples[:, :, -round(rate_hz) :], length, self._axis),
        }

    def _counted(self, samples_g: Floats, stream: Integers, end_s: Floats) -> Floats:
        begins = ~(np.abs(end_s - self._ended_s[stream] - 1) < self.layout.hop_s / 2)
        self._ended_s[stream] = end_s
        return self.counter.count(samples_g[:, :, -round(self.layout.rate_hz) - 1 :], stream, begins)

    def _grow(self, streams: int) -> None:
        new = max(streams - len(self._ended_s), 0)
        self._ended_s = np.concatenate([self._ended_s, np.full(new, np.nan)])


def whole_seconds(windows: Windows, layout: Layout, place: Integers) -> Integers:
    """Rows that end a second and hold enough samples, of the streams whose (streams,) `place` is not negative."""
    nth = np.round((windows.end_s - layout.window_s) / layout.hop_s).astype(np.int64)
    whole = nth % round(1 / layout.hop_s) == 0
    rows = np.flatnonzero(whole[windows.owner] & (place[windows.stream] >= 0))
    present = np.isfinite(windows.samples_g[rows, 0])
    kept: Integers = rows[1 - present.mean(axis=1) <= MOST_MISSING]
    return kept


def _by_side(windows: Windows, rows: Integers, side: Integers, seen: dict[str, np.ndarray]) -> tuple[Seconds, Floats]:
    """Rows -> one line a window, a column a side; and the moments likewise."""
    owners, line = np.unique(windows.owner[rows], return_inverse=True)
    column = side[windows.stream[rows]]
    blank = {"counts": np.nan, "gravity": np.nan, "moments": np.nan}
    fields: dict[str, np.ndarray] = {}
    for name, values in seen.items():
        both = np.full((len(owners), len(SIDES), *values.shape[1:]), blank.get(name, 0), values.dtype)
        both[line, column] = values
        fields[name] = both
    walking = np.asarray(fields.pop("walking").any(axis=1))
    moments, none = fields.pop("moments"), np.zeros((len(owners), len(SIDES)))
    return Seconds(windows.wearer[owners], windows.end_s[owners], by_learned=none, walking=walking, **fields), moments


def in_turn(stream: Integers) -> list[Integers]:
    """Rows in groups that hold each stream once, in order of time."""
    order = np.argsort(stream, kind="stable")
    starts = np.flatnonzero(np.diff(stream[order], prepend=-1))
    nth = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    by_turn = np.argsort(nth, kind="stable")
    return np.split(order[by_turn], np.cumsum(np.bincount(nth))[:-1]) if len(order) else []


def bridged(samples_g: Singles) -> Floats:
    """(m, 3, n) with missing samples on the straight line between their neighbours, the nearest at the ends."""
    samples = samples_g.astype(np.float64)
    lost = np.flatnonzero(np.isnan(samples[:, 0]).any(axis=1))
    count = np.arange(samples.shape[2])
    for row in lost:
        there = np.isfinite(samples[row, 0])
        for axis in range(3):
            samples[row, axis] = np.interp(count, count[there], samples[row, axis, there])
    return samples
