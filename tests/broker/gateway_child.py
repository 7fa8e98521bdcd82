"""A gateway whose pipeline makes an event of each packet: `gateway_child.py STATE_DIR PORT EVENT`."""

import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import msgspec

from agent import events
from agent.audit import AuditLog
from agent.clock import WallClock
from agent.gateway import run
from agent.settings import Broker, Settings
from agent.whole import Explanations

STATE_DIR, PORT, EVENT = sys.argv[1], int(sys.argv[2]), events.decode(sys.argv[3].encode())
TOPICS = events.Topics("s", "g")


@dataclass
class Bundle:
    id: str = "test-bundle"
    digest: str = "f" * 64
    origin: str = "unsigned"


class Echo:
    """An event for each packet."""

    bundle = Bundle()
    explanations = Explanations()

    def __init__(self, source, outbox, counters) -> None:
        self.source, self.outbox, self.counts, self.changed = source, outbox, {}, set()

    def step(self, now_s):
        packets = self.source.read(now_s)
        for packet in packets:
            if packet.wearer == "crash":
                raise RuntimeError("as asked")
            self.counts[packet.wearer] = self.counts.get(packet.wearer, 0) + 1
            self.changed.add(packet.wearer)
        return self.outbox.put([(TOPICS.event(one.wearer, "novelty"), self.event(one)) for one in packets])

    def event(self, packet):
        return msgspec.structs.replace(EVENT, id=f"{packet.wearer}@{packet.times_s[0]}", subject=packet.wearer)

    def close(self, now_s):
        return []

    def health(self):
        return {"scored": sum(self.counts.values())}

    def explained(self, event_id):
        return None

    def states(self):
        changed, self.changed = self.changed, set()
        return {wearer: {"packets": self.counts[wearer]} for wearer in changed}


class SetClock(WallClock):
    """The wall's, set by as many seconds as a file says."""

    def now_s(self):
        by = Path(STATE_DIR) / "clock"
        return super().now_s() + (float(by.read_text()) if by.exists() else 0.0)


broker = Broker(host="127.0.0.1", port=PORT)
settings = Settings(site="s", gateway="g", state_dir=STATE_DIR, broker=broker, ingest=broker, health_s=0.2)
run(settings, SetClock(), AuditLog(Path(settings.state_dir) / "audit", WallClock()), Echo, threading.Event())
