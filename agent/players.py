"""A bundle at work beside another: it hears what both hear, and is heard only while it speaks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.bundle import Bundle
from agent.compare import NEW, OLD, Comparison
from agent.counters import Counters
from agent.errors import PacketError
from agent.events import Event
from agent.pipeline import Keeper, Pipeline
from agent.records import Packet
from agent.settings import Settings

CROWDED = 0.8
"""Part of the time that both together may compute."""
SHORTEST_LOOK_S = 2.0


class Heard:
    """The packets of one step, for both; see `agent.sources.Source`."""

    def __init__(self) -> None:
        self.packets: list[Packet] = []

    def read(self, now_s: float) -> list[Packet]:
        """Those that the real source had."""
        return self.packets

    def close(self) -> None:
        """The real source belongs to somebody else."""


class Voice:
    """Where a pipeline puts its events (`agent.pipeline.Keeper`): into the outbox while it speaks, else nowhere."""

    def __init__(self) -> None:
        self.outbox: Keeper | None = None

    def put(self, events: list[tuple[str, Event]]) -> Any:
        """Keep or forget them."""
        return self.outbox.put(events) if self.outbox else None


class Tallies(Counters):
    """Counters of one pipeline, which count for the gateway while it speaks."""

    def __init__(self) -> None:
        super().__init__()
        self.of_gateway: Counters | None = None

    def count(self, name: str, n: int = 1) -> None:
        """Add `n` to `name`, where it counts."""
        if self.of_gateway:
            self.of_gateway.count(name, n)

    def refuse(self, error: PacketError) -> None:
        """Tell it once: by the one that speaks."""
        if self.of_gateway:
            self.of_gateway.refuse(error)


@dataclass(frozen=True, slots=True)
class Player:
    """One bundle with its pipeline."""

    bundle: Bundle
    pipeline: Pipeline
    voice: Voice
    tallies: Tallies

    @classmethod
    def of(cls, bundle: Bundle, heard: Heard, settings: Settings) -> "Player":
        """A pipeline of its own, mute.

        What is known of the wearers belongs to one bundle: a new one starts from the population, whatever the other
        has learnt of them, so it doubts more at first; one that was in service before finds its own memory again.
        """
        voice, tallies = Voice(), Tallies()
        pipeline = Pipeline(heard, bundle, settings, voice, tallies, Path(settings.state_dir))
        return cls(bundle, pipeline, voice, tallies)

    def speak(self, outbox: Keeper, counters: Counters) -> None:
        """From now on events are kept, and counts count."""
        self.voice.outbox, self.tallies.of_gateway = outbox, counters

    def hush(self) -> None:
        """From now on nobody hears it."""
        self.voice.outbox = self.tallies.of_gateway = None

    def compare(self, comparison: Comparison | None, side: int) -> None:
        """Tell each judged tick to the comparison; None = to nobody."""
        wearers, observer = self.pipeline.wearers, self.pipeline.observer
        observer.on_judged = (lambda judged: comparison.hear(side, judged, wearers)) if comparison else None


@dataclass(slots=True)
class Duet:
    """Two bundles on the same packets, compared."""

    old: Player
    new: Player
    comparison: Comparison
    switch: bool
    """Whether the new one is to speak in the end; False = it is only to be compared."""
    trial: bool
    """Whether it speaks already."""
    began_s: float
    """Of the shadow run or of the trial, on a clock that does not jump."""
    looked_s: float

    @classmethod
    def of(cls, old: Player, new: Player, alarm_factor: float, now_s: float, *, switch: bool, trial: bool) -> "Duet":
        """Begin to compare."""
        duet = cls(old, new, Comparison(alarm_factor), switch, trial, now_s, now_s)
        old.compare(duet.comparison, 0)
        new.compare(duet.comparison, 1)
        return duet

    def end(self) -> None:
        """Compare no more."""
        self.old.compare(None, 0)
        self.new.compare(None, 1)

    def side(self, player: Player) -> int:
        """0 = the old one, 1 = the new one."""
        return int(player is self.new)

    def crowded(self, elapsed_s: float) -> str:
        """Why this gateway cannot carry both, by what they computed in the last `elapsed_s`; empty = it can."""
        busy_s = sum(share.busy_s for share in self.comparison.shares)
        if busy_s <= CROWDED * elapsed_s or elapsed_s < SHORTEST_LOOK_S:
            return ""
        share = 100 * busy_s / max(elapsed_s, 1e-9)
        return f"this gateway is too busy for two: they compute for {share:.0f} % of the time"

    def found(self) -> str:
        """The comparison in words."""
        alarms = self.comparison.alarms
        told = f"alarms in {alarms[OLD]} (before) and {alarms[NEW]} (now)"
        return f"{told} of {self.comparison.half_minutes} half-minutes"
