"""A real gateway loop whose pipeline makes events by itself: `maker_child.py CONFIG MOST EACH_STEP EVENT`.

Event number n has the id `e{n}`, where n is the `seq` it gets, so that what was committed can be told from the highest
`seq` alone; each is an end, so that a start has nothing to end. Four wearers take turns.
"""

import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import msgspec

from agent import events, gateway
from agent.audit import AuditLog
from agent.clock import WallClock
from agent.settings import read_settings
from agent.whole import Explanations

CONFIG, MOST, EACH_STEP = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
EVENT = events.decode(sys.argv[4].encode())
WEARERS = ("anna", "ben", "cleo", "dora")
settings = read_settings(CONFIG)
TOPICS = events.Topics(settings.site, settings.gateway)


@dataclass
class Bundle:
    id: str = "test-bundle"
    digest: str = "f" * 64
    origin: str = "unsigned"


class Maker:
    bundle = Bundle()
    explanations = Explanations()

    def __init__(self, source, outbox, counters) -> None:
        self.source, self.outbox, self.made = source, outbox, 0

    def step(self, now_s):
        self.source.read(now_s)
        first = self.outbox.newest_seq + 1
        numbers = range(first, min(first + EACH_STEP, MOST + 1))
        return self.outbox.put([self.event(n) for n in numbers]) if numbers else []

    def event(self, n):
        wearer = WEARERS[n % len(WEARERS)]
        data = msgspec.structs.replace(EVENT.data, wearer=wearer, phase="end")
        made = msgspec.structs.replace(
            EVENT, id=f"e{n}", subject=wearer, source=f"veille/{TOPICS.site}/{TOPICS.gateway}", data=data
        )
        return TOPICS.event(wearer, data.kind), made

    def close(self, now_s):
        return []

    def health(self):
        return {}

    def explained(self, event_id):
        return None

    def states(self):
        return {}


gateway.run(settings, WallClock(), AuditLog(Path(settings.state_dir) / "audit", WallClock()), Maker, threading.Event())
