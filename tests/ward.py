"""A simulated ward in a program of its own, so that who measures the gateway's memory does not measure the wearers'.

Writes what a broker would hand over, in order of arrival, as fast as it is read: `length (u32), msgpack of an Arrival`.
Each wearer goes through the simulated two minutes again and again, each shifted by a bit.
"""

import heapq
import itertools
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

import msgspec

from agent.records import Packet
from agent.sources import wire
from agent.sources.tail import Arrival

BEGAN_S = 1_800_000_000.0
LENGTH = struct.Struct("<I")


class Ward:
    """The other end: a source (`agent.sources.Source`)."""

    def __init__(self, written: IO[bytes]) -> None:
        self._written = written
        self._next = self._coming()

    def read(self, now_s: float) -> list[Packet]:
        due: list[Packet] = []
        while self._next[2] <= now_s:
            topic, payload, received_s = self._next
            _, wearer, position = topic.rsplit("/", 2)
            due.append(wire.decode(wearer, position, payload, received_s))
            self._next = self._coming()
        return due

    def _coming(self) -> Arrival:
        (length,) = LENGTH.unpack(self._written.read(LENGTH.size))
        return msgspec.msgpack.decode(self._written.read(length), type=Arrival)


@contextmanager
def ward(wearers: int) -> Iterator[Ward]:
    """So many wearers, who move as long as somebody reads."""
    running = subprocess.Popen([sys.executable, "-m", "tests.ward", str(wearers)], stdout=subprocess.PIPE)
    try:
        yield Ward(running.stdout)
    finally:
        running.kill()
        running.communicate()


def arrivals(wearers: int) -> Iterator[Arrival]:
    """What all of them send, two sensors each, 50 Hz, a packet a second."""
    import numpy as np

    from agent.batch import packets
    from agent.simulate import simulate

    days = [simulate(np.random.default_rng(seed))[0] for seed in range(2)]
    length_s = float(days[0].times_s[-1] - days[0].times_s[0]) + 0.02
    said = [[(one, wire.encode_binary(one.samples_g, rate_hz=50.0)) for one in packets(day)] for day in days]

    def worn_by(number: int) -> Iterator[Arrival]:
        for round_ in itertools.count():
            moved_s = BEGAN_S + round_ * length_s + number * 1.07
            for one, payload in said[number % len(said)]:
                yield f"ingest/w{number}/{one.position}", payload, one.received_s + moved_s

    return heapq.merge(*(worn_by(n) for n in range(wearers)), key=lambda arrival: arrival[2])


def main(wearers: int) -> None:
    with suppress(BrokenPipeError):
        for arrival in arrivals(wearers):
            record = msgspec.msgpack.encode(arrival)
            sys.stdout.buffer.write(LENGTH.pack(len(record)) + record)


if __name__ == "__main__":
    main(int(sys.argv[1]))
