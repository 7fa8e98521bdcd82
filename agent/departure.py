"""Wearers who have left their own normal: judged windows -> drift -> events of kind `drift`.

A drift rules nothing out: illness, a new habit, a slipped strap all fit. So its verdict holds all three labels.
"""

from dataclasses import dataclass, field
from typing import Any

from agent import words
from agent.compose import Sender
from agent.drift import Drift, Turn
from agent.events import Event, EventData, Masses, Shift, iso_time
from agent.ingest import Streams
from agent.judge import Judged
from agent.languages import Language
from agent.reference import UNIT_S
from agent.regime import movement
from agent.score import Prototypes
from agent.shift import THRESHOLD
from agent.wear import disturbed, strangeness


@dataclass(slots=True)
class Departures:
    """Who is adrift; `look` tells what changed."""

    sender: Sender
    prototypes: Prototypes
    streams: Streams
    drift: Drift = field(init=False)

    def __post_init__(self) -> None:
        self.drift = Drift(self.sender.layout.hop_s)

    def look(self, judged: Judged, now_s: float) -> list[Event]:
        """`start` for each wearer whose level has shifted, `update` while it lasts, `end` for who is back."""
        windows = judged.windows
        strange = strangeness(judged, self.prototypes)
        seen = self.drift.see(windows.wearer, windows.end_s, strange, movement(windows), disturbed(judged))
        return [self._event(turn, now_s) for turn in seen]

    def finish(self, now_s: float) -> list[Event]:
        """Nobody watches any more: what is open ends, so that no drift stands for ever."""
        return [self._event(turn, now_s, stops=True) for turn in self.drift.pause(now_s)]

    def health(self) -> dict[str, Any]:
        """Wearer -> how much of the first day is learnt, units that did not count, distance from the first day."""
        return {"drift": {wearer: self._state(slot) for slot, wearer in enumerate(self.streams.wearers)}}

    def _state(self, slot: int) -> dict[str, Any]:
        if slot >= len(self.drift.memory):
            return {"learnt": 0.0}
        one = self.drift.memory[slot]
        counts = {"left_out": int(one["left_out"]), "uncompared": int(one["uncompared"])}
        size = {"size": round(float(one["mean"]), 2)} if one["open"] else {}
        return {"learnt": round(self.drift.learnt(slot), 3)} | counts | size

    def _event(self, turn: Turn, now_s: float, *, stops: bool = False) -> Event:
        sender, wearer = self.sender, self.streams.wearers[turn.wearer]
        data = EventData(
            kind="drift",
            phase=turn.phase,
            revision=turn.revision,
            wearer=wearer,
            start=iso_time(turn.since_s),
            end=iso_time(turn.at_s),
            verdict=["normal", "noise", "novelty"],
            cause="ambiguous",
            sentence=_sentence(turn, sender.words, stops=stops),
            score=None,
            p_value=None,
            p_interval=None,
            alpha=round(sender.alpha, 6),
            belief=Masses(normal=0.0, noise=0.0, novelty=0.0),
            plausibility=Masses(normal=1.0, noise=1.0, novelty=1.0),
            spread=None,
            promise_per_day=0.0,
            quality={},
            positions={},
            shift=_shift(turn),
            bundle=sender.bundle_id,
            bundle_digest=sender.bundle_digest,
            scored=iso_time(now_s),
        )
        return sender.event(data, "drift", turn.since_s)


def _shift(turn: Turn) -> Shift:
    return Shift(
        direction="stranger" if turn.size >= 0 else "less_strange",
        size=round(turn.size, 3),
        interval=(round(turn.low, 3), round(turn.high, 3)),
        since=iso_time(turn.since_s),
        units=turn.units,
        unit_s=UNIT_S,
        statistic=round(turn.statistic, 1),
        threshold=THRESHOLD,
        habit=turn.habit,
    )


def _sentence(turn: Turn, said: Language, *, stops: bool) -> str:
    since = iso_time(turn.since_s)
    shift = said.shift.format(
        size=words.number(abs(turn.size), 1, said),
        low=words.number(turn.low, 1, said, sign=True),
        high=words.number(turn.high, 1, said, sign=True),
        how=said.shift_ways[int(turn.size < 0)],
        since=since,
    )
    state = "stops" if stops else "back" if turn.phase == "end" else "habit" if turn.habit else "open"
    return said.drift[state].format(shift=shift, since=since, hours=words.number(turn.units * UNIT_S / 3600, 1, said))
