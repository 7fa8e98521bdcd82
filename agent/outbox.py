"""The durable queue: an event is committed here before it is sent, and deleted only when the broker has it.

SQLite in WAL mode with synchronous=FULL: a committed row survives `kill -9` and a power cut, as far as the
disk keeps what it has confirmed. One connection and one lock, so scoring and network thread may both call.
"""

import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from agent import events
from agent.clock import Clock, WallClock
from agent.errors import OutboxError
from agent.events import Event

log = logging.getLogger("veille")

SCHEMA = 1
TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA journal_size_limit = 16777216;
CREATE TABLE IF NOT EXISTS rows (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again, even after all rows are deleted
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    priority INTEGER NOT NULL,
    created_s REAL NOT NULL,
    UNIQUE (id, revision)
);
CREATE INDEX IF NOT EXISTS urgency ON rows (priority DESC, seq);
CREATE TABLE IF NOT EXISTS epoch (value INTEGER NOT NULL);
"""
INSERT = """
INSERT INTO rows (seq, id, revision, topic, payload, priority, created_s) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id, revision) DO NOTHING
"""
"""A `seq` given twice would be an error, not a conflict to pass over."""
GIVE_UP = "DELETE FROM rows WHERE seq IN (SELECT seq FROM rows ORDER BY priority DESC, seq LIMIT ?)"
COPY = "INSERT OR IGNORE INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)"
FROM_BOTH_ENDS = ("SELECT * FROM rows ORDER BY seq ASC", "SELECT * FROM rows ORDER BY seq DESC")
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@dataclass(frozen=True, slots=True)
class Row:
    """An event that waits for its acknowledgement."""

    seq: int
    topic: str
    payload: bytes
    created_s: float
    """Seconds on the gateway's clock at which it was queued."""


class Outbox:
    """Open with `Outbox.open`.

    Attributes:
        epoch: counts the starts of the agent on this gateway, from 1.
        newest_seq: the highest `seq` given so far; 0 = none.
        dropped: rows given up since the start because the outbox was full.
        damaged: database files moved aside since the start because they were corrupt.
    """

    def __init__(self, path: Path, max_rows: int, clock: Clock) -> None:
        self.epoch = self.newest_seq = self.dropped = self.damaged = 0
        self._path, self._max_rows, self._clock = path, max_rows, clock
        self._depth = 0
        self._lock = threading.RLock()
        self._db = sqlite3.connect(":memory:")

    @classmethod
    def open(cls, path: str | Path, max_rows: int, clock: Clock | None = None) -> "Outbox":
        """Open or make the database at `path` and count one start more.

        A corrupt file is moved aside as `{path}.corrupt-{n}`, and what can still be read of it is taken over.

        Raises:
            OutboxError: the file cannot be opened or written, or a newer agent wrote it.
        """
        outbox = cls(Path(path), max_rows, clock or WallClock())
        try:
            outbox._connect()
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise outbox._failure(error) from error
            outbox._replace_damaged(error)
        except OSError as error:
            raise outbox._failure(error) from error
        outbox._count_start()
        return outbox

    def put(self, batch: Iterable[tuple[str, Event]]) -> list[Event]:
        """Queue events in ONE transaction: after return all are on disk, after an error none is.

        Args:
            batch: topic and event; `seq` and `epoch` of the event are set here.

        Returns:
            The events as queued. One whose id and revision already wait here is left out.

        Raises:
            OutboxError: disk full or read-only; keep the events and try again.
        """
        now_s = self._clock.now_s()
        queued: list[Event] = []
        with self._lock:
            with self._transaction() as db:
                for topic, event in batch:
                    seq = self.newest_seq + len(queued) + 1
                    stamped = msgspec.structs.replace(event, seq=seq, epoch=self.epoch)
                    if _insert(db, topic, stamped, now_s):
                        queued.append(stamped)
                lost = self._give_up(db, self._depth + len(queued) - self._max_rows)
            # Only now is it true: a failed commit leaves the numbers as they were.
            self.newest_seq += len(queued)
            self._depth += len(queued) - lost
            self._count_dropped(lost)
        return queued

    def pending(self, limit: int, after: int = 0) -> list[Row]:
        """At most `limit` rows with `seq` greater than `after`, in order of `seq`.

        Raises:
            OutboxError: the database cannot be read.
        """
        question = "SELECT seq, topic, payload, created_s FROM rows WHERE seq > ? ORDER BY seq LIMIT ?"
        with self._guard() as db:
            return [Row(*values) for values in db.execute(question, (after, limit))]

    def acknowledge(self, seqs: Sequence[int]) -> None:
        """Delete rows that the broker has; unknown numbers are ignored.

        Raises:
            OutboxError: the rows stay and will be sent again, with the same ids.
        """
        with self._lock:
            with self._transaction() as db:
                found = db.executemany("DELETE FROM rows WHERE seq = ?", [(seq,) for seq in seqs]).rowcount
            self._depth -= max(found, 0)

    def depth(self) -> int:
        """Rows that wait."""
        return self._depth

    def oldest_s(self) -> float:
        """Age of the oldest row in seconds; 0.0 where none waits.

        Raises:
            OutboxError: the database cannot be read.
        """
        with self._guard() as db:
            found = db.execute("SELECT created_s FROM rows ORDER BY seq LIMIT 1").fetchone()
        return max(0.0, self._clock.now_s() - found[0]) if found else 0.0

    def close(self) -> None:
        """Close the database; rows stay."""
        with self._lock:
            self._db.close()

    def _connect(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        (schema,) = self._db.execute("PRAGMA user_version").fetchone()
        if schema > SCHEMA:
            raise OutboxError(f"outbox {self._path}: schema {schema}, this agent reads {SCHEMA}; use the newer agent")
        self._db.executescript(TABLES + f"PRAGMA user_version = {SCHEMA};")
        (self._depth,) = self._db.execute("SELECT count(*) FROM rows").fetchone()
        self.newest_seq = _newest_seq(self._db)

    def _count_start(self) -> None:
        with self._transaction() as db:
            found = db.execute("SELECT max(value) FROM epoch").fetchone()[0]
            self.epoch = (found or 0) + 1
            db.execute("DELETE FROM epoch")
            db.execute("INSERT INTO epoch VALUES (?)", (self.epoch,))

    def _give_up(self, db: sqlite3.Connection, excess: int) -> int:
        """Delete the least urgent oldest rows, for a new alarm is worth more than an old doubt."""
        if excess <= 0:
            return 0
        return db.execute(GIVE_UP, (excess,)).rowcount

    def _count_dropped(self, lost: int) -> None:
        before, self.dropped = self.dropped, self.dropped + lost
        if before.bit_length() != self.dropped.bit_length():  # about the 1st, 2nd, 4th, 8th ...
            log.warning("outbox full at %d rows: %d dropped so far, least urgent first", self._max_rows, self.dropped)

    @contextmanager
    def _guard(self) -> Iterator[sqlite3.Connection]:
        """The database under the lock; its errors become `OutboxError`, a corrupt file is replaced."""
        with self._lock:
            try:
                yield self._db
            except sqlite3.Error as error:
                self._roll_back()
                if _is_damage(error):
                    self._replace_damaged(error)
                raise self._failure(error) from error
            except BaseException:
                self._roll_back()
                raise

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guard() as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def _failure(self, error: Exception) -> OutboxError:
        return OutboxError(f"outbox {self._path}: {error}; free the disk or make it writable, events wait in memory")

    def _replace_damaged(self, error: sqlite3.Error) -> None:
        """Move the corrupt file aside, start a new one, and take over what can be read."""
        with suppress(sqlite3.Error):
            self._db.close()
        try:
            aside = _move_aside(self._path)
            self.damaged += 1
            self._connect()
            rescued = _rescue(aside, self._db, self._clock.now_s(), self.epoch)
        except (OSError, sqlite3.Error) as second:
            raise self._failure(second) from second
        self._depth, self.newest_seq = rescued, _newest_seq(self._db)
        log.error("outbox %s is corrupt (%s): moved to %s, %d rows rescued", self._path, error, aside.name, rescued)


def _insert(db: sqlite3.Connection, topic: str, event: Event, now_s: float) -> bool:
    data, priority = event.data, events.PRIORITIES[event.data.kind]
    row = (event.seq, event.id, data.revision, topic, events.encode(event), priority, now_s)
    return db.execute(INSERT, row).rowcount == 1


def _newest_seq(db: sqlite3.Connection) -> int:
    found = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'rows'").fetchone()
    return found[0] if found else 0


def _is_damage(error: sqlite3.Error) -> bool:
    # The low byte is the primary code; the rest says more.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED


def _move_aside(path: Path) -> Path:
    """Rename the database with its side files to the first free `.corrupt-{n}`."""
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    for ending in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    return aside


def _rescue(aside: Path, db: sqlite3.Connection, now_s: float, epoch: int) -> int:
    """Copy what can be read; returns the number of rows. Numbers that cannot be read continue from the clock.

    `seq` must never be given twice. An agent that makes less than a thousand events a second on average
    stays below the milliseconds since 1970, and fewer starts than seconds since then.
    """
    with closing(sqlite3.connect(aside)) as damaged:
        db.execute("BEGIN IMMEDIATE")
        rescued = sum(_copy_rows(damaged, db, question) for question in FROM_BOTH_ENDS)
        seq, starts = int(now_s * 1000), epoch or int(now_s)
        with suppress(sqlite3.Error):
            starts = epoch or damaged.execute("SELECT max(value) FROM epoch").fetchone()[0] or starts
        with suppress(sqlite3.Error):
            seq = _newest_seq(damaged) or seq
        db.execute("DELETE FROM sqlite_sequence WHERE name = 'rows'")
        db.execute("INSERT INTO sqlite_sequence SELECT 'rows', max(?, ifnull(max(seq), 0)) FROM rows", (seq,))
        db.execute("INSERT INTO epoch VALUES (?)", (starts,))
        db.execute("COMMIT")
    return rescued


def _copy_rows(damaged: sqlite3.Connection, db: sqlite3.Connection, question: str) -> int:
    """Copy rows from one end up to the damage; only those that are still an event."""
    copied = 0
    with suppress(sqlite3.DatabaseError):
        for row in damaged.execute(question):
            with suppress(msgspec.DecodeError, TypeError, UnicodeDecodeError):
                events.decode(row[4])
                copied += db.execute(COPY, row).rowcount
    return copied
