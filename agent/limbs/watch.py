"""Two limbs of every wearer, once a tick: windows -> seconds -> hours and days -> summaries and changes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.compose import Sender
from agent.events import Event
from agent.ingest import Streams
from agent.limbs import pair
from agent.limbs.columns import AT, SIDES
from agent.limbs.ledger import DAY_S, HOUR_S, Closed, Ledger
from agent.limbs.measure import Measurer
from agent.limbs.person import Person
from agent.limbs.tally import Tally, tally
from agent.limbs.tell import Teller
from agent.records import Integers, Windows
from agent.settings import Limbs as Settings
from agent.settings import Person as Profile

LOOK_S = 60.0
"""Hours are closed by the clock this often, where nothing comes that would close them."""
GRACE_S = 600.0
"""So long an hour stays open for what comes late."""


@dataclass(slots=True)
class Limbs:
    """The wrists of all wearers; `follow` measures, `look` closes hours in which nothing comes any more."""

    sender: Sender
    streams: Streams
    settings: Settings
    people: dict[int, Person] = field(default_factory=dict)
    ledger: Ledger = field(init=False)
    measurer: Measurer = field(init=False)
    teller: Teller = field(init=False)
    _looked_s: float = -np.inf

    def __post_init__(self) -> None:
        begins_s = self.settings.day_begins_h * HOUR_S
        self.ledger, self.measurer = Ledger(begins_s), Measurer(self.streams.layout, self.settings.forearm)
        self.teller = Teller(self.sender, begins_s)

    def follow(self, windows: Windows, now_s: float) -> list[Event]:
        """Measure the windows of a tick; the events that they bring."""
        seconds = self.measurer.measure(windows, self._sides())
        return self.book(tally(seconds), now_s) if len(seconds) else []

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
        """The recording has ended: its last hour and day are closed, for who wore two wrists in them."""
        both = self.ledger.hours[:, :, AT["worn_s"]].any(axis=1)
        wearers = np.flatnonzero((self.ledger.hour >= 0) & both)
        days = (self.ledger.hour[wearers] // 24 + 1).astype(np.float64)
        ends_s = days * DAY_S + self.settings.day_begins_h * HOUR_S
        return self._told(self.ledger.close(wearers, ends_s), now_s)

    def _sides(self) -> Integers:
        """(streams,) 0 = left wrist, 1 = right wrist, -1 = neither."""
        names = [f"{side}_wrist" for side in SIDES]
        return np.array([names.index(place) if place in names else -1 for place in self.streams.positions], np.int64)

    def _told(self, closed: list[Closed], now_s: float) -> list[Event]:
        events: list[Event] = []
        for one in closed:
            name, person = self.streams.wearers[one.wearer], self.person(one.wearer)
            who, clocks = self._profile(name), self.streams.clocks(name, [f"{side}_wrist" for side in SIDES])
            sync_s = pair.doubt_s(*clocks) if len(clocks) == 2 else np.inf
            events += self.teller.hour(name, who, one, sync_s, now_s)
            if one.day is not None:
                judged = person.judge(one.day, sync_s)
                events += self.teller.day(name, who, person, judged, now_s, one_wrist=len(clocks) == 1)
        return events

    def person(self, slot: int) -> Person:
        """What is remembered of a wearer."""
        if slot not in self.people:
            self.people[slot] = Person(SIDES.index(self._profile(self.streams.wearers[slot]).side or "left"))
        return self.people[slot]

    def _profile(self, wearer: str) -> Profile:
        return self.settings.wearers.get(wearer) or Profile()

    def state(self, wearer: int) -> dict[str, NDArray[Any]]:
        """All that is known of the wearer in that slot; a sensor's filter and calibration begin anew."""
        self.ledger.grow(wearer + 1)
        return {name: np.asarray(getattr(self.ledger, name)[wearer]) for name in Ledger.FIELDS} | self.person(
            wearer
        ).state()

    def restore(self, wearer: int, state: dict[str, NDArray[Any]]) -> None:
        """Take it back.

        Raises:
            KeyError, ValueError: it is not what `state` gave; nothing was taken.
        """
        self.ledger.grow(wearer + 1)
        given = {name: state[name] for name in Ledger.FIELDS}
        if any(given[name].shape != getattr(self.ledger, name)[wearer].shape for name in given):
            raise ValueError("hours of another shape")
        self.person(wearer).restore(state)
        for name, array in given.items():
            getattr(self.ledger, name)[wearer] = array
