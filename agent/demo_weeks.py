"""`veille demo --profile`: simulated weeks of two wrists or two ankles in a minute, and the page made of them.

The simulated wearer's spans of ten minutes enter where the measures of the live path do; the books, the tests, the
events and the page are the agent's own. No broker takes part: `veille demo` shows that.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from agent.bundle import default_bundle_path, open_bundle
from agent.compose import Sender
from agent.counters import Counters
from agent.events import Event, encode, iso_time
from agent.ingest import Streams
from agent.languages import LANGUAGES
from agent.limbs.drawing import png
from agent.limbs.ledger import DAY_S
from agent.limbs.page import WIDTH, draw, html, story
from agent.limbs.tally import Tally
from agent.limbs.watch import Limbs
from agent.limbs.weeks import Course, relapse, simulate_weeks
from agent.limbs.weeks_legs import LegCourse, simulate_legs
from agent.records import Packet
from agent.settings import Limbs as Settings
from agent.settings import Person as Profile

WEARER = "simulated"
START_DAY = 20_000
SHOWN_S = 2.5
"""Seconds that a day takes on the screen."""


@dataclass(frozen=True, slots=True)
class Weeks:
    """What is shown of one profile."""

    profile: Literal["stroke", "return_to_play"]
    positions: tuple[str, str]
    about: str
    days: Callable[[np.random.Generator], Iterator[Tally]]
    begins: int
    """Day of the relapse, from 0."""


def _stroke(rng: np.random.Generator) -> Iterator[Tally]:
    course = Course(relapse(21, 15, size=0.25), spread=0.04, off={9: (9.0, 22.0)})
    return simulate_weeks(rng, course, start_day=START_DAY)


def _return_to_play(rng: np.random.Generator) -> Iterator[Tally]:
    impact = np.where(np.arange(28) < 21, 0.9, 0.68)
    course = LegCourse(np.full(28, 0.96), impact, off={9: (9.0, 22.0)})
    return simulate_legs(rng, course, start_day=START_DAY)


WEEKS = {
    "stroke": Weeks(
        "stroke",
        ("left_wrist", "right_wrist"),
        "three weeks of two wrists. SIMULATED: the left arm is paretic; from day 16 on it is used a\n"
        "quarter less; on day 10 the left sensor lies on the table from 9 to 22 h.\n",
        _stroke,
        15,
    ),
    "return_to_play": Weeks(
        "return_to_play",
        ("left_ankle", "right_ankle"),
        "four weeks of two ankles. SIMULATED: the left leg was injured; from day 22 on it lands a\n"
        "quarter more softly, and is spared; on day 10 the left sensor lies on the table from 9 to 22 h.\n",
        _return_to_play,
        21,
    ),
}


def play_weeks(
    out: Path,
    seed: int,
    profile: Literal["stroke", "return_to_play"] = "stroke",
    wait: Callable[[float], None] = time.sleep,
) -> int:
    """Show some weeks, then write `simulated.html`, `.png` and `.jsonl` into `out`.

    Returns:
        0 where the relapse was told within three days and nothing else was, else 1.
    """
    weeks = WEEKS[profile]
    limbs, events = _limbs(weeks), list[Event]()
    print(f"Veille, {weeks.about}")
    for number, day in enumerate(weeks.days(np.random.default_rng(seed)), 1):
        told = limbs.book(day, float(day.end_s[-1])) + limbs.look((START_DAY + number) * DAY_S + 700)
        for event in told:
            _say(event, number)
        events += told
        wait(SHOWN_S)
    _write(out, events)
    found = [event.data.limbs for event in events if event.data.limbs and event.data.limbs.reference == "own"]
    begins = iso_time((START_DAY + weeks.begins) * DAY_S)
    return int(len(found) != 1 or found[0].since != begins or found[0].days > 3)


def _limbs(weeks: Weeks) -> Limbs:
    bundle = open_bundle(default_bundle_path())
    layout, model = bundle.manifest.layout, bundle.model
    streams = Streams(layout, Counters())
    for position in weeks.positions:  # ten minutes of packets, from which the clocks are known
        for minute in range(10):
            times_s = START_DAY * DAY_S - 700 + 60.0 * minute + np.arange(2) / layout.rate_hz
            samples = np.tile(np.array([0, 0, 1], np.float32), (2, 1))
            streams.put(Packet(WEARER, position, times_s, samples, float(times_s[-1]) + 0.02))
    sender = Sender("demo", "laptop", bundle.id, bundle.digest, 0.01, layout, model.calibration, LANGUAGES["en"])
    return Limbs(sender, streams, Settings(wearers={WEARER: Profile(profile=weeks.profile, side="left")}))


def _say(event: Event, number: int) -> None:
    data = event.data
    if data.summary and data.summary.period == "hour":
        return
    mark = "***" if data.kind != "summary" else "   "
    print(f"day {number:2}  {mark} {data.sentence}", flush=True)


def _write(out: Path, events: list[Event]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    told = story(events, WEARER)
    (out / f"{WEARER}.jsonl").write_bytes(b"\n".join(map(encode, events)) + b"\n")
    (out / f"{WEARER}.html").write_text(html(told), encoding="utf-8")
    (out / f"{WEARER}.png").write_bytes(png(draw(told), WIDTH, told.height))
    print(f"\nThe page: {out / WEARER}.html   its picture: {out / WEARER}.png")
    print(f"made again by: veille report {WEARER} --events {out / WEARER}.jsonl")
