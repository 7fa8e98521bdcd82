"""Arms, legs and trunk of every wearer, once a tick: windows -> seconds -> hours and days -> summaries and changes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.clocks import DeviceClock
from agent.compose import Sender
from agent.events import Event
from agent.ingest import Streams
from agent.limbs import pair
from agent.limbs.columns import GROUPS, SIDES
from agent.limbs.frame import Frame
from agent.limbs.gait import TRUNK_PLACE, Gait
from agent.limbs.learned import Detector
from agent.limbs.ledger import DAY_S, HOUR_S, Closed, Ledger
from agent.limbs.measure import Measurer
from agent.limbs.person import Person
from agent.limbs.tally import Tally, tally
from agent.limbs.tell import Known, Teller, watched_side
from agent.limbs.walker import Walker
from agent.records import Integers, Windows
from agent.settings import Limbs as Settings
from agent.settings import Person as Profile

LOOK_S = 60.0
"""Hours are closed by the clock this often, where nothing comes that would close them."""
GRACE_S = 600.0
"""So long an hour stays open for what comes late."""
WRISTS = ("left_wrist", "right_wrist")
LEG_PARTS = ("ankle", "shank", "thigh")
"""Where a pair of legs may be worn; the first that is heard on both sides counts, nearest to the ground first."""
TRUNK_PLACES = ("lumbar", "lower_back", "waist", "hip", "chest", "trunk", "right_hip", "left_hip")
"""The first that is heard counts."""


@dataclass(slots=True)
class Places:
    """Which stream is which limb; looked up anew only when a stream comes that is new."""

    arms: Integers
    """(streams,) 0 = left wrist, 1 = right wrist, -1 = neither."""
    legs: Integers
    """(streams,) 0 = left leg, 1 = right leg, 2 = trunk, -1 = none of these."""
    names: dict[int, tuple[str, str]]
    """Wearer's slot -> positions of its pair of legs."""


def places(positions: list[str], wearer_of: Integers) -> Places:
    """Tell the limbs of streams by their positions and wearers."""
    arms = np.array([WRISTS.index(one) if one in WRISTS else -1 for one in positions], np.int64)
    legs, names = np.full(len(positions), -1, np.int64), {}
    for slot in np.unique(wearer_of):
        worn = {positions[n]: n for n in np.flatnonzero(wearer_of == slot)}
        pairs = [(f"left_{part}", f"right_{part}") for part in LEG_PARTS]
        names[int(slot)] = max(pairs, key=lambda pair: sum(one in worn for one in pair))  # the first of the best
        for side, name in enumerate(names[int(slot)]):
            if name in worn:
                legs[worn[name]] = side
        trunk = next((worn[name] for name in TRUNK_PLACES if name in worn), None)
        if trunk is not None:
            legs[trunk] = TRUNK_PLACE
    return Places(arms, legs, names)


@dataclass(slots=True)
class Limbs:
    """The limbs of all wearers; `follow` measures, `look` closes hours in which nothing comes any more."""

    sender: Sender
    streams: Streams
    settings: Settings
    people: dict[int, tuple[Person, Walker]] = field(default_factory=dict)
    ledger: Ledger = field(init=False)
    measurer: Measurer = field(init=False)
    gait: Gait = field(init=False)
    teller: Teller = field(init=False)
    _places: Places = field(init=False)
    _looked_s: float = -np.inf

    def __post_init__(self) -> None:
        begins_s = self.settings.day_begins_h * HOUR_S
        detector = Detector.open(Path(self.settings.detector)) if self.settings.detector else None
        self.ledger = Ledger(begins_s)
        self.measurer = Measurer(self.streams.layout, self.settings.forearm, detector)
        self.gait, self.teller = Gait(self.streams.layout), Teller(Frame(self.sender), begins_s)
        self._places = self._look_up()

    def follow(self, windows: Windows, now_s: float) -> list[Event]:
        """Measure the windows of a tick; the events that they bring."""
        if len(self._places.arms) != len(self.streams.positions):
            self._places = self._look_up()
            for slot in range(len(self.people), len(self.streams.wearers)):
                self.person(slot)  # 35 kB each, taken at once: what comes later must not make the memory grow
        seconds = self.measurer.measure(windows, self._places.arms)
        pace = self.gait.measure(windows, self._places.legs)
        return self.book(tally(seconds, pace), now_s) if len(seconds) + len(pace) else []

    def _look_up(self) -> Places:
        return places(self.streams.positions, np.asarray(self.streams.wearer_of))

    def book(self, spans: Tally, now_s: float) -> list[Event]:
        """Book what was measured; the events that it brings."""
        return self._told(self.ledger.add(spans), now_s)

    def look(self, now_s: float) -> list[Event]:
        """Close the hours that have ended without anything coming."""
        if 0 <= now_s - self._looked_s < LOOK_S:
            return []
        self._looked_s = now_s
        wearers = np.flatnonzero(self.ledger.hour >= 0)
        return self._told(self.ledger.close(wearers, np.full(len(wearers), now_s - GRACE_S)), now_s)

    def finish(self, now_s: float) -> list[Event]:
        """The recording has ended: its last hour and day are closed, for who wore a pair or a trunk sensor in them."""
        worn = self.ledger.hours[:, :, [group.worn for group in GROUPS]].any(axis=(1, 2))
        wearers = np.flatnonzero((self.ledger.hour >= 0) & worn)
        days = (self.ledger.hour[wearers] // 24 + 1).astype(np.float64)
        ends_s = days * DAY_S + self.settings.day_begins_h * HOUR_S
        return self._told(self.ledger.close(wearers, ends_s), now_s)

    def _told(self, closed: list[Closed], now_s: float) -> list[Event]:
        events: list[Event] = []
        for one in closed:
            name, (person, walker) = self.streams.wearers[one.wearer], self.person(one.wearer)
            who, legs = self._profile(name), self._look_up().names.get(one.wearer, ("", ""))
            wrist_clocks, leg_clocks = (self.streams.clocks(name, list(pair)) for pair in (WRISTS, legs))
            sync_s = _doubt_s(wrist_clocks), _doubt_s(leg_clocks)
            events += self.teller.hour(name, who, one, sync_s, now_s)
            if one.day is not None:
                judged, walked = person.judge(one.day, sync_s[0]), walker.judge(one.day, sync_s[1])
                known = Known(person, walker, len(wrist_clocks), len(leg_clocks))
                events += self.teller.day(name, who, judged, walked, known, now_s)
        return events

    def person(self, slot: int) -> tuple[Person, Walker]:
        """What is remembered of a wearer."""
        if slot not in self.people:
            watched = watched_side(self._profile(self.streams.wearers[slot]))
            self.people[slot] = Person(watched), Walker(watched)
        return self.people[slot]

    def _profile(self, wearer: str) -> Profile:
        return self.settings.wearers.get(wearer) or Profile()

    def state(self, wearer: int) -> dict[str, NDArray[Any]]:
        """All that is known of the wearer in that slot; a sensor's filter and calibration begin anew."""
        self.ledger.grow(wearer + 1)
        person, walker = self.person(wearer)
        books = {name: np.asarray(getattr(self.ledger, name)[wearer]) for name in Ledger.FIELDS}
        return books | person.state() | walker.state()

    def restore(self, wearer: int, state: dict[str, NDArray[Any]]) -> None:
        """Take it back.

        Raises:
            KeyError, ValueError: it is not what `state` gave; nothing was taken.
        """
        self.ledger.grow(wearer + 1)
        given = {name: state[name] for name in Ledger.FIELDS}
        if any(given[name].shape != getattr(self.ledger, name)[wearer].shape for name in given):
            raise ValueError("hours of another shape")
        watched = watched_side(self._profile(self.streams.wearers[wearer]))
        person, walker = Person(watched), Walker(watched)
        person.restore(state)
        walker.restore(state)
        self.people[wearer] = person, walker
        for name, array in given.items():
            getattr(self.ledger, name)[wearer] = array


def _doubt_s(clocks: list[DeviceClock]) -> float:
    return pair.doubt_s(*clocks) if len(clocks) == len(SIDES) else np.inf
