"""`veille demo --profile stroke`: three simulated weeks of two wrists in a minute, and the page made of them.

The simulated wearer's spans of ten minutes enter where the measures of the live path do; the books, the tests, the
events and the page are the agent's own. No broker takes part: `veille demo` shows that.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from agent.bundle import default_bundle_path, open_bundle
from agent.compose import Sender
from agent.counters import Counters
from agent.events import Event, encode
from agent.ingest import Streams
from agent.limbs.drawing import png
from agent.limbs.ledger import DAY_S
from agent.limbs.page import HEIGHT, WIDTH, draw, html, story
from agent.limbs.watch import Limbs
from agent.limbs.weeks import Course, relapse, simulate_weeks
from agent.records import Packet
from agent.settings import Limbs as Settings
from agent.settings import Person as Profile

WEARER = "simulated"
DAYS, RELAPSES, OFF = 21, 15, 9
START_DAY = 20_000
SHOWN_S = 2.5
"""Seconds that a day takes on the screen."""


def play_weeks(out: Path, seed: int, wait: Callable[[float], None] = time.sleep) -> int:
    """Show three weeks, then write `simulated.html`, `.png` and `.jsonl` into `out`.

    Returns:
        0 where the relapse was told within three days and nothing else was, else 1.
    """
    limbs, events = _limbs(), list[Event]()
    course = Course(relapse(DAYS, RELAPSES, size=0.25), spread=0.04, off={OFF: (9.0, 22.0)})
    print(f"Veille, three weeks of two wrists. SIMULATED: the left arm is paretic; on day {RELAPSES + 1} it is used a")
    print(f"quarter less from then on; on day {OFF + 1} the left sensor lies on the table from 9 to 22 h.\n")
    for number, day in enumerate(simulate_weeks(np.random.default_rng(seed), course, start_day=START_DAY), 1):
        told = limbs.book(day, float(day.end_s[-1])) + limbs.look((START_DAY + number) * DAY_S + 700)
        for event in told:
            _say(event, number)
        events += told
        wait(SHOWN_S)
    _write(out, events)
    found = [event.data.limbs.since for event in events if event.data.limbs and event.data.limbs.reference == "own"]
    return int(len(found) != 1)


def _limbs() -> Limbs:
    bundle = open_bundle(default_bundle_path())
    layout, model = bundle.manifest.layout, bundle.model
    streams = Streams(layout, Counters())
    for position in ("left_wrist", "right_wrist"):  # ten minutes of packets, from which the clocks are known
        for minute in range(10):
            times_s = START_DAY * DAY_S - 700 + 60.0 * minute + np.arange(2) / layout.rate_hz
            samples = np.tile(np.array([0, 0, 1], np.float32), (2, 1))
            streams.put(Packet(WEARER, position, times_s, samples, float(times_s[-1]) + 0.02))
    sender = Sender("demo", "laptop", bundle.id, bundle.digest, 0.01, layout, model.prototypes, model.calibration)
    return Limbs(sender, streams, Settings(wearers={WEARER: Profile(profile="stroke", side="left")}))


def _say(event: Event, number: int) -> None:
    data = event.data
    if data.summary is not None and data.summary.period == "hour":
        return
    mark = "***" if data.kind != "summary" else "   "
    print(f"day {number:2}  {mark} {data.sentence}", flush=True)


def _write(out: Path, events: list[Event]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    told = story(events, WEARER)
    (out / f"{WEARER}.jsonl").write_bytes(b"\n".join(map(encode, events)) + b"\n")
    (out / f"{WEARER}.html").write_text(html(told), encoding="utf-8")
    (out / f"{WEARER}.png").write_bytes(png(draw(told), WIDTH, HEIGHT))
    print(f"\nThe page: {out / WEARER}.html   its picture: {out / WEARER}.png")
    print(f"made again by: veille report {WEARER} --events {out / WEARER}.jsonl")
