"""Read the audit log, and find what was done to it."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from agent.audit import BEGINNING, NAME, SET_ASIDE
from agent.errors import StopError

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line."""

    seq: int
    time: str
    kind: str
    data: dict[str, Any]
    previous: str
    """SHA-256 of the line before."""


@dataclass(slots=True)
class Examined:
    """What was found of a log."""

    entries: int = 0
    first_seq: int = 0
    last_seq: int = 0
    head: str = BEGINNING
    torn: int = 0
    """Bytes of a last line that was being written when the power went; no fault."""
    faults: list[str] = field(default_factory=list)
    witnessed: bool = False
    """Whether the head that was asked for is among the lines."""


def lines(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Where and what, oldest first; the last may lack its newline.

    Raises:
        StopError: there is no log.
    """
    files = [*sorted(folder.glob(SET_ASIDE)), folder / NAME]
    if not any(path.exists() for path in files):
        raise StopError(f"{folder}: no audit log; the agent has never run here, or name another folder")
    for path in files:
        if path.exists():
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    yield f"{path.name}:{number}", line


def entries(folder: Path) -> Iterator[Entry]:
    """All entries that can be read."""
    for _, line in lines(folder):
        try:
            yield msgspec.json.decode(line, type=Entry)
        except UNREADABLE:
            continue


def examine(folder: Path, witness: str | None = None) -> Examined:
    """Follow the chain from the oldest line that is kept.

    Args:
        folder: of the log.
        witness: a head that somebody has kept; it must be among the lines.
    """
    found = Examined()
    for where, line in lines(folder):
        if not line.endswith(b"\n"):
            found.torn = len(line)
            continue
        _follow(found, where, line[:-1])
        found.witnessed |= found.head == witness
    if witness is not None and not found.witnessed:
        found.faults.append(f"no line has the digest {witness}: lines that were there are gone, or were changed")
    return found


def _follow(found: Examined, where: str, line: bytes) -> None:
    """One line more."""
    try:
        entry = msgspec.json.decode(line, type=Entry)
    except UNREADABLE as error:
        found.faults.append(f"{where}: no entry: {error}")
    else:
        if found.entries == 0:
            found.first_seq = entry.seq
            if entry.seq == 1 and entry.previous != BEGINNING:
                found.faults.append(f"{where}: the first line follows another one")
        elif entry.previous != found.head:
            found.faults.append(f"{where}: does not follow the line before it: a line was changed, removed or put in")
        elif entry.seq != found.last_seq + 1:
            found.faults.append(f"{where}: number {entry.seq} after {found.last_seq}")
        found.entries, found.last_seq = found.entries + 1, entry.seq
    found.head = hashlib.sha256(line).hexdigest()
