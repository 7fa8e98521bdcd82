"""A gateway on a disk that is full: `full_disk_child.py FOLDER PORT EVENT`, in a mount namespace of its own.

Mounts a small tmpfs on FOLDER, fills an outbox there while no broker is to be had, then a foreign file takes the rest.
Prints what it made and dropped, as JSON; on a line on its standard input it goes on, and drains to the broker.
"""

import json
import subprocess
import sys
from pathlib import Path

import msgspec

from agent import events
from agent.clock import WallClock
from agent.counters import Counters
from agent.errors import OutboxError
from agent.events import Topics
from agent.outbox import Outbox
from agent.publish import Publisher
from agent.settings import Broker, Delivery
from agent.settings import Outbox as Limits

FOLDER, PORT, EVENT = Path(sys.argv[1]), int(sys.argv[2]), events.decode(sys.argv[3].encode())
TOPICS = Topics("ward", "gw")
DOUBTS, ALARMS = 4000, 400

subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(FOLDER)], check=True)
limits = Limits(reserve_bytes=2 << 20)
outbox, counters = Outbox.open(FOLDER / "outbox.sqlite", limits), Counters()


def made(n: int, kind: str) -> tuple[str, events.Event]:
    data = msgspec.structs.replace(
        EVENT.data, kind=kind, sentence="x" * 1000, phase="end"
    )  # 4400 are never open at once
    return TOPICS.event("w1", kind), msgspec.structs.replace(EVENT, id=f"{kind}-{n}", data=data)


failed = []


def put(n: int, kind: str) -> None:
    try:
        outbox.put([made(n, kind)])
    except OutboxError as error:
        failed.append(str(error))


for n in range(DOUBTS):
    put(n, "abstention")
    if n % (DOUBTS // ALARMS) == 0:
        put(n // (DOUBTS // ALARMS), "novelty")
    if n == DOUBTS // 2:  # somebody else takes what is left
        try:
            with (FOLDER / "foreign").open("wb") as file:
                while True:
                    file.write(b"0" * 4096)
                    file.flush()
        except OSError:
            pass
print(json.dumps({"dropped": outbox.dropped, "failed": failed[:3], "depth": outbox.depth(), "drops": outbox.drops()}))
sys.stdout.flush()
sys.stdin.readline()
broker = Broker(host="127.0.0.1", port=PORT)
publisher = Publisher(outbox, broker, TOPICS, WallClock(), counters, describe={}, delivery=Delivery(drain_per_s=10**5))
publisher.start()
sys.stdin.readline()
publisher.stop()
