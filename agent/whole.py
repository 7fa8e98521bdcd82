"""The whole explanation of an event, for who asks for it: every share, as JSON, and a picture.

Recent explanations are kept in memory, `KEPT` of them; the picture and the JSON are made when they are asked for.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from agent import messages
from agent.attribute import ASPECTS, REST
from agent.events import Event
from agent.expect import measured
from agent.explain import Why
from agent.picture import draw
from agent.records import AXES

KEPT = 256
"""Explanations kept; some 15 kB each."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An event and all that explains it."""

    event: Event
    why: Why


class Explanations:
    """The latest explanations by event id; put by the main loop, asked by the connection's thread."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept, self._most = OrderedDict[str, Kept](), kept
        self._lock = threading.Lock()

    def keep(self, event: Event, why: Why) -> None:
        """Keep the explanation of the latest phase that has one of its own."""
        with self._lock:
            self._kept[event.id] = Kept(event, why)
            self._kept.move_to_end(event.id)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def find(self, event_id: str) -> Kept | None:
        """That of one event; None = of another gateway, or too long ago."""
        with self._lock:
            return self._kept.get(event_id)


def told(kept: Kept, *, picture: bool, trace: bool) -> messages.Explanation:
    """The whole of it.

    Args:
        kept: what is explained.
        picture: add the picture.
        trace: draw the samples in it; without, no sample leaves the gateway.
    """
    why, data = kept.why, kept.event.data
    found = why.decomposition
    shares = [] if found is None else np.round(found.places.astype(np.float64), 5).tolist()
    level, spread = (None, None) if found is None else measured(why.samples_g, why.segments)
    return messages.Explanation(
        id=kept.event.id,
        revision=data.revision,
        wearer=data.wearer,
        time=data.end,
        sentence=data.sentence,
        score=data.score,
        positions=list(why.positions),
        axes=list(AXES),
        aspects=list(ASPECTS),
        segment_s=why.segment_s,
        shares=shares,
        rest={} if found is None else {name: round(float(one), 5) for name, one in zip(REST, found.rest, strict=True)},
        level_g=_rounded(level),
        spread_g=_rounded(spread),
        expected_level_g=_rounded(why.level_g),
        expected_spread_g=_rounded(why.spread_g),
        why=data.why,
        picture=draw(why, data.sentence, trace=trace) if picture else "",
    )


def _rounded(values: np.ndarray | None) -> list[list[list[float]]]:
    return [] if values is None else np.round(values.astype(np.float64), 4).tolist()
