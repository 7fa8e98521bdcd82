"""An alarm that an agent left open when it died is ended by the next one, which claims nothing of what came after."""

import json
import random
import sqlite3
from pathlib import Path

import jsonschema
import msgspec
import pytest

from agent import events
from agent.clock import ManualClock
from agent.contract import schemas
from agent.events import Event
from agent.languages import LANGUAGES
from agent.outbox import Outbox
from agent.telling import tell
from agent.unended import KEPT_S, MOST, ended

TEMPLATE = json.loads((Path(__file__).parents[1] / "contract" / "event-of-0.1.json").read_text())
ENGLISH = LANGUAGES["en"]
NOW_S = 1_800_000_000.0


def event(name: str, phase: str = "start", revision: int = 0, kind: str = "novelty", **data) -> Event:
    data = TEMPLATE["data"] | {"kind": kind, "phase": phase, "revision": revision} | data
    return msgspec.convert(TEMPLATE | {"id": name, "type": f"org.veille.event.{kind}.v1", "data": data}, Event)


class Starts:
    """An agent's outbox, killed and opened anew; each start ends what the one before left open."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock = path, ManualClock(NOW_S)
        self.outbox: Outbox | None = None

    def start(self) -> list[Event]:
        """The ends that a start brings."""
        if self.outbox:
            self.outbox._file._db.close()  # as a kill: nothing is said
        self.outbox = Outbox.open(self.path, 10_000, self.clock)
        return self.put(*(ended(event, ENGLISH, self.clock.now_s()) for _, event in self.outbox.left_open))

    def put(self, *put: Event) -> list[Event]:
        return self.outbox.put([(f"t/{one.id}", one) for one in put])

    def told(self, name: str) -> list[tuple[str, int]]:
        """Phase and revision of all that a subscriber would hear of an event."""
        found = [events.decode(row.payload) for row in self.outbox.pending(1000)]
        return [(one.data.phase, one.data.revision) for one in found if one.id == name]


@pytest.fixture
def starts(tmp_path):
    made = Starts(tmp_path / "outbox.sqlite")
    made.start()
    yield made
    made.outbox.close()


def test_what_is_open_at_a_kill_ends_at_the_next_start_and_what_had_ended_does_not(starts):
    starts.put(event("a"), event("b", kind="sensor_fault"), event("c"))
    starts.put(event("a", "update", 1), event("c", "end", 1), event("d", kind="arm_use_change"))
    ends = starts.start()
    assert [(one.id, one.data.kind, one.data.phase, one.data.revision) for one in ends] == [
        ("a", "novelty", "end", 2),
        ("b", "sensor_fault", "end", 1),
    ]
    assert starts.told("c") == [("start", 0), ("end", 1)]
    assert [row.topic for row in starts.outbox.pending(1000)][-2:] == ["t/a", "t/b"]
    assert starts.start() == []


def test_an_end_that_waits_in_the_outbox_is_not_told_again(starts):
    starts.put(event("a"))
    starts.outbox.acknowledge([1])
    starts.put(event("a", "end", 1))
    assert starts.start() == []
    assert starts.told("a") == [("end", 1)]


def test_an_end_that_could_not_be_committed_leaves_the_event_open(starts):
    starts.put(event("a"))
    broken = msgspec.structs.replace(event("b"), data=None)
    with pytest.raises(AttributeError):
        starts.put(event("a", "end", 1), broken)
    assert [one.id for one in starts.start()] == ["a"]


def test_a_start_that_was_acknowledged_and_gone_is_ended_all_the_same(starts):
    starts.put(event("a"))
    starts.outbox.acknowledge([1])
    assert starts.outbox.depth() == 0
    assert [one.id for one in starts.start()] == ["a"]


def test_what_is_found_again_after_the_restart_is_told_behind_its_end(starts):
    """The last seconds of packets are scored again: the same happening, the same id, revisions from 0 on."""
    starts.put(event("a"))
    for _ in range(2):
        starts.start()
        starts.put(event("a"))
        starts.put(event("a", "update", 1))
    starts.put(event("a", "end", 2))
    assert starts.start() == []
    told = starts.told("a")
    assert [phase for phase, _ in told] == ["start", "end", "start", "update", "end", "start", "update", "end"]
    assert [revision for _, revision in told] == sorted({revision for _, revision in told})


def test_a_drift_that_is_remembered_goes_on_behind_the_end_of_each_restart_and_stop(starts):
    """The memory may be older than what was told; a clean stop in between takes nothing back."""
    starts.put(event("a", kind="drift"), event("a", "update", 1, kind="drift"))
    starts.start()
    starts.put(event("a", "update", 1, kind="drift"))
    starts.put(event("a", "end", 2, kind="drift"))  # a clean stop
    assert starts.start() == []
    starts.put(event("a", "update", 3, kind="drift"))
    revisions = [revision for _, revision in starts.told("a")]
    assert len(revisions) == 6
    assert revisions == sorted(set(revisions))


def test_a_lost_outbox_begins_anew_and_claims_nothing(starts):
    starts.put(event("a"))
    starts.outbox.close()
    for path in starts.path.parent.glob("outbox.sqlite*"):
        path.unlink()
    assert starts.start() == []
    assert starts.put(event("a"))


def _pages(path: Path) -> list[int]:
    """4 KiB pages of `path` that hold events."""
    content = path.read_bytes()
    return [n for n in range(len(content) // 4096) if b"org.veille" in content[4096 * n : 4096 * (n + 1)]]


def test_of_a_corrupt_outbox_the_open_events_that_can_be_read_are_ended(starts):
    names = [f"e{n}" for n in range(100)]
    starts.put(*map(event, names))
    starts.outbox.acknowledge(range(1, 101))  # what is left is in the table of open events alone
    starts.outbox._file._db.execute("VACUUM")
    starts.outbox.close()
    page = _pages(starts.path)[-10]
    with starts.path.open("r+b") as file:
        file.seek(4096 * page)
        file.write(random.Random(1).randbytes(4096))
    found = {one.id for one in starts.start()}
    assert starts.outbox.damaged == 1
    assert 50 < len(found) < 100
    assert found < set(names)


def test_a_file_that_is_no_database_is_replaced_and_the_watch_begins(starts):
    starts.put(event("a"))
    starts.outbox.close()
    for path in starts.path.parent.glob("outbox.sqlite-*"):
        path.unlink()
    starts.path.write_bytes(b"not a database" * 1000)
    assert starts.start() == []
    assert starts.put(event("a"))


def test_an_open_event_that_cannot_be_read_does_not_keep_the_watch_from_starting(starts, caplog):
    starts.put(event("a"), event("b"))
    starts.outbox.close()
    with sqlite3.connect(starts.path) as database:
        database.execute("UPDATE unended SET payload = x'00ff' WHERE id = 'a'")
    assert [one.id for one in starts.start()] == ["b"]
    assert "t/a that was open cannot be ended" in caplog.text


def test_what_a_restart_ended_is_forgotten_after_a_month_and_what_is_open_never(starts):
    starts.put(event("a"), event("b", kind="drift"))
    starts.start()
    starts.put(event("c"))
    starts.clock.set(NOW_S + KEPT_S + 1)
    assert [one.id for one in starts.start()] == ["c"]
    starts.outbox.close()
    with sqlite3.connect(starts.path) as database:
        assert database.execute("SELECT id FROM unended").fetchall() == [("c",)]


def test_no_more_than_can_be_open_at_once_is_remembered_the_latest_told_first(starts):
    starts.put(*(event(f"e{n}") for n in range(MOST)))
    starts.put(event("e0", "update", 1))
    starts.put(event("new1"), event("new2"))
    ended_now = {one.id for one in starts.start()}
    assert ended_now == {f"e{n}" for n in range(MOST)} - {"e1", "e2"} | {"new1", "new2"}


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
@pytest.mark.parametrize("kind", ["novelty", "sensor_fault", "abstention", "silence", "drift"])
def test_the_end_says_that_nothing_is_known_and_the_contract_takes_it(language, kind):
    place = {"position": "waist", "axis": "z", "start_s": -0.64, "end_s": 0.0, "share": 0.5}
    before = event("a", "update", 3, kind, sentence="waist: " + "a much wider span than usual, " * 20,
                   contributions=[place] * 12)  # fmt: skip
    one = ended(before, language, NOW_S)
    data = one.data
    assert (data.phase, data.revision, data.ended) == ("end", 4, "restart")
    assert one.time == "2027-01-15T08:00:00.000Z"
    assert (data.start, data.end, data.verdict) == (before.data.start, before.data.end, before.data.verdict)
    assert data.end in data.sentence
    assert before.data.sentence in data.sentence
    said = {"en": ("restarted", "not known", "go and look"), "fr": ("relancé", "n'est pas connue", "aller voir")}
    assert all(words in data.sentence for words in said[language.name])
    assert not any(words in data.sentence for words in ("over", "normal", "terminé"))
    assert len(events.encode(one)) <= 2048
    for name in ("event", kind):
        jsonschema.Draft202012Validator(schemas.schema(name)).validate(json.loads(events.encode(one)))
    assert " ".join(data.sentence.split()) in " ".join(tell(one).split()).replace("- ", "-")


def test_other_ends_say_nothing_of_a_restart():
    assert "ended" not in json.loads(events.encode(event("a", "end", 1)))["data"]
    assert "over, it lasted" in tell(event("a", "end", 1))
