"""The frame that all events of limbs share: nothing in them was scored by the network."""

from dataclasses import dataclass

from agent.compose import Sender
from agent.events import Event, EventData, Kind, Masses, iso_time
from agent.languages import Language

NAMES = ("normal", "noise", "novelty")


@dataclass(frozen=True, slots=True)
class Frame:
    """Fills in what does not depend on the limbs."""

    sender: Sender

    @property
    def language(self) -> Language:
        """Of the sentences."""
        return self.sender.words

    def data(
        self, kind: Kind, wearer: str, span: tuple[float, float], now_s: float, sentence: str, label: int
    ) -> EventData:
        """A `start` with one label; `span` = from and to, seconds since the epoch."""
        certain = {name: float(place == label) for place, name in enumerate(NAMES)}
        return EventData(
            kind=kind,
            phase="start",
            revision=0,
            wearer=wearer,
            start=iso_time(span[0]),
            end=iso_time(span[1]),
            verdict=[NAMES[label]],  # type: ignore[list-item]
            sentence=sentence,
            score=None,
            p_value=None,
            p_interval=None,
            alpha=round(self.sender.alpha, 6),
            belief=Masses(**(certain if kind == "sensor_fault" else dict.fromkeys(NAMES, 0.0))),
            plausibility=Masses(normal=1.0, noise=1.0, novelty=1.0),
            spread=None,
            promise_per_day=0.0,
            quality={},
            positions={},
            bundle=self.sender.bundle_id,
            bundle_digest=self.sender.bundle_digest,
            scored=iso_time(now_s),
        )

    def event(self, data: EventData, what: str, since_s: float) -> Event:
        """The event that has this identity: who, what, since when."""
        return self.sender.event(data, what, since_s)
