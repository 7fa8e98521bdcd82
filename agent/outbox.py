"""The durable queue: an event is committed here before it is sent, and deleted only when it has been delivered.

SQLite in WAL mode with synchronous=FULL: a committed row survives `kill -9` and a power cut, as far as the
disk keeps what it has confirmed. One connection and one lock, so scoring and network thread may both call.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from agent import events, surplus, unended
from agent.audience import Audience
from agent.clock import Clock, WallClock
from agent.errors import OutboxError
from agent.events import Event
from agent.outbox_file import OutboxFile, newest_seq
from agent.reserve import Reserve
from agent.settings import Outbox as Limits
from agent.surplus import Amount

log = logging.getLogger("veille")

PENDING = "SELECT seq, topic, payload, created_s FROM rows WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
FIND = "SELECT seq, topic FROM rows WHERE id = ? AND revision = ?"
NOTE = "INSERT OR IGNORE INTO acks VALUES (?, ?)"
NEWEST = 2**63 - 1
TWENTIETH = 20  # part of the rows that makes room on a full disk, so that it is not done for every event
ATTEMPTS = 4  # on a full disk: rows that are given up free whole pages only together


@dataclass(frozen=True, slots=True)
class Row:
    """An event that waits for its delivery."""

    seq: int
    topic: str
    payload: bytes
    created_s: float
    """Seconds on the gateway's clock at which it was queued."""


class Outbox:
    """Open with `Outbox.open`.

    Attributes:
        epoch: counts the starts of the agent on this gateway, from 1.
        newest_seq: the highest given so far; 0 = none.
        left_open: topic and latest revision of what had begun and not ended when the file was opened.
        dropped: rows given up since the start because the outbox, or the disk, was full.
        on_put: called after each `put`, from its thread.
    """

    def __init__(self, path: Path, limits: Limits, clock: Clock) -> None:
        self.epoch = self.newest_seq = self.dropped = 0
        self.on_put: Callable[[], None] = lambda: None
        self._limits, self._clock = limits, clock
        self._kept, self.left_open = Amount(0, 0), list[tuple[str, Event]]()
        self._reserve, self._tight = Reserve.beside(path, limits.reserve_bytes), False
        self._file = OutboxFile(path, clock, on_open=self._look, on_full=self._let_go)

    @classmethod
    def open(cls, path: str | Path, limits: Limits | int, clock: Clock | None = None) -> "Outbox":
        """Open or make the database at `path` and count one start more.

        A corrupt file is moved aside as `{path}.corrupt-{n}`, and what can still be read of it is taken over.

        Args:
            path: of the database.
            limits: the disk budget; a number = the most rows, all else by default.
            clock: none = the wall clock.

        Raises:
            OutboxError: the file cannot be opened or written, or a newer agent wrote it.
        """
        path, clock = Path(path), clock or WallClock()
        limits = Limits(max_rows=limits) if isinstance(limits, int) else limits
        try:
            outbox = cls(path, limits, clock)
        except OutboxError as error:
            if not error.disk_full:
                raise
            outbox = cls(path, limits, clock)  # the reserve was let go: there is room now
        outbox.epoch = outbox._file.count_start()
        outbox._reserve.take()
        return outbox

    @property
    def damaged(self) -> int:
        """Database files moved aside since the start because they were corrupt."""
        return self._file.damaged

    def put(self, batch: Iterable[tuple[str, Event]]) -> list[Event]:
        """Queue events in ONE transaction: after return all are on disk, after an error none is.

        Over the budget, or on a full disk, rows are given up by the policy of `agent.surplus`.

        Args:
            batch: topic and event; `seq` and `epoch` of the event are set here.

        Returns:
            The events as queued. One whose id and revision already wait here is left out.

        Raises:
            OutboxError: disk full or read-only; keep the events and try again.
        """
        batch = list(batch)
        with self._file.lock:
            self._perhaps_grow()
            for times in range(ATTEMPTS):
                try:
                    queued = self._put(batch)
                    break
                except OutboxError as error:
                    if not error.disk_full or times == ATTEMPTS - 1:
                        raise
                self._make_room(batch, 2.0 ** (times + 1))
        self.on_put()
        return queued

    def pending(self, limit: int, after: int = 0, until: int = NEWEST) -> list[Row]:
        """At most `limit` rows with `after` < `seq` <= `until`, in order of `seq`.

        Raises:
            OutboxError: the database cannot be read.
        """
        with self._file.guard() as db:
            return [Row(*values) for values in db.execute(PENDING, (after, until, limit))]

    def newest_before(self, moment_s: float) -> int:
        """The highest `seq` of a row queued before `moment_s` on the gateway's clock; 0 = none.

        Raises:
            OutboxError: the database cannot be read.
        """
        with self._file.guard() as db:
            found = db.execute("SELECT max(seq) FROM rows WHERE created_s < ?", (moment_s,)).fetchone()[0]
        return found or 0

    def acknowledge(self, seqs: Sequence[int]) -> None:
        """Delete rows that are delivered; unknown numbers are ignored.

        Raises:
            OutboxError: the rows stay and will be sent again, with the same ids.
        """
        with self._file.lock:
            with self._file.transaction() as db:
                gone = surplus.remove(db, seqs)
            self._shrink(gone)

    def confirm(self, consumer: str, keys: Iterable[tuple[str, int]], audience: Audience) -> list[int]:
        """`consumer` has these (id, revision); a row is deleted once its whole audience has it.

        Returns:
            `seq` of each row that waits here for this consumer and was not acknowledged by it before.

        Raises:
            OutboxError: nothing is noted; the rows will be sent again.
        """
        with self._file.lock:
            with self._file.guard() as db:
                found = [row for key in keys if (row := db.execute(FIND, key).fetchone())]
            awaited = [(seq, audience.of(topic)) for seq, topic in found if consumer in audience.of(topic)]
            if not awaited:
                return []
            with self._file.transaction() as db:
                new = [(seq, whole) for seq, whole in awaited if db.execute(NOTE, (seq, consumer)).rowcount]
                gone = surplus.remove(db, [seq for seq, whole in new if whole <= _who_has(db, seq)])
            self._shrink(gone)
        return [seq for seq, _ in new]

    def release(self, audience: Audience) -> None:
        """Delete the rows that their whole audience already has: a consumer may have been taken off the list.

        Raises:
            OutboxError: the database cannot be written.
        """
        with self._file.guard() as db:
            noted = db.execute("SELECT DISTINCT seq, topic FROM acks JOIN rows USING (seq)").fetchall()
            wholes = [(seq, audience.of(topic)) for seq, topic in noted]
            done = [seq for seq, whole in wholes if whole and whole <= _who_has(db, seq)]
        self.acknowledge(done)

    def depth(self) -> int:
        """Rows that wait."""
        return self._kept.rows

    def size(self) -> int:
        """Bytes of the budget that they take."""
        return self._kept.size

    def behind(self, consumers: Iterable[str]) -> dict[str, int]:
        """Rows that each consumer has not acknowledged (those that are none of its business counted in).

        Raises:
            OutboxError: the database cannot be read.
        """
        with self._file.guard() as db:
            has = dict(db.execute("SELECT consumer, count(*) FROM acks GROUP BY consumer"))
        return {name: self._kept.rows - has.get(name, 0) for name in consumers}

    def drops(self) -> dict[str, dict[str, Any]]:
        """What was ever given up on this gateway, by kind of event; see `surplus.told`.

        Raises:
            OutboxError: the database cannot be read.
        """
        with self._file.guard() as db:
            return surplus.told(db)

    def oldest_s(self) -> float:
        """Age of the oldest row in seconds; 0.0 where none waits.

        Raises:
            OutboxError: the database cannot be read.
        """
        with self._file.guard() as db:
            found = db.execute("SELECT created_s FROM rows ORDER BY seq LIMIT 1").fetchone()
        return max(0.0, self._clock.now_s() - found[0]) if found else 0.0

    def close(self) -> None:
        """Close the database; rows stay."""
        self._file.close()

    def _look(self, db: sqlite3.Connection) -> None:
        self._kept, self.newest_seq = surplus.amount(db), newest_seq(db)
        self.left_open = unended.left_open(db, self._clock.now_s())

    def _put(self, batch: list[tuple[str, Event]]) -> list[Event]:
        now_s, queued, size = self._clock.now_s(), list[Event](), 0
        with self._file.transaction() as db:
            for topic, event in batch:
                seq = self.newest_seq + len(queued) + 1
                stamped = unended.note(db, topic, msgspec.structs.replace(event, seq=seq, epoch=self.epoch), now_s)
                if added := surplus.add(db, topic, stamped, now_s):
                    queued.append(stamped)
                    size += added
            kept = Amount(self._kept.rows + len(queued), self._kept.size + size)
            excess = Amount(kept.rows - self._limits.max_rows, kept.size - self._limits.max_bytes)
            lost = surplus.give_up(db, excess, now_s)
        # Only now is it true: a failed commit leaves the numbers as they were.
        self.newest_seq += len(queued)
        self._kept = kept
        self._count_dropped(lost)
        return queued

    def _make_room(self, batch: list[tuple[str, Event]], times: float) -> None:
        """The disk is full: give up `times` the size of the batch, of rows that are no more urgent than it.

        From here on the file may not grow: its log could not be written back, and would take the room for the next one.

        Raises:
            OutboxError: even that takes more room than there is.
        """
        urgency = min(events.PRIORITIES[event.data.kind] for _, event in batch)
        size = sum(surplus.size_of(events.encode(event)) for _, event in batch)
        self._file.grow(allowed=False)
        with self._file.transaction() as db:
            excess = Amount(0, max(int(times * size), self._kept.size // TWENTIETH))
            lost = surplus.give_up(db, excess, self._clock.now_s(), urgency=urgency)
        self._count_dropped(lost)
        self._file.flush()
        self._reserve.take()

    def _let_go(self) -> None:
        self._reserve.let_go()
        self._tight = True

    def _perhaps_grow(self) -> None:
        if self._tight and self._reserve.affordable():
            self._file.grow(allowed=True)
            self._reserve.take()
            self._tight = False

    def _shrink(self, gone: Amount) -> None:
        self._kept = Amount(self._kept.rows - gone.rows, self._kept.size - gone.size)

    def _count_dropped(self, lost: Amount) -> None:
        self._shrink(lost)
        before, self.dropped = self.dropped, self.dropped + lost.rows
        if before.bit_length() != self.dropped.bit_length():  # about the 1st, 2nd, 4th, 8th ...
            log.warning("outbox full at %d rows: %d dropped so far, least urgent first", self.depth(), self.dropped)


def _who_has(db: sqlite3.Connection, seq: int) -> set[str]:
    return {row[0] for row in db.execute("SELECT consumer FROM acks WHERE seq = ?", (seq,))}
