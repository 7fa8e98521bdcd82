"""Sensors that say nothing any more: announced as events, because nobody notices what does not come.

A silent sensor rules nothing out: its verdict holds all three labels, nothing speaks for any of them. Silence goes by
the gateway's clock and begins where the sensor was last heard; of wearers in the settings who were never heard, with
the start of the agent. State: one number a sensor.
"""

import math
from dataclasses import dataclass, field

from agent import words
from agent.compose import Sender
from agent.events import Event, EventData, Masses, Phase, iso_time
from agent.ingest import Streams

LOOK_S = 5.0
"""Looked for this often: it is a loop over all sensors."""
NEVER = ""
"""Position of a wearer of whom no sensor was ever heard."""

Sensor = tuple[str, str]
"""Wearer and position."""


@dataclass(slots=True)
class Absences:
    """Who is silent, and since when; `look` tells what changed."""

    sender: Sender
    streams: Streams
    expected: tuple[str, ...]
    """Wearers of the settings; empty = only those heard before can be missed."""
    silence_s: float
    _began_s: float | None = None
    _looked_s: float = -math.inf
    _silent: dict[Sensor, float] = field(default_factory=dict)

    def look(self, now_s: float) -> list[Event]:
        """`start` for each sensor that fell silent, `end` for each that is heard again."""
        if 0 <= now_s - self._looked_s < LOOK_S:
            return []
        self._looked_s = now_s
        self._began_s = now_s if self._began_s is None else self._began_s
        heard = self._heard(self._began_s)
        fallen = [s for s, at_s in heard.items() if now_s - at_s > self.silence_s and s not in self._silent]
        back = [s for s in self._silent if now_s - heard.get(s, now_s) <= self.silence_s]
        self._silent.update((sensor, heard[sensor]) for sensor in fallen)
        events = [self._event(sensor, "start", heard[sensor], now_s) for sensor in fallen]
        return events + [self._event(sensor, "end", self._silent.pop(sensor), now_s) for sensor in back]

    def finish(self, now_s: float) -> list[Event]:
        """Nobody listens any more: what is open ends, so that no silence stands for ever."""
        silent, self._silent = self._silent, {}
        return [self._event(sensor, "end", since_s, now_s, stops=True) for sensor, since_s in silent.items()]

    def names(self) -> list[str]:
        """`wearer/position` of each sensor that is silent now; nothing after the `/` = never heard at all."""
        return [f"{wearer}/{position}" for wearer, position in self._silent]

    def _heard(self, began_s: float) -> dict[Sensor, float]:
        streams = self.streams
        wearers = [streams.wearers[slot] for slot in streams.wearer_of]
        last = streams.heard_s.tolist()
        heard = {(wearer, place): at for wearer, place, at in zip(wearers, streams.positions, last, strict=True)}
        return heard | {(wearer, NEVER): began_s for wearer in set(self.expected) - set(wearers)}

    def _event(self, sensor: Sensor, phase: Phase, since_s: float, now_s: float, *, stops: bool = False) -> Event:
        (wearer, position), sender = sensor, self.sender
        said, began = sender.words, phase == "start"
        told = (said.silence if began else said.heard_again).format(
            where=words.name_of(position, said) if position else said.every_sensor,
            why=said.agent_stops if stops else said.back,
            since=iso_time(since_s),
            seconds=f"{max(0.0, now_s - since_s):.0f}",
        )
        data = EventData(
            kind="silence",
            phase=phase,
            revision=int(phase == "end"),
            wearer=wearer,
            start=iso_time(since_s),
            end=iso_time(now_s),
            verdict=["normal", "noise", "novelty"],
            cause="poor_signal",
            sentence=told,
            score=None,
            p_value=None,
            p_interval=None,
            alpha=round(sender.alpha, 6),
            belief=Masses(normal=0.0, noise=0.0, novelty=0.0),
            plausibility=Masses(normal=1.0, noise=1.0, novelty=1.0),
            spread=None,
            promise_per_day=0.0,
            quality={"dropout": 1.0},
            positions={position: None} if position else {},
            bundle=sender.bundle_id,
            bundle_digest=sender.bundle_digest,
            scored=iso_time(now_s),
        )
        # One kind, but a happening of its own for each sensor: two may fall silent at the same time.
        return sender.event(data, f"silence/{position}", since_s)
