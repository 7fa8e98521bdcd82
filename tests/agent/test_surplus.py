"""The full-policy: what goes first, what is counted, and that the count outlives a crash."""

import json
from pathlib import Path

import msgspec
import pytest

from agent import events
from agent.clock import ManualClock
from agent.events import PRIORITIES
from agent.outbox import Outbox
from agent.reserve import Reserve
from agent.settings import Outbox as Limits

TEMPLATE = events.decode((Path(__file__).parents[1] / "contract" / "event-of-0.1.json").read_bytes())


def pair(name: str, kind: str):
    """Kinds that are not made yet (a summary) too."""
    data = msgspec.structs.replace(TEMPLATE.data, kind=kind)
    return f"t/event/{kind}", msgspec.structs.replace(TEMPLATE, id=name, data=data)


@pytest.fixture
def opened(tmp_path):
    boxes = []

    def make(**limits):
        clock = ManualClock(1_800_000_000.0)
        boxes.append(Outbox.open(tmp_path / "outbox.sqlite", Limits(reserve_bytes=0, **limits), clock))
        return boxes[-1]

    yield make
    for box in boxes:
        box.close()


def ids(outbox) -> list[str]:
    return [json.loads(row.payload)["id"] for row in outbox.pending(10**6)]


def test_alarms_outlive_faults_outlive_doubt_outlives_summaries(opened):
    outbox = opened(max_rows=10)
    for kind in ("summary", "abstention", "sensor_fault", "novelty"):
        outbox.put([pair(f"{kind}{n}", kind) for n in range(5)])
    assert ids(outbox) == [*(f"sensor_fault{n}" for n in range(5)), *(f"novelty{n}" for n in range(5))]
    outbox.put([pair("late", "summary")])  # never replaces anything that is more urgent
    outbox.put([pair(f"more{n}", "novelty") for n in range(7)])
    assert ids(outbox)[:3] == ["novelty2", "novelty3", "novelty4"]


def test_the_budget_in_bytes_is_kept(opened):
    outbox = opened(max_bytes=1 << 20)
    for n in range(2000):
        outbox.put([pair(f"doubt{n}", "abstention")])
        if n % 100 == 0:
            outbox.put([pair(f"alarm{n}", "novelty")])
    assert outbox.size() <= 1 << 20
    assert outbox.depth() + outbox.dropped == 2020
    assert [name for name in ids(outbox) if name.startswith("alarm")] == [f"alarm{n}" for n in range(0, 2000, 100)]
    outbox.acknowledge([row.seq for row in outbox.pending(10**6)])
    assert (outbox.size(), outbox.depth()) == (0, 0)


def test_what_is_dropped_is_written_down_by_kind_and_outlives_a_restart(opened):
    outbox = opened(max_rows=10)
    outbox.put([pair(f"a{n}", "abstention") for n in range(12)])
    outbox.put([pair(f"b{n}", "novelty") for n in range(11)])
    told = outbox.drops()
    assert {kind: (one["count"], one["first_seq"], one["last_seq"]) for kind, one in told.items()} == {
        "abstention": (12, 1, 12),
        "novelty": (1, 13, 13),
    }
    assert told["novelty"]["last"] == "2027-01-15T08:00:00.000Z"
    outbox.close()
    again = opened(max_rows=10)
    assert (again.drops(), again.dropped) == (told, 0)


def test_every_kind_has_its_place():
    assert set(events.Kind.__args__) <= set(PRIORITIES)
    assert min(PRIORITIES, key=PRIORITIES.get) == "novelty"


def test_the_reserve_is_held_let_go_and_held_again(tmp_path):
    reserve = Reserve.beside(tmp_path / "outbox.sqlite", 1 << 20)
    reserve.take()
    assert (tmp_path / "outbox.sqlite.reserve").stat().st_size == 1 << 20
    reserve.take()
    reserve.let_go()
    reserve.let_go()
    assert list(tmp_path.iterdir()) == []
    Reserve(tmp_path / "nowhere" / "x", 1 << 20).take()  # no room, no folder: simply not there
    assert Reserve.beside(tmp_path / "x", 1).affordable()
    assert not Reserve.beside(tmp_path / "x", 1 << 60).affordable()


def test_on_a_full_disk_rows_can_still_be_acknowledged(opened, tmp_path):
    """The first attempt lets go of the reserve, the next has its room."""
    outbox = opened()
    outbox.put([pair("a", "novelty")])
    (tmp_path / "outbox.sqlite.reserve").write_bytes(b"0" * 4096)
    outbox._file._on_full()
    assert not (tmp_path / "outbox.sqlite.reserve").exists()
    outbox.acknowledge([1])
    assert outbox.depth() == 0
