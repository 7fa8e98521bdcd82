"""`make bench`: the network beside a peer, and how many wearers one core carries through the whole pipeline.

Simulated wearers with two sensors each, 50 Hz, one packet a second; files and network are left out.
Prints one line a size: wearers that one core keeps up with = wearers x seconds of recording / seconds of work. Before
it, the network and an isolation forest of 200 trees on the same windows in turn, so that a noisy machine slows both,
and what calibrating and deciding take and remember.
"""

import time
from collections.abc import Iterable
from dataclasses import fields, replace

import numpy as np

from agent.batch import cut_recording, packets
from agent.bundle import Bundle, default_bundle_path, open_bundle
from agent.counters import Counters
from agent.decide import level
from agent.events import Event
from agent.features import extract
from agent.own import Cells
from agent.pipeline import Pipeline
from agent.prudence import Prudence
from agent.records import Packet, Trust, Windows
from agent.regime import REGIMES
from agent.settings import Settings
from agent.simulate import simulate
from training.peers.unsupervised import Forest

SECONDS = 60
ROUNDS = 200
WARM = 10
"""Calls of the network in a row, so that it is timed with its caches filled, as in a busy gateway."""
QUIET = 0.1
"""Quantile of the rounds that is shown: what the machine does when others let it."""
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


def microseconds_a_row(bundle: Bundle, rows: int) -> tuple[float, float]:
    """Of the network, and of the forest, in calls of that many rows."""
    recording = simulate(np.random.default_rng(0))[0]
    samples_g = cut_recording(recording, bundle.manifest.layout).samples_g
    features, forest = extract(samples_g, bundle.manifest.layout.segments), Forest()
    forest.fit(samples_g)
    taken: tuple[list[float], list[float]] = [], []
    for number in range(ROUNDS if rows == 1 else ROUNDS // 4):
        start = number * 7 % (len(features) - rows)
        part, windows = features[start : start + rows], samples_g[start : start + rows]
        for times, calls, work, given in (
            (taken[0], WARM, bundle.model.runtime.run, part),
            (taken[1], 1, forest.score, windows),
        ):
            for _ in range(calls):
                began = time.perf_counter()
                work(given)
                times.append(time.perf_counter() - began)
    network, peer = (float(np.quantile(times, QUIET)) * 1e6 / rows for times in taken)
    return network, peer


def microseconds_a_window(bundle: Bundle, wearers: int) -> float:
    """Of calibrating and deciding, in ticks of one window a wearer, every memory of every wearer full."""
    rng, calibration, hop_s = np.random.default_rng(0), bundle.model.calibration, bundle.manifest.layout.hop_s
    prudence = Prudence(calibration, level(Settings().alarms.false_alarms_per_day), hop_s, "interval_dominance")
    prudence.own.make_room(np.array([wearers * len(REGIMES) - 1]))
    cells = prudence.own.cells
    cells.ring[:], cells.learnt[:] = rng.exponential(size=cells.ring.shape), 2 * cells.ring.shape[1]
    cells.held[:, :24], cells.born[:, :24] = 8 + np.arange(24), cells.ring.shape[1] + 1
    who, trusted = np.arange(wearers), np.ones(wearers, np.bool_)
    trust = Trust(np.ones(wearers), np.zeros(wearers), ~trusted, ~trusted)
    times = []
    for tick in range(ROUNDS):
        samples = rng.normal(0, 0.1, (wearers, 3, bundle.manifest.layout.window_samples)).astype(np.float32)
        windows = Windows(who, np.full(wearers, tick * hop_s), who, who, np.ones(wearers, np.int64), samples)
        score = rng.exponential(size=wearers)
        began = time.perf_counter()
        prudence.answer(windows, calibration.rank(windows, score, trusted), trust)
        times.append(time.perf_counter() - began)
    return float(np.quantile(times, QUIET)) * 1e6 / wearers


def bytes_a_wearer(bundle: Bundle) -> int:
    """Of what is remembered of a wearer's normal wear."""
    prudence = Prudence(bundle.model.calibration, 1 / 120, bundle.manifest.layout.hop_s, "interval_dominance")
    prudence.own.make_room(np.array([len(REGIMES) - 1]))
    return sum(getattr(prudence.own.cells, field.name).nbytes for field in fields(Cells))


def main() -> None:
    bundle = open_bundle(default_bundle_path())
    print("rows a call  network, us a row  isolation forest, us a row  network / forest")
    for rows in (1, 64):
        network, peer = microseconds_a_row(bundle, rows)
        print(f"{rows:11}  {network:17.1f}  {peer:26.1f}  {network / peer:16.4f}")
    print("wearers a tick  calibrate and decide, us a window  calibration, kB a wearer")
    for wearers in (1, 64):
        print(f"{wearers:14}  {microseconds_a_window(bundle, wearers):33.1f}  {bytes_a_wearer(bundle) / 1000:24.1f}")
    print("wearers  windows  windows/s  wearers that one core keeps up with (two sensors each)")
    for wearers in WEARERS:
        seconds, windows = work_s(bundle, wearers)
        print(f"{wearers:7}  {windows:7}  {windows / seconds:9.0f}  {wearers * SECONDS / seconds:.0f}")


if __name__ == "__main__":
    main()
