"""`veille report`: a wearer's weeks of arms and legs on one page."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli.page import Commands, add_command
from agent.errors import StopError

if TYPE_CHECKING:
    from agent.events import Event

PAGE = """
Write one page about the arms and legs of a wearer, from what was published: WEARER.html (plain words in English and
French, with a drawing) and WEARER.png (the drawing alone). Reads events one a line, as `veille replay --events` or
`mosquitto_sub -t 'veille/v1/+/+/wearer/+/summary/day' -t 'veille/v1/+/+/wearer/+/event/arm_use_change'
-t 'veille/v1/+/+/wearer/+/event/asymmetry_change'` write them.

Example:
  veille report anna --events days.jsonl --out reports
"""


def add_to(commands: Commands) -> None:
    """Add `report` to the command line."""
    parser = add_command(commands, "report", "a wearer's weeks of arms and legs on one page", PAGE, run)
    parser.add_argument("wearer", metavar="WEARER", help="pseudonym")
    parser.add_argument("--events", nargs="+", required=True, type=Path, metavar="E.jsonl", help="one event a line")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="folder of the page (default: here)")


def run(given: argparse.Namespace) -> int:
    """Write the page and its picture."""
    from agent.limbs.drawing import png
    from agent.limbs.page import WIDTH, draw, html, story

    told = story(_events(given.events), given.wearer)
    given.out.mkdir(parents=True, exist_ok=True)
    page, picture = given.out / f"{given.wearer}.html", given.out / f"{given.wearer}.png"
    page.write_text(html(told), encoding="utf-8")
    picture.write_bytes(png(draw(told), WIDTH, told.height))
    sys.stdout.write(f"{page}\n{picture}\n")
    return 0


def _events(paths: list[Path]) -> "Iterator[Event]":
    import msgspec

    from agent.events import decode

    for path in paths:
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise StopError(f"{path}: {error.strerror}; name a file with one event a line") from error
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    yield decode(line)
                except msgspec.DecodeError as error:
                    raise StopError(f"{path}, line {number}: no event ({error}); one event a line is needed") from error
