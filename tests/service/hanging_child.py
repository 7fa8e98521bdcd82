"""The real gateway loop with a pipeline that hangs: `hanging_child.py STATE_DIR STEP`."""

import faulthandler
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from agent.audit import AuditLog
from agent.clock import WallClock
from agent.gateway import run
from agent.notify import Notifier
from agent.settings import Broker, Settings

STATE_DIR, LAST = sys.argv[1], int(sys.argv[2])


@dataclass
class Bundle:
    id: str = "test-bundle"
    digest: str = "f" * 64
    origin: str = "unsigned"


class Hanging:
    """Steps until the last, which never ends."""

    bundle = Bundle()

    def __init__(self, source, outbox, counters) -> None:
        self.steps = 0

    def step(self, now_s):
        self.steps += 1
        if self.steps == LAST:
            hang_for_ever()
        return []

    def close(self, now_s):
        return []

    def health(self):
        return {}

    def explained(self, event_id):
        return None

    def states(self):
        return {}


def hang_for_ever() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


faulthandler.enable()
nobody = Broker(host="127.0.0.1", port=1)
settings = Settings(state_dir=STATE_DIR, broker=nobody, ingest=nobody)
audit = AuditLog(Path(STATE_DIR) / "audit", WallClock())
run(settings, WallClock(), audit, Hanging, threading.Event(), Notifier.of())
