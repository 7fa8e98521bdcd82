"""What was told to have begun and not to have ended, so that an agent that died leaves no alarm standing for ever.

An event is noted here in the transaction that queues it, and its end strikes it out. What is still open when an agent
starts was left by one that died: it gets an end that says so, and that nothing is known of what came after. Where the
same happening is found again afterwards (its last seconds are scored again, a drift is remembered), its revisions go on
behind that end, for the highest one holds.
"""

import logging
import sqlite3

import msgspec

from agent import events
from agent.compose import light
from agent.errors import first_line
from agent.events import Event, iso_time
from agent.languages import Language

log = logging.getLogger("veille")

ENDING = ("novelty", "sensor_fault", "abstention", "silence", "drift")
"""Kinds of event that end; a change of limbs does not."""
RESTART = "restart"
KEPT_S = 30 * 86_400.0
"""So long the revisions of what a restart ended are remembered."""
SEEN = "SELECT base FROM unended WHERE id = ?"
NOTE = "INSERT OR REPLACE INTO unended VALUES (?, ?, ?, ?, ?)"
MOST = 1000
"""Noted at once, the latest told; 64 wearers with all that can be open hold fewer. 2 MB."""
BOUND = """
DELETE FROM unended WHERE rowid = (SELECT min(rowid) FROM unended) AND (SELECT count(*) FROM unended) > ?
"""


def note(db: sqlite3.Connection, topic: str, event: Event, now_s: float) -> Event:
    """The event as it is to be queued: with a revision behind all that were told before the restart."""
    data = event.data
    if data.kind not in ENDING:
        return event
    if data.ended == RESTART:
        base = data.revision + 1
    else:
        found = db.execute(SEEN, (event.id,)).fetchone()
        base = found[0] if found else 0
        event = msgspec.structs.replace(event, data=msgspec.structs.replace(data, revision=data.revision + base))
    if data.phase == "end" and not base:
        db.execute("DELETE FROM unended WHERE id = ?", (event.id,))
    else:
        db.execute(NOTE, (event.id, base, now_s, topic, b"" if data.phase == "end" else events.encode(event)))
        db.execute(BOUND, (MOST,))
    return event


def left_open(db: sqlite3.Connection, now_s: float) -> list[tuple[str, Event]]:
    """Topic and latest revision of all that is open; forgets what a restart ended long ago."""
    db.execute("DELETE FROM unended WHERE payload = x'' AND told_s < ?", (now_s - KEPT_S,))
    found: list[tuple[str, Event]] = []
    for topic, payload in db.execute("SELECT topic, payload FROM unended WHERE payload != x'' ORDER BY told_s, id"):
        try:
            found.append((topic, events.decode(payload)))
        except msgspec.DecodeError as error:  # it would keep every start from watching
            log.warning("an event on %s that was open cannot be ended: %s", topic, first_line(error))
    return found


def ended(event: Event, words: Language, now_s: float) -> Event:
    """Its end by a restart of the agent, at `now_s`."""
    data = event.data
    sentence = words.restarted.format(since=data.end, before=data.sentence)
    end = {"phase": "end", "revision": data.revision + 1, "ended": RESTART, "sentence": sentence}
    data = msgspec.structs.replace(data, **end)
    return light(msgspec.structs.replace(event, time=iso_time(now_s), historical=False, data=data))
