"""Events in words, for a terminal."""

import io
import textwrap
from datetime import datetime
from typing import TextIO

from agent import events
from agent.events import Event, EventData

WIDTH = 112
INDENT = " " * 14


def tell(event: Event, when: str | None = None) -> str:
    """A few lines: when, who, which verdict, how sure; then the sentence that explains. An end that was seen takes one.

    Args:
        event: any phase.
        when: shown instead of the time of day (UTC) at which the event started.
    """
    data = event.data
    when = when or data.start[11:23]
    if data.summary:
        return _line(f"{when:12}  {data.wearer}  summary of the {data.summary.period}", data.sentence)
    if data.phase == "end" and not data.ended:
        return f"{when:12}  {data.wearer}  {_verdict(data)} (end)  over, it lasted {_lasted_s(data):.1f} s"
    head = f"{when:12}  {data.wearer}  {_verdict(data)} ({data.phase})  {_sureness(data)}"
    return _line(head, data.sentence)


def _line(head: str, sentence: str) -> str:
    told = textwrap.fill(sentence, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
    return f"{head}\n{told}" if told else head


def _verdict(data: EventData) -> str:
    labels = "{" + ", ".join(data.verdict) + "}"
    return f"{labels} abstains: {data.cause}" if data.cause else labels


def _sureness(data: EventData) -> str:
    if data.p_value is None:
        return "p = none, nothing could be scored"
    low, high = data.p_interval or (data.p_value, data.p_value)
    return f"p = {data.p_value:.4f} [{low:.4f}, {high:.4f}]"


def _lasted_s(data: EventData) -> float:
    return (datetime.fromisoformat(data.end) - datetime.fromisoformat(data.start)).total_seconds()


class Teller(io.StringIO):
    """A text stream of one event a line: tells each in words on `words`, and hands every line on to `file`."""

    def __init__(self, file: TextIO | None, words: TextIO) -> None:
        super().__init__()
        self._file, self._words, self._rest = file, words, ""

    def write(self, text: str) -> int:
        """Take any piece of text; a line is told once it is whole."""
        if self._file is not None:
            self._file.write(text)
        *lines, self._rest = (self._rest + text).split("\n")
        for line in filter(str.strip, lines):
            self._words.write(tell(events.decode(line.encode())) + "\n")
        return len(text)
