"""The audit log: what was done on this gateway, one line each, none of which can be changed without a trace.

Each line holds the SHA-256 of the line before it. Whoever changes, removes or inserts a line must write all later ones
anew, and then the head, the digest of the last line, is another: `/health` tells it every half-minute, so whoever keeps
these messages holds the proof (`veille audit verify --head`). A chain without such a witness shows accidents and
careless changes, no more.

A line is on the disk (fsync) before `write` returns. A last line torn by a power cut was never acknowledged to anybody;
it is cut off, and that is a line too. Agent and updater write to one log, one at a time (flock). The log is bounded:
a full file is set aside, the next begins with the digest of its last line, and when the oldest goes, a line says so.
"""

import fcntl
import hashlib
import json
import logging
import os
from collections import deque
from pathlib import Path
from typing import IO, Any, NamedTuple

from agent.clock import Clock
from agent.durable import sync
from agent.events import iso_time

log = logging.getLogger("veille")

NAME = "audit.jsonl"
SET_ASIDE = "audit.*.jsonl"
BEGINNING = "0" * 64
"""What the very first line holds for the one before it."""
MAX_BYTES = 4 << 20
"""Of one file: some 15,000 lines, years of a quiet gateway."""
KEPT_FILES = 8
LONGEST_LINE = 64 << 10
MOST_WAITING = 1000
"""Lines kept in memory while the disk takes none."""


class Head(NamedTuple):
    """The end of a chain."""

    seq: int
    digest: str


class AuditLog:
    """Appends; may be opened by several programs at once.

    Args:
        folder: of the log; made where it is not there.
        clock: stamps each line.
        max_bytes: a file beyond this is set aside.
        kept_files: so many of those are kept.
    """

    def __init__(self, folder: Path, clock: Clock, *, max_bytes: int = MAX_BYTES, kept_files: int = KEPT_FILES) -> None:
        self.head = Head(0, BEGINNING)
        """After the last line that is on the disk."""
        self.errors = 0
        self._folder, self._clock, self._max_bytes, self._kept_files = folder, clock, max_bytes, kept_files
        self._waiting: deque[tuple[float, str, dict[str, Any]]] = deque()
        self._size = -1

    @property
    def waiting(self) -> int:
        """Lines that the disk has not taken yet."""
        return len(self._waiting)

    def write(self, kind: str, **data: Any) -> None:
        """One line, on the disk when this returns; where the disk takes none it waits, for watching goes on."""
        self._waiting.append((self._clock.now_s(), kind, data))
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._locked() as file:
                self._append(file)
        except OSError as error:
            self.errors += 1
            log.warning("audit log %s: %s; %d lines wait", self._folder, error.strerror, len(self._waiting))
            while len(self._waiting) > MOST_WAITING:
                self._waiting.popleft()

    def _locked(self) -> IO[bytes]:
        """The current file under the lock, which goes with the file; another program may just have set it aside."""
        path = self._folder / NAME
        while True:
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "r+b", buffering=0)
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists() and os.fstat(file.fileno()).st_ino == path.stat().st_ino:
                return file
            file.close()

    def _append(self, file: IO[bytes]) -> None:
        size = os.fstat(file.fileno()).st_size
        if size != self._size:
            self._catch_up(file, size)
        while self._waiting:
            at_s, kind, data = self._waiting[0]
            self._line(file, at_s, kind, data)
            self._waiting.popleft()
        self._size = os.fstat(file.fileno()).st_size
        if self._size > self._max_bytes:
            self._set_aside()

    def _line(self, file: IO[bytes], at_s: float, kind: str, data: dict[str, Any]) -> None:
        seq = self.head.seq + 1
        entry = {"seq": seq, "time": iso_time(at_s), "kind": kind, "data": data, "previous": self.head.digest}
        line = _encoded(entry)
        if len(line) >= LONGEST_LINE:
            line = _encoded(entry | {"data": {"too_long": len(line)}})
        before = os.fstat(file.fileno()).st_size
        try:
            _write_all(file, line + b"\n")
            os.fsync(file.fileno())
        except OSError:
            os.ftruncate(file.fileno(), before)
            raise
        self.head = Head(seq, hashlib.sha256(line).hexdigest())

    def _catch_up(self, file: IO[bytes], size: int) -> None:
        """Another program has written, or this one has just begun: where does the chain end?"""
        end = tail(file.fileno(), size)
        torn = size - end.whole
        if torn:
            os.lseek(file.fileno(), end.whole, os.SEEK_SET)
            lost = os.read(file.fileno(), min(torn, LONGEST_LINE))
            os.ftruncate(file.fileno(), end.whole)
        self.head = end.head if end.whole else self._head_set_aside()
        if torn:
            note = {"bytes": torn, "sha256": hashlib.sha256(lost).hexdigest()}
            self._line(file, self._clock.now_s(), "torn_line_cut_off", note)

    def _head_set_aside(self) -> Head:
        """Of the newest file that is full, where the current one is empty."""
        files = sorted(self._folder.glob(SET_ASIDE))
        if not files:
            return Head(0, BEGINNING)
        with files[-1].open("rb") as file:
            return tail(file.fileno(), files[-1].stat().st_size).head

    def _set_aside(self) -> None:
        """Begin a new file; the lock stays with the old one, so nobody else is writing."""
        path = self._folder / NAME
        path.rename(self._folder / f"audit.{self.head.seq:012d}.jsonl")
        sync(self._folder)
        self._size = -1
        files = sorted(self._folder.glob(SET_ASIDE))
        for file in files[: -self._kept_files]:
            with file.open("rb") as old:
                gone = tail(old.fileno(), file.stat().st_size).head
            self.write("oldest_forgotten", up_to_seq=gone.seq, digest=gone.digest)
            file.unlink()


class Tail(NamedTuple):
    """How a file of lines ends."""

    whole: int
    """Bytes up to the end of the last whole line."""
    head: Head


def tail(handle: int, size: int) -> Tail:
    """Look at the end of a file; lines are bounded, so the last two lie within reach."""
    start = max(0, size - 4 * LONGEST_LINE)
    end = os.pread(handle, size - start, start)
    whole = end.rfind(b"\n") + 1
    lines = end[:whole].splitlines()
    if not lines:
        return Tail(0, Head(0, BEGINNING))
    seq = next((found for found in map(_seq, reversed(lines)) if found is not None), 0)
    return Tail(start + whole, Head(seq, hashlib.sha256(lines[-1]).hexdigest()))


def _encoded(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()


def _seq(line: bytes) -> int | None:
    try:
        return int(json.loads(line)["seq"])
    except (ValueError, KeyError, TypeError):
        return None


def _write_all(file: IO[bytes], content: bytes) -> None:
    """A disk that is nearly full takes a part."""
    while content:
        content = content[file.write(content) or 0 :]
