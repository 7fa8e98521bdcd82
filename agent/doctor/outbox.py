"""The durable queue: whole, not long, and moving."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from agent.doctor.finding import Finding, Look
from agent.outbox_file import SCHEMA

STUCK_S = 600.0
"""An event that waits longer than this is no longer news."""


def look_at_outbox(look: Look) -> Iterator[Finding]:
    """Read only: this counts no start and takes no lock that an agent needs."""
    path = Path(look.settings.state_dir) / look.settings.outbox.path
    if not path.exists():
        yield Finding("outbox", "ok", "not there yet: the agent has never run here")
        return
    try:
        whole, schema, depth, oldest_s = _read(path)
    except sqlite3.Error as error:
        whole, schema, depth, oldest_s = str(error), 0, 0, None
    waited_s = look.machine.now_s() - oldest_s if oldest_s is not None else 0.0
    if schema > SCHEMA:
        told = f"{path}: schema {schema}, this agent reads {SCHEMA}"
        yield Finding("outbox", "fail", told, "install the newer agent again", "outbox_schema_newer")
    elif whole != "ok":
        mend = "restart the agent: it saves what can be read and moves the file aside"
        yield Finding("outbox", "fail", f"{path}: {whole}", mend, "outbox_damaged")
    elif depth > look.settings.outbox.max_rows // 2:
        told = f"{depth} events wait, over half of max_rows"
        yield Finding("outbox", "warn", told, "see why the broker or a consumer takes none", "outbox_filling")
    elif waited_s > STUCK_S:
        told = f"{depth} events wait, the oldest for {waited_s / 60:.0f} min"
        mend = "see `broker` above, and whether each of [delivery] consumers runs and acknowledges"
        yield Finding("outbox", "warn", told, mend, "outbox_stuck")
    else:
        yield Finding("outbox", "ok", f"whole, {depth} events wait")


def _read(path: Path) -> tuple[str, int, int, float | None]:
    """Whole or not, schema, rows, when the oldest was queued."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        (schema,) = database.execute("PRAGMA user_version").fetchone()
        if schema > SCHEMA:
            return "ok", schema, 0, None
        (whole,) = database.execute("PRAGMA quick_check(1)").fetchone()
        depth, oldest_s = database.execute("SELECT count(*), min(created_s) FROM rows").fetchone()
    return whole, schema, depth, oldest_s
