"""Windows -> seconds of legs and trunk: what is summed of each, from the contacts of the feet and the trunk's rhythm.

Four seconds of each stream are remembered and the middle one is told of, so an answer comes 1.5 to 2.5 s late. Of a
wearer are remembered the last contact of each foot, nothing else; a live stream gives what the whole recording gives.
"""

from dataclasses import dataclass

import numpy as np

from agent.layout import Layout
from agent.limbs import posture, trunk
from agent.limbs.columns import LEGS, TRUNK
from agent.limbs.contact import SEEN_S, Contacts, change, contacts
from agent.limbs.measure import bridged, in_turn, whole_seconds
from agent.limbs.steps import Feet, Steps
from agent.limbs.upright import Upright
from agent.records import Booleans, Floats, Integers, Windows

TRUNK_PLACE = 2
"""Column of the trunk beside left and right leg."""
PER_SAMPLE = 100.0
"""PlayerLoad is the length of the changes of acceleration, over 100 (Boyd, Ball & Aughey 2011)."""
PLACE = {name: place for place, name in enumerate((*LEGS, *TRUNK))}


@dataclass(frozen=True, slots=True)
class Pace:
    """One second of one wearer's legs and trunk; in order of time."""

    wearer: Integers
    end_s: Floats
    heard: Booleans
    """(n, 3) left leg, right leg, trunk."""
    still: Booleans
    """(n, 3)"""
    sums: Floats
    """(n, columns) as in `LEGS` and `TRUNK`."""

    def __len__(self) -> int:
        return len(self.end_s)


class Gait:
    """Measures the legs and trunks of all wearers."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.upright = Upright()
        self.steps = Steps()
        self.turns = trunk.Turns()
        self._seen = round(SEEN_S * layout.rate_hz)
        self._recent: Floats = np.empty((0, 2, self._seen))
        """(streams, 2, samples) the latest four seconds: change from the sample before, length; NaN = not heard."""
        self._ended_s: Floats = np.empty(0)

    def measure(self, windows: Windows, place: Integers) -> Pace:
        """Measure what is due; arguments as in `see`."""
        pace, feet = self.see(windows, place)
        self.steps.follow(feet, pace.wearer, pace.sums)
        return pace

    def see(self, windows: Windows, place: Integers) -> tuple[Pace, Feet]:
        """What is due, without the steps; and the contacts that they are made of.

        Args:
            windows: n windows with m rows, of one stream in order of time.
            place: (streams,) 0 = left leg, 1 = right leg, 2 = trunk, -1 = none of these.
        """
        rows = whole_seconds(windows, self.layout, place)
        self._grow(int(windows.stream.max(initial=-1)) + 1)
        owners, line = np.unique(windows.owner[rows], return_inverse=True)
        pace = Pace(
            windows.wearer[owners],
            windows.end_s[owners],
            np.zeros((len(owners), 3), np.bool_),
            np.zeros((len(owners), 3), np.bool_),
            np.zeros((len(owners), len(PLACE))),
        )
        pace.sums[:, [PLACE["legs_worn_s"], PLACE["trunk_worn_s"]]] = 1.0
        feet = [
            self._second(windows, rows[turn], place[windows.stream[rows[turn]]], line[turn], pace)
            for turn in in_turn(windows.stream[rows])
        ]
        return pace, _joined(feet)

    def _second(self, windows: Windows, rows: Integers, place: Integers, line: Integers, pace: Pace) -> Feet:
        """One second of each of some streams; writes all but the steps into `pace`, returns the contacts."""
        stream, end_s = windows.stream[rows], windows.end_s[windows.owner[rows]]
        raw = bridged(windows.samples_g[rows])
        still = posture.still(raw)
        pace.heard[line, place], pace.still[line, place] = True, still
        gain, offset = self.upright.gains(stream)
        self.upright.learn(raw.mean(axis=2), stream, still)
        samples = (raw - offset[:, :, None]) * gain[:, :, None]
        second = samples[:, :, -round(self.layout.rate_hz) - 1 :]
        steps = change(second)
        self._loads(second, steps.sum(axis=1) / PER_SAMPLE, place, line, pace, still)
        recent = self._remember(np.stack([steps, np.linalg.norm(second[:, :, 1:], axis=1)], axis=1), stream, end_s)
        known = np.isfinite(recent[:, 0, 0])
        of_trunk = np.flatnonzero(known & (place == TRUNK_PLACE))
        self._sway(recent[of_trunk, 1], stream[of_trunk], end_s[of_trunk], line[of_trunk], pace)
        legs = np.flatnonzero(known & (place != TRUNK_PLACE) & ~still)
        found = contacts(recent[legs, 0], recent[legs, 1], self.layout.rate_hz)
        return _feet(found, line[legs], place[legs], end_s[legs])

    def _loads(
        self, second: Floats, load: Floats, place: Integers, line: Integers, pace: Pace, still: Booleans
    ) -> None:
        gravity = second.mean(axis=2)
        gravity = gravity / np.maximum(np.linalg.norm(gravity, axis=1, keepdims=True), 1e-9) * ~still[:, None]
        for side, name in enumerate(("left", "right")):
            of = place == side
            pace.sums[line[of], PLACE[f"load_{name}"]] = load[of]
            up = PLACE[f"up_{name}_leg_x"]
            pace.sums[line[of], up : up + 3] = gravity[of]
            pace.sums[line[of], PLACE[f"turned_{name}_leg_s"]] = ~still[of]
        pace.sums[line[place == TRUNK_PLACE], PLACE["trunk_load"]] = load[place == TRUNK_PLACE]

    def _sway(self, recent: Floats, stream: Integers, end_s: Floats, line: Integers, pace: Pace) -> None:
        rate_hz = self.layout.rate_hz
        sway = self.turns.follow(trunk.sway(recent, rate_hz), recent, stream, end_s, rate_hz)
        pace.sums[line, PLACE["trunk_paced_s"]] = sway.walking
        pace.sums[line, PLACE["trunk_steps"]] = sway.steps
        pace.sums[line, PLACE["evenness_s"]] = sway.evenness

    def _remember(self, second: Floats, stream: Integers, end_s: Floats) -> Floats:
        """(k, 2, samples) the latest four seconds of these streams, with the newest."""
        begins = ~(np.abs(end_s - self._ended_s[stream] - 1) < self.layout.hop_s / 2)
        self._ended_s[stream] = end_s
        before = np.where(begins[:, None, None], np.nan, self._recent[stream][:, :, second.shape[2] :])
        recent = np.concatenate([before, second], axis=2)
        self._recent[stream] = recent
        return recent

    def _grow(self, streams: int) -> None:
        new = streams - len(self._ended_s)
        if new <= 0:
            return
        self._ended_s = np.concatenate([self._ended_s, np.full(new, np.nan)])
        self._recent = np.concatenate([self._recent, np.full((new, 2, self._seen), np.nan)])


def _feet(found: Contacts, line: Integers, side: Integers, end_s: Floats) -> Feet:
    row = found.row
    return Feet(line[row], side[row], end_s[row] + found.at_s, found.swing_s, found.peak_g)


def _joined(parts: list[Feet]) -> Feet:
    none = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0)
    parts = [Feet(*none), *parts]
    return Feet(*(np.concatenate([getattr(part, name) for part in parts]) for name in Feet.__dataclass_fields__))
