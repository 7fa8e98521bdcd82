"""`make bench`: how many wearers one core carries through the whole pipeline, windows to verdicts, on this machine.

Simulated wearers with two sensors each, 50 Hz, one packet a second; files and network are left out.
Prints one line a size: wearers that one core keeps up with = wearers x seconds of recording / seconds of work.
"""

import time
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from agent.batch import packets
from agent.bundle import Bundle, default_bundle_path, open_bundle
from agent.counters import Counters
from agent.events import Event
from agent.pipeline import Pipeline
from agent.records import Packet
from agent.settings import Settings
from agent.simulate import simulate

SECONDS = 60
WEARERS = (1, 10, 100, 500)


class Script:
    """A source that hands out prepared packets when their time has come."""

    def __init__(self, played: Iterable[Packet]) -> None:
        self._coming = sorted(played, key=lambda packet: packet.received_s, reverse=True)

    def read(self, now_s: float) -> list[Packet]:
        due: list[Packet] = []
        while self._coming and self._coming[-1].received_s <= now_s:
            due.append(self._coming.pop())
        return due

    def close(self) -> None:
        """Nothing to let go of."""


class Forget:
    """Stands in for the outbox: counts."""

    events = 0

    def put(self, events: list[tuple[str, Event]]) -> None:
        self.events += len(events)


def work_s(bundle: Bundle, wearers: int) -> tuple[float, int]:
    """Seconds of work for `SECONDS` of `wearers` wearers, and the windows judged."""
    recordings = [simulate(np.random.default_rng(seed))[0] for seed in range(8)]
    script = Script(
        packet
        for number in range(wearers)
        for packet in packets(replace(recordings[number % 8], wearer=f"w{number}"))
        if packet.received_s <= SECONDS
    )
    counters = Counters()
    pipeline = Pipeline(script, bundle, Settings(max_wearers=10_000), Forget(), counters)
    began = time.process_time()
    for second in range(SECONDS + 1):
        pipeline.step(float(second))
    return time.process_time() - began, counters.counts["windows"]


def main() -> None:
    bundle = open_bundle(default_bundle_path())
    print("wearers  windows  windows/s  wearers that one core keeps up with (two sensors each)")
    for wearers in WEARERS:
        seconds, windows = work_s(bundle, wearers)
        print(f"{wearers:7}  {windows:7}  {windows / seconds:9.0f}  {wearers * SECONDS / seconds:.0f}")


if __name__ == "__main__":
    main()
