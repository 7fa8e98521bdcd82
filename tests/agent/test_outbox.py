"""What is committed stays, whatever happens to the agent, the disk or the file."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from agent import events
from agent.clock import ManualClock
from agent.errors import OutboxError
from agent.events import Event
from agent.outbox import Outbox

ROOT = Path(__file__).parents[2]
TEMPLATE = {
    "id": "e0",
    "source": "veille/site/gateway",
    "type": "org.veille.event.novelty.v1",
    "subject": "w1",
    "time": "2026-11-23T12:00:00.000Z",
    "data": {
        "kind": "novelty",
        "phase": "start",
        "revision": 0,
        "wearer": "w1",
        "start": "2026-11-23T12:00:00.000Z",
        "end": "2026-11-23T12:00:00.000Z",
        "verdict": ["novelty"],
        "sentence": "Unlike normal movement.",
        "score": 4.5,
        "p_value": 0.001,
        "p_interval": [0.0005, 0.002],
        "alpha": 0.01,
        "belief": {"normal": 0, "noise": 0, "novelty": 1},
        "plausibility": {"normal": 0, "noise": 0, "novelty": 1},
        "spread": None,
        "promise_per_day": 24,
        "quality": {},
        "positions": {"waist": 4.5},
        "bundle": "b",
        "bundle_digest": "0" * 64,
        "scored": "2026-11-23T12:00:00.100Z",
    },
}


def event(name: str, kind: str = "novelty", revision: int = 0) -> Event:
    data = TEMPLATE["data"] | {"kind": kind, "revision": revision}
    return msgspec.convert(TEMPLATE | {"id": name, "data": data}, Event)


def batch(*names: str, kind: str = "novelty") -> list[tuple[str, Event]]:
    return [(f"t/{name}", event(name, kind)) for name in names]


def ids(outbox: Outbox) -> list[str]:
    return [events.decode(row.payload).id for row in outbox.pending(10_000)]


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "state" / "outbox.sqlite"


@pytest.fixture
def opened(path):
    """Open the outbox at `path`, again and again; all are closed at the end."""
    boxes: list[Outbox] = []

    def open_one(max_rows: int = 1000, clock: ManualClock | None = None) -> Outbox:
        boxes.append(Outbox.open(path, max_rows, clock))
        return boxes[-1]

    yield open_one
    for box in boxes:
        box.close()


def test_rows_wait_in_order_and_carry_seq_and_epoch(opened):
    outbox = opened()
    queued = outbox.put(batch("a", "b")) + outbox.put(batch("c"))
    assert [(one.id, one.seq, one.epoch) for one in queued] == [("a", 1, 1), ("b", 2, 1), ("c", 3, 1)]
    rows = outbox.pending(10)
    assert [events.decode(row.payload) for row in rows] == queued
    assert [(row.seq, row.topic) for row in rows] == [(1, "t/a"), (2, "t/b"), (3, "t/c")]
    assert [row.seq for row in outbox.pending(1, after=1)] == [2]
    assert outbox.depth() == 3


def test_acknowledged_rows_are_gone_and_unknown_numbers_are_ignored(opened):
    outbox = opened()
    outbox.put(batch("a", "b", "c"))
    outbox.acknowledge([1, 3, 99])
    outbox.acknowledge([1])
    assert ids(outbox) == ["b"]
    assert outbox.depth() == 1


def test_a_seq_is_never_given_twice(opened):
    outbox = opened()
    outbox.put(batch("a", "b"))
    outbox.acknowledge([1, 2])
    outbox.close()
    again = opened()
    assert [one.seq for one in again.put(batch("c"))] == [3]


def test_each_start_counts_one_epoch_more(opened):
    assert [opened().epoch for _ in range(3)] == [1, 2, 3]


def test_the_same_event_is_not_queued_twice_while_it_waits(opened):
    outbox = opened()
    outbox.put(batch("a"))
    assert outbox.put(batch("a")) == []
    revised = event("a", revision=1)
    assert [one.seq for one in outbox.put([("t", revised), ("t", revised)])] == [2]
    assert outbox.depth() == 2
    outbox.acknowledge([1])
    assert [one.seq for one in outbox.put(batch("a"))] == [3]  # scored again later: sent again, same id


def test_rows_outlive_a_restart(opened):
    first = opened()
    first.put(batch("a", "b"))
    first.close()
    second = opened()
    assert ids(second) == ["a", "b"]
    assert (second.depth(), second.newest_seq) == (2, 2)


def test_the_age_of_the_oldest_row_is_told(opened):
    clock = ManualClock(1000.0)
    outbox = opened(clock=clock)
    assert outbox.oldest_s() == 0.0
    outbox.put(batch("a"))
    clock.set(1042.0)
    outbox.put(batch("b"))
    assert outbox.oldest_s() == 42.0
    outbox.acknowledge([1])
    assert outbox.oldest_s() == 0.0


def test_a_full_outbox_gives_up_the_least_urgent_oldest_row(opened):
    outbox = opened(max_rows=4)
    outbox.put(batch("alarm1"))
    outbox.put(batch("fault", kind="sensor_fault"))
    outbox.put(batch("doubt1", "doubt2", kind="abstention"))
    outbox.put(batch("alarm2"))
    assert ids(outbox) == ["alarm1", "fault", "doubt2", "alarm2"]
    outbox.put(batch("alarm3", "alarm4", "alarm5"))
    assert ids(outbox) == ["alarm2", "alarm3", "alarm4", "alarm5"]
    assert (outbox.dropped, outbox.depth()) == (4, 4)


def test_a_batch_larger_than_the_outbox_leaves_it_full(opened):
    outbox = opened(max_rows=10)
    outbox.put(batch(*(f"e{n}" for n in range(25))))
    assert ids(outbox) == [f"e{n}" for n in range(15, 25)]
    assert (outbox.dropped, outbox.depth(), outbox.newest_seq) == (15, 10, 25)


def test_a_batch_that_fails_leaves_nothing_behind(opened):
    outbox = opened()
    broken = msgspec.structs.replace(event("b"), data=None)
    with pytest.raises(AttributeError):
        outbox.put([("t", event("a")), ("t", broken)])
    assert outbox.depth() == 0
    assert [one.seq for one in outbox.put(batch("c"))] == [1]
    assert ids(outbox) == ["c"]


FILL_THE_DISK = """
import resource, sys
from agent.outbox import Outbox
from agent.errors import OutboxError
from agent import events
import msgspec
path, template = sys.argv[1], events.decode(sys.argv[2].encode())
outbox = Outbox.open(path, 100_000)
name = lambda n: msgspec.structs.replace(template, id=f"e{n}")
outbox.put([("t", name(0))])
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))  # the disk is this large
done = 1
try:
    while True:
        outbox.put([("t", name(n)) for n in range(done, done + 3)])
        done += 3
except OutboxError as error:
    print(error, file=sys.stderr)
assert outbox.depth() == done, (outbox.depth(), done)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))  # space again
queued = outbox.put([("t", name(n)) for n in range(done, done + 3)])
assert [event.seq for event in queued] == [done + 1, done + 2, done + 3]
print(done + 3)
"""


def child(code: str, *arguments: str, **options) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-u", "-c", code, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, **options)


def test_a_full_disk_is_an_error_that_leaves_no_half_batch(path, opened):
    filler = child(FILL_THE_DISK, str(path), events.encode(event("e")).decode(), stderr=subprocess.PIPE)
    out, err = filler.communicate(timeout=60)
    assert filler.returncode == 0, err
    assert "free the disk" in err
    assert ids(opened(10**6)) == [f"e{n}" for n in range(int(out))]


def test_a_place_that_cannot_be_written_is_an_error():
    with pytest.raises(OutboxError, match="free the disk or make it writable"):
        Outbox.open("/proc/veille/outbox.sqlite", 10)


def test_a_database_that_turns_read_only_is_an_error_and_rows_stay(opened):
    outbox = opened()
    outbox.put(batch("a"))
    outbox._file._db.execute("PRAGMA query_only = ON")
    with pytest.raises(OutboxError, match="readonly"):
        outbox.put(batch("b"))
    with pytest.raises(OutboxError):
        outbox.acknowledge([1])
    outbox._file._db.execute("PRAGMA query_only = OFF")
    assert [one.seq for one in outbox.put(batch("b"))] == [2]
    assert ids(outbox) == ["a", "b"]


def test_an_outbox_of_a_newer_agent_is_left_alone(path, opened):
    opened().close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 2")
    with pytest.raises(OutboxError, match="schema 2, this agent reads 1"):
        opened()


def test_a_file_that_is_no_database_is_moved_aside(path, opened):
    path.parent.mkdir()
    path.write_bytes(b"not a database" * 1000)
    outbox = opened(clock=ManualClock(1_800_000_000.0))
    assert outbox.damaged == 1
    assert path.with_name("outbox.sqlite.corrupt-1").read_bytes() == b"not a database" * 1000
    # No number of the lost file may come again.
    assert outbox.epoch == 1_800_000_001
    assert [one.seq for one in outbox.put(batch("a"))] == [1_800_000_000_001]


def spoil(path: Path, page: int) -> None:
    """Overwrite one 4 KiB page with noise."""
    with path.open("r+b") as file:
        file.seek(page * 4096)
        file.write(random.Random(1).randbytes(4096))


def row_pages(path: Path) -> list[int]:
    """Pages that hold rows of events that do not end; the middle ones carry no structure but rows."""
    content = path.read_bytes()
    return [page for page in range(len(content) // 4096) if b"org.veille" in content[page * 4096 : page * 4096 + 4096]]


def test_what_can_be_read_of_a_corrupt_database_is_taken_over(path, opened):
    first = opened()
    first.put(batch(*(f"e{n}" for n in range(200)), kind="arm_use_change"))
    first.close()
    spoil(path, row_pages(path)[40])
    second = opened()
    kept = ids(second)  # the damage is found when it is opened
    assert path.with_name("outbox.sqlite.corrupt-1").exists()
    lost = {f"e{n}" for n in range(200)} - set(kept)
    assert 1 <= len(lost) <= 20
    assert second.depth() == len(kept)
    assert second.damaged == 1
    assert second.epoch == 2
    assert [one.seq for one in second.put(batch("new"))] == [201]
    assert opened().epoch == 3


def test_damage_that_comes_while_it_is_open_is_an_error_once(path, opened):
    outbox = opened()
    outbox.put(batch(*(f"e{n}" for n in range(200)), kind="arm_use_change"))
    outbox._file._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    outbox._file._db.execute("PRAGMA shrink_memory")
    spoil(path, row_pages(path)[-1])
    with pytest.raises(OutboxError, match="malformed"):
        outbox.pending(1000)
    assert {"e0", "e100"} <= set(ids(outbox))
    assert outbox.damaged == 1


def test_a_row_that_is_no_event_any_more_is_not_taken_over(path, opened):
    first = opened()
    first.put(batch(*(f"e{n}" for n in range(200))))
    first._file._db.execute("UPDATE rows SET payload = x'00ff' WHERE seq = 3")
    first.close()
    spoil(path, row_pages(path)[-1])
    second = opened()
    kept = ids(second)
    assert "e2" not in kept
    assert {"e0", "e1", "e3", "e100"} <= set(kept)


def test_scoring_and_network_thread_may_work_at_once(opened):
    outbox = opened()
    done = threading.Event()

    def acknowledge_all() -> None:
        while not done.is_set() or outbox.depth():
            outbox.acknowledge([row.seq for row in outbox.pending(7)])

    network = threading.Thread(target=acknowledge_all)
    network.start()
    for n in range(150):
        outbox.put(batch(f"a{n}", f"b{n}"))
    done.set()
    network.join(timeout=30)
    assert not network.is_alive()
    assert (outbox.depth(), outbox.newest_seq, ids(outbox)) == (0, 300, [])


COMMIT_AND_TELL = """
import sys, msgspec
from agent import events
from agent.outbox import Outbox
outbox, template = Outbox.open(sys.argv[1], 10**6), events.decode(sys.argv[2].encode())
while True:
    numbers = [outbox.newest_seq + 1 + n for n in range(1 + outbox.newest_seq % 3)]
    for event in outbox.put([("t", msgspec.structs.replace(template, id=f"e{n}")) for n in numbers]):
        print(event.seq)
"""


@pytest.mark.parametrize("kills", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_no_committed_row_is_missing_after_kill_9(path, opened, kills):
    rng, told = random.Random(7), []
    for _ in range(kills):
        writer = child(COMMIT_AND_TELL, str(path), events.encode(event("e")).decode())
        told += [int(writer.stdout.readline()) for _ in range(rng.randint(1, 200))]
        writer.send_signal(signal.SIGKILL)
        told += [int(line) for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        writer.wait(10)
        writer.stdout.close()
    outbox = opened(10**6)
    waiting = [row.seq for row in outbox.pending(10**6)]
    assert len(told) == len(set(told)), "a seq was given twice"
    assert set(told) <= set(waiting), "a committed row is missing"
    assert waiting == list(range(1, len(waiting) + 1))
    assert ids(outbox) == [f"e{seq}" for seq in waiting]
    assert (outbox.depth(), outbox.epoch, outbox.damaged) == (len(waiting), kills + 1, 0)
