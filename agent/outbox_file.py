"""The outbox's database file: its tables, and what can be saved of a file that is damaged."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import msgspec

from agent import events
from agent.clock import Clock
from agent.errors import OutboxError

log = logging.getLogger("veille")

SCHEMA = 1
TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA journal_size_limit = 16777216;
PRAGMA wal_autocheckpoint = 1000; -- 4 MB of log: it fits the reserve, and is seldom in the way of an event
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
CREATE TABLE IF NOT EXISTS acks (
    seq INTEGER NOT NULL,
    consumer TEXT NOT NULL,
    PRIMARY KEY (seq, consumer)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS drops (
    kind TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    first_s REAL NOT NULL,
    last_s REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unended (
    id TEXT PRIMARY KEY,
    base INTEGER NOT NULL, -- added to the revisions of who finds it again
    told_s REAL NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL -- the latest event; empty = a restart has ended it
);
"""
"""`acks`, `drops` and `unended` came later; an agent that does not know them may use the file all the same."""
COPY = "INSERT OR IGNORE INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)"
COPY_UNENDED = "INSERT OR IGNORE INTO unended VALUES (?, ?, ?, ?, ?)"
FROM_BOTH_ENDS = ("SELECT * FROM rows ORDER BY seq ASC", "SELECT * FROM rows ORDER BY seq DESC")
MOST_PAGES = 1073741823
"""SQLite's own limit."""
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class OutboxFile:
    """The open database under one lock; its errors become `OutboxError`, a corrupt file is replaced.

    Args:
        path: of the database; made where it is not there.
        clock: gives the numbers that can no longer be read of a corrupt file.
        on_open: called with each database that is opened here, before anyone else uses it.
        on_full: called when there was no room on the disk, so that there may be some at the next attempt.

    Attributes:
        lock: reentrant; held by whoever uses the database.
        damaged: database files moved aside so far because they were corrupt.

    Raises:
        OutboxError: the file cannot be opened or written, or a newer agent wrote it.
    """

    def __init__(
        self, path: Path, clock: Clock, on_open: Callable[[sqlite3.Connection], None], on_full: Callable[[], None]
    ) -> None:
        self.lock, self.damaged = threading.RLock(), 0
        self._path, self._clock, self._on_open, self._on_full = path, clock, on_open, on_full
        self._epoch = 0
        try:
            self._db = connect(path)
            on_open(self._db)
        except sqlite3.Error as error:
            if code(error) not in DAMAGED:
                raise self._failure(error) from error
            self._replace(error)
        except OSError as error:
            raise self._failure(error) from error

    def count_start(self) -> int:
        """Count one start of the agent more; returns the number of starts."""
        with self.transaction() as db:
            found = db.execute("SELECT max(value) FROM epoch").fetchone()[0]
            self._epoch = (found or 0) + 1
            db.execute("DELETE FROM epoch")
            db.execute("INSERT INTO epoch VALUES (?)", (self._epoch,))
        return self._epoch

    @contextmanager
    def guard(self) -> Iterator[sqlite3.Connection]:
        """The database under the lock.

        Raises:
            OutboxError: it failed; what was begun is undone.
        """
        with self.lock:
            try:
                yield self._db
            except sqlite3.Error as error:
                self._roll_back()
                if code(error) in DAMAGED:
                    self._db.close()
                    self._replace(error)
                raise self._failure(error) from error
            except BaseException:
                self._roll_back()
                raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The same; all that is done in it is committed at its end, or nothing."""
        with self.guard() as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")

    def grow(self, allowed: bool) -> None:
        """Whether the file may become larger; where it may not, only pages that were freed are used again.

        Raises:
            OutboxError: the database cannot be read.
        """
        with self.guard() as db:
            (pages,) = db.execute("PRAGMA page_count").fetchone()
            db.execute(f"PRAGMA max_page_count = {MOST_PAGES if allowed else pages}")

    def flush(self) -> None:
        """Write the log into the file, as far as there is room."""
        with suppress(OutboxError), self.guard() as db:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Close the database; rows stay."""
        with self.lock:
            self._db.close()

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def _failure(self, error: Exception) -> OutboxError:
        failure = OutboxError(f"outbox {self._path}: {error}; free the disk or make it writable, events wait in memory")
        failure.disk_full = code(error) == sqlite3.SQLITE_FULL
        if failure.disk_full:
            self._on_full()
        return failure

    def _replace(self, error: sqlite3.Error) -> None:
        """Move the corrupt file aside, start a new one, and take over what can be read."""
        try:
            aside = move_aside(self._path)
            self.damaged += 1
            self._db = connect(self._path)
            rescued = rescue(aside, self._db, self._clock.now_s(), self._epoch)
            self._on_open(self._db)
        except (OSError, sqlite3.Error) as second:
            raise self._failure(second) from second
        log.error("outbox %s is corrupt (%s): moved to %s, %d rows rescued", self._path, error, aside.name, rescued)


def connect(path: Path) -> sqlite3.Connection:
    """Open or make the database.

    Raises:
        OutboxError: a newer agent wrote it.
        sqlite3.Error: it cannot be opened, or is damaged.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        (schema,) = db.execute("PRAGMA user_version").fetchone()
        if schema > SCHEMA:
            raise OutboxError(f"outbox {path}: schema {schema}, this agent reads {SCHEMA}; use the newer agent")
        db.executescript(TABLES + f"PRAGMA user_version = {SCHEMA};")
    except BaseException:
        db.close()
        raise
    return db


def newest_seq(db: sqlite3.Connection) -> int:
    """The highest `seq` ever given; 0 = none."""
    found = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'rows'").fetchone()
    return found[0] if found else 0


def code(error: Exception) -> int:
    """SQLite's primary error code; 0 = none."""
    # The low byte is the primary code; the rest says more.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def move_aside(path: Path) -> Path:
    """Rename the database with its side files to the first free `.corrupt-{n}`."""
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    for ending in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    return aside


def rescue(aside: Path, db: sqlite3.Connection, now_s: float, epoch: int) -> int:
    """Copy what can be read; returns the number of rows. Numbers that cannot be read continue from the clock.

    `seq` must never be given twice. An agent that makes less than a thousand events a second on average
    stays below the milliseconds since 1970, and fewer starts than seconds since then.
    """
    with closing(sqlite3.connect(aside)) as damaged:
        db.execute("BEGIN IMMEDIATE")
        rescued = sum(_copy_rows(damaged, db, question, COPY) for question in FROM_BOTH_ENDS)
        _copy_rows(damaged, db, "SELECT * FROM unended", COPY_UNENDED)
        seq, starts = int(now_s * 1000), epoch or int(now_s)
        with suppress(sqlite3.Error):
            starts = epoch or damaged.execute("SELECT max(value) FROM epoch").fetchone()[0] or starts
        with suppress(sqlite3.Error):
            seq = newest_seq(damaged) or seq
        with suppress(sqlite3.Error):
            db.executemany("INSERT INTO drops VALUES (?, ?, ?, ?, ?, ?)", list(damaged.execute("SELECT * FROM drops")))
        db.execute("DELETE FROM sqlite_sequence WHERE name = 'rows'")
        db.execute("INSERT INTO sqlite_sequence SELECT 'rows', max(?, ifnull(max(seq), 0)) FROM rows", (seq,))
        db.execute("INSERT INTO epoch VALUES (?)", (starts,))
        db.execute("COMMIT")
    return rescued


def _copy_rows(damaged: sqlite3.Connection, db: sqlite3.Connection, question: str, copy: str) -> int:
    """Copy rows from one end up to the damage; only those that are still an event."""
    copied = 0
    with suppress(sqlite3.DatabaseError):
        for row in damaged.execute(question):
            with suppress(msgspec.DecodeError, TypeError, UnicodeDecodeError):
                events.decode(row[4])
                copied += db.execute(copy, row).rowcount
    return copied
