"""Events that a consumer has for good: each once, in order whatever the order of arrival.

SQLite in WAL mode with synchronous=FULL, so that an acknowledgement is never said of something that a power cut takes
back. Of an event only the envelope is looked at: kinds and fields of a newer agent are kept like any other.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from agent.errors import OutboxError

TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS events (
    arrival INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    subject TEXT NOT NULL,
    payload BLOB NOT NULL,
    arrived_s REAL NOT NULL,
    forwarded TEXT, -- NULL = not yet; '' = done; else why it never will be
    UNIQUE (source, id, revision)
);
CREATE INDEX IF NOT EXISTS sequence ON events (source, seq);
CREATE INDEX IF NOT EXISTS unforwarded ON events (arrival) WHERE forwarded IS NULL;
"""
INSERT = """
INSERT INTO events (source, id, revision, seq, subject, payload, arrived_s) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""
Number = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class EnvelopeData(msgspec.Struct, frozen=True):
    """The part of `data` that every kind has."""

    revision: Number = 0


class Envelope(msgspec.Struct, frozen=True):
    """What a consumer needs to know of any event; the rest is for its reader."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    source: Annotated[str, msgspec.Meta(max_length=200)]
    type: str
    subject: str
    data: EnvelopeData
    seq: Number = 0


class Stored(msgspec.Struct, frozen=True):
    """An event as it lies in the inbox."""

    arrival: int
    """Counts the events in order of arrival."""
    id: str
    payload: bytes


class Inbox:
    """The database at `path`.

    Raises:
        OutboxError: it cannot be opened or written.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
            self._db.executescript(TABLES)
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def put(self, arrivals: Sequence[tuple[Envelope, bytes]], now_s: float) -> list[bool]:
        """Store what is new, in one transaction; tells of each whether it was new. After return all are on disk.

        Raises:
            OutboxError: nothing is stored; acknowledge nothing.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            new = [
                self._db.execute(
                    INSERT, (one.source, one.id, one.data.revision, one.seq, one.subject, payload, now_s)
                ).rowcount
                == 1
                for one, payload in arrivals
            ]
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise self._failure(error) from error
        return new

    def replay(self, subject: str | None = None, since_s: float = 0.0) -> Iterator[bytes]:
        """Payloads in the order in which the gateways made them, gateway by gateway.

        Args:
            subject: only this wearer's.
            since_s: only those that arrived since then, in Unix seconds.
        """
        question = "SELECT payload FROM events WHERE arrived_s >= ? AND (? IS NULL OR subject = ?) ORDER BY source, seq"
        for (payload,) in self._db.execute(question, (since_s, subject, subject)):
            yield payload

    def unforwarded(self, limit: int) -> list[Stored]:
        """The next events that nobody has passed on, in order of arrival."""
        question = "SELECT arrival, id, payload FROM events WHERE forwarded IS NULL ORDER BY arrival LIMIT ?"
        return [Stored(*row) for row in self._db.execute(question, (limit,))]

    def superseded(self, stored: Stored) -> bool:
        """Whether a later revision of the same event has been passed on already."""
        question = """
            SELECT EXISTS (SELECT 1 FROM events AS later, events AS this WHERE this.arrival = ?
            AND later.source = this.source AND later.id = this.id AND later.revision > this.revision
            AND later.forwarded = '')
        """
        (found,) = self._db.execute(question, (stored.arrival,)).fetchone()
        return bool(found)

    def forwarded(self, arrivals: Iterable[int], refused: str = "") -> None:
        """These are passed on, or never will be, for the reason given.

        Raises:
            OutboxError: they will be passed on again.
        """
        try:
            self._db.executemany("UPDATE events SET forwarded = ? WHERE arrival = ?", [(refused, n) for n in arrivals])
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def count(self) -> int:
        """Events stored."""
        return int(self._db.execute("SELECT count(*) FROM events").fetchone()[0])

    def forget(self, before_s: float) -> None:
        """Delete what arrived before then; were it sent again, it would be new."""
        self._db.execute("DELETE FROM events WHERE arrived_s < ?", (before_s,))

    def close(self) -> None:
        """Close the database; events stay."""
        self._db.close()

    def _failure(self, error: Exception) -> OutboxError:
        return OutboxError(f"inbox {self._path}: {error}; free the disk or make it writable, nothing is acknowledged")
