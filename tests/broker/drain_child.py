"""Drains an outbox until it is killed: `drain_child.py OUTBOX PORT`."""

import sys
import threading

from agent.clock import WallClock
from agent.counters import Counters
from agent.events import Topics
from agent.outbox import Outbox
from agent.publish import Publisher
from agent.settings import Broker

outbox = Outbox.open(sys.argv[1], 10**6)
broker = Broker(host="127.0.0.1", port=int(sys.argv[2]))
publisher = Publisher(outbox, broker, Topics("s", "g"), WallClock(), Counters(), describe={"version": "test"})
publisher.start()
print(outbox.epoch, flush=True)
threading.Event().wait()
