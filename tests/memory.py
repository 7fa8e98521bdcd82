"""`make memory`: resident memory of the whole gateway over an hour of 100 wearers, two sensors each, replayed.

All that `veille run` has is there and real, broker, outbox, audit log and connection included; only the packets come
from simulated wearers, and the clock runs as fast as the work is done. Prints one line for each five minutes of the
hour. With `--shadow` another bundle is offered at the start and works beside the one in service for the whole time.
"""

import argparse
import hashlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent import gateway
from agent.audit import AuditLog
from agent.bundle import Bundle, default_bundle_path, open_bundle
from agent.counters import Counters
from agent.outbox import Outbox
from agent.settings import Broker, Settings, Update
from agent.shadow import Shadowed
from agent.shelf import Shelf, bundles_folder
from tests.ward import BEGAN_S, ward

WEARERS = 100
SHOWN_S = 300.0
MOSQUITTO = "/usr/sbin/mosquitto"
LIMIT_MB = 100
SERVICE_MB = 240
"""With a shadow: four fifths of `MemoryMax` in `deploy/veille.service`."""


class Watch:
    """A clock that runs as fast as the work is done, notes the resident memory, and stops when the time is over."""

    def __init__(self, minutes: int) -> None:
        self.now, self.seen, self.due_s = BEGAN_S, list[float](), BEGAN_S
        self.until_s = BEGAN_S + minutes * 60

    def now_s(self) -> float:
        return self.now

    def wait(self, seconds: float, wake: threading.Event) -> bool:
        if threading.current_thread() is not threading.main_thread():
            return wake.wait(seconds)  # the publisher's thread lives in the world's time
        self.now += seconds
        if self.now >= self.due_s:
            self.due_s += SHOWN_S
            self.seen.append(told_mb("VmRSS"))
            own = f"{told_mb('RssAnon'):5.1f} of them not on any disk"
            print(f"{(self.now - BEGAN_S) / 60:4.0f} min  {self.seen[-1]:6.1f} MB, {own}", flush=True)
        if self.now >= self.until_s:
            wake.set()
        return wake.is_set()


def told_mb(name: str) -> float:
    """What the kernel tells of this program; `VmHWM` = the most that was ever resident, between two looks too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{name}:"))) / 1024


@contextmanager
def broker() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = subprocess.Popen([MOSQUITTO, "-p", str(port)], stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        running.terminate()
        running.wait(10)


def another(shelf: Shelf) -> str:
    """A bundle that differs in its name alone, on the shelf; returns its digest."""
    copy = shelf.folder / "copy"
    shutil.copytree(default_bundle_path(), copy)
    manifest = copy / "bundle.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"id":', b'"id" :', 1))
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
    copy.rename(shelf.folder / digest)
    return digest


def main(minutes: int, *, shadow: bool) -> int:
    watch, counted, ran = Watch(minutes), list[Counters](), list[Shadowed]()

    def open_one(folder: Path | None) -> Bundle:
        return open_bundle(folder or default_bundle_path())

    def make(source: object, outbox: Outbox, counters: Counters) -> Shadowed:
        shelf = Shelf(bundles_folder(settings), open_one, watch, audit)
        if shadow:
            shelf.folder.mkdir(parents=True)
            shelf.make_offer(another(shelf))
        counted.append(counters)
        ran.append(Shadowed(wearers, outbox, counters, settings, shelf, watch.now_s))
        return ran[0]

    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder, broker() as port, ward(WEARERS) as wearers:
        here, ever = Broker(host="127.0.0.1", port=port), Update(shadow_s=86_400.0)
        settings = Settings(state_dir=folder, broker=here, ingest=here, max_wearers=WEARERS, update=ever)
        audit, began = AuditLog(Path(folder) / "audit", watch), time.process_time()
        gateway.run(settings, watch, audit, make, threading.Event())
        worked_s = time.process_time() - began
    counts, phase = counted[0].snapshot(), ran[0].health()["bundle"]["phase"]
    growth = watch.seen[-1] - watch.seen[len(watch.seen) // 4]
    seen_minutes = (watch.now - BEGAN_S) / 60
    limit = SERVICE_MB if shadow else LIMIT_MB
    print(
        f"{WEARERS} wearers, {counts['windows']} windows, {seen_minutes:.0f} min in {worked_s:.0f} s of work; {phase}"
    )
    most = told_mb("VmHWM")
    print(f"most at any moment {most:.1f} MB (limit {limit}); {growth:+.1f} MB from the first quarter to the end")
    whole = seen_minutes >= minutes and ("shadow" in phase) == shadow
    return int(most > limit or growth > 2.0 or not whole)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=int, nargs="?", default=60)
    parser.add_argument("--shadow", action="store_true", help="another bundle works beside the one in service")
    asked = parser.parse_args()
    sys.exit(main(asked.minutes, shadow=asked.shadow))
