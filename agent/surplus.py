"""The rows of the outbox, and what is given up when there is no room: the full-policy, and the record of it.

Policy: the least urgent kind first, of one kind the oldest row first, a new row like any other. So a new alarm
replaces an old doubt, a new doubt never replaces an alarm. What is lost is written down in the same transaction,
so that the count outlives a crash, and is announced on `.../dropped`.
"""

import sqlite3
from collections.abc import Iterable
from typing import Any, NamedTuple

from agent.events import PRIORITIES, Event, encode, iso_time

OVERHEAD = 300
"""Bytes that a row takes beside its payload: topic, id, indexes."""
INSERT = """
INSERT INTO rows (seq, id, revision, topic, payload, priority, created_s) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id, revision) DO NOTHING
"""
"""A `seq` given twice would be an error, not a conflict to pass over."""
LEAST_URGENT_FIRST = """
SELECT seq, topic, length(payload) FROM rows WHERE priority >= ? ORDER BY priority DESC, seq
"""
WRITE_DOWN = """
INSERT INTO drops VALUES (?1, 1, ?2, ?2, ?3, ?3) ON CONFLICT (kind) DO UPDATE SET
count = count + 1, first_seq = min(first_seq, ?2), last_seq = max(last_seq, ?2), last_s = ?3
"""


class Amount(NamedTuple):
    """Of rows."""

    rows: int
    size: int
    """Bytes on disk, as far as can be told beforehand."""


def size_of(payload: bytes) -> int:
    """Bytes that a row with this payload takes."""
    return len(payload) + OVERHEAD


def amount(db: sqlite3.Connection) -> Amount:
    """All rows; reads the whole table."""
    rows, payloads = db.execute("SELECT count(*), ifnull(sum(length(payload)), 0) FROM rows").fetchone()
    return Amount(rows, payloads + rows * OVERHEAD)


def add(db: sqlite3.Connection, topic: str, event: Event, now_s: float) -> int:
    """Queue an event; returns the bytes taken, 0 = it already waits here."""
    data, payload = event.data, encode(event)
    row = (event.seq, event.id, data.revision, topic, payload, PRIORITIES[data.kind], now_s)
    return size_of(payload) * db.execute(INSERT, row).rowcount


def remove(db: sqlite3.Connection, seqs: Iterable[int]) -> Amount:
    """Delete rows with what belongs to them; unknown numbers are ignored."""
    rows = size = 0
    for seq in seqs:
        found = db.execute("SELECT length(payload) FROM rows WHERE seq = ?", (seq,)).fetchone()
        if found:
            rows, size = rows + 1, size + found[0] + OVERHEAD
            db.execute("DELETE FROM rows WHERE seq = ?", (seq,))
            db.execute("DELETE FROM acks WHERE seq = ?", (seq,))
    return Amount(rows, size)


def give_up(db: sqlite3.Connection, excess: Amount, now_s: float, *, urgency: int = 0) -> Amount:
    """Delete at least `excess`, by the policy above; rows more urgent than `urgency` (0 = most) stay."""
    chosen: list[tuple[str, int]] = []
    freed = 0
    for seq, topic, payload in db.execute(LEAST_URGENT_FIRST, (urgency,)):
        if len(chosen) >= excess.rows and freed >= excess.size:
            break
        chosen.append((topic.rsplit("/", 1)[-1], seq))
        freed += payload + OVERHEAD
    db.executemany(WRITE_DOWN, [(kind, seq, now_s) for kind, seq in chosen])
    return remove(db, [seq for _, seq in chosen])


def told(db: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """All that was ever given up: kind -> how many, from which `seq` to which, and when."""
    return {
        kind: {"count": n, "first_seq": low, "last_seq": high, "first": iso_time(first), "last": iso_time(last)}
        for kind, n, low, high, first, last in db.execute("SELECT * FROM drops ORDER BY kind")
    }
