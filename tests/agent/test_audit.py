"""The audit log: nothing in it can be changed without a trace, and no kill breaks it."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import audit
from agent.audit import NAME, AuditLog
from agent.audit_check import entries, examine
from agent.changes import settings_changes
from agent.clock import ManualClock, WallClock
from agent.settings import Alarms, Broker, Settings


def filled(folder: Path, many: int = 5, **limits) -> AuditLog:
    log = AuditLog(folder, ManualClock(1000.0), **limits)
    for number in range(many):
        log.write("note", number=number)
    return log


def test_what_is_written_can_be_followed_from_the_first_line_to_the_head(tmp_path):
    log = filled(tmp_path)
    found = examine(tmp_path)
    assert (found.faults, found.entries, found.last_seq) == ([], 5, 5)
    assert log.head == (5, found.head)
    assert [entry.data["number"] for entry in entries(tmp_path)] == [0, 1, 2, 3, 4]
    assert (tmp_path / NAME).stat().st_mode & 0o077 == 0


def test_the_next_program_goes_on_where_the_last_one_stopped(tmp_path):
    filled(tmp_path)
    filled(tmp_path)
    assert examine(tmp_path).faults == []
    assert [entry.seq for entry in entries(tmp_path)] == list(range(1, 11))


@settings(deadline=None)  # it writes to the disk
@given(place=st.floats(0, 0.999), bit=st.integers(0, 7))
def test_any_bit_that_is_changed_is_found_by_who_kept_the_head(tmp_path_factory, place, bit):
    folder = tmp_path_factory.mktemp("log")
    head = filled(folder).head.digest
    content = bytearray((folder / NAME).read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    (folder / NAME).write_bytes(content)
    assert examine(folder, head).faults


@pytest.mark.parametrize("victim", [0, 1, 2, 3])
def test_a_line_that_is_changed_removed_or_put_in_is_found_without_any_witness(tmp_path, victim):
    filled(tmp_path)
    lines = (tmp_path / NAME).read_bytes().splitlines(keepends=True)
    changed = lines[victim].replace(b'"kind":"note"', b'"kind":"nope"')
    for attack in (
        [*lines[:victim], changed, *lines[victim + 1 :]],
        [*lines[:victim], *lines[victim + 1 :]] if victim else [],
        [*lines[: victim + 1], lines[victim], *lines[victim + 1 :]],
        [*lines[:victim], lines[victim + 1], lines[victim], *lines[victim + 2 :]],
    ):
        if attack:
            (tmp_path / NAME).write_bytes(b"".join(attack))
            assert examine(tmp_path).faults


def test_a_log_that_was_rewritten_as_a_whole_or_cut_short_is_found_by_the_head_that_health_told(tmp_path):
    head = filled(tmp_path / "real").head.digest
    assert examine(tmp_path / "real", head).faults == []
    filled(tmp_path / "forged", many=4).write("note", number="forged")
    assert examine(tmp_path / "forged").faults == []
    assert "gone, or were changed" in examine(tmp_path / "forged", head).faults[0]


def test_an_older_head_is_still_a_witness(tmp_path):
    log = filled(tmp_path)
    head = log.head.digest
    log.write("note", number=6)
    assert examine(tmp_path, head).faults == []


@pytest.mark.parametrize("kept", [1, 20, -1])
def test_a_torn_last_line_is_cut_off_and_told(tmp_path, kept):
    filled(tmp_path)
    lines = (tmp_path / NAME).read_bytes().splitlines(keepends=True)
    torn = lines[-1][:kept]
    (tmp_path / NAME).write_bytes(b"".join(lines[:-1]) + torn)
    assert (examine(tmp_path).torn, examine(tmp_path).faults) == (len(torn), [])
    AuditLog(tmp_path, ManualClock(2000.0)).write("start")
    found = list(entries(tmp_path))
    assert [entry.kind for entry in found[-2:]] == ["torn_line_cut_off", "start"]
    assert found[-2].data["bytes"] == len(torn)
    assert examine(tmp_path).faults == []


def test_a_log_that_is_only_a_torn_line_begins_anew(tmp_path):
    (tmp_path / NAME).write_bytes(b'{"seq":1,"ti')
    AuditLog(tmp_path, ManualClock()).write("start")
    assert examine(tmp_path).faults == []
    assert [entry.seq for entry in entries(tmp_path)] == [1, 2]


def test_it_stays_small_and_the_chain_goes_on_over_its_files(tmp_path):
    log = filled(tmp_path, 400, max_bytes=4000, kept_files=3)
    assert len(list(tmp_path.glob("audit.*.jsonl"))) <= 3
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 5 * 4300
    found = examine(tmp_path)
    assert found.faults == []
    assert found.first_seq > 1
    assert found.head == log.head.digest
    forgotten = [entry for entry in entries(tmp_path) if entry.kind == "oldest_forgotten"]
    assert forgotten[-1].data["up_to_seq"] == found.first_seq - 1


def test_a_new_program_takes_up_the_chain_when_the_current_file_is_empty(tmp_path):
    filled(tmp_path, 100, max_bytes=4000)
    (tmp_path / NAME).unlink(missing_ok=True)  # killed between setting aside and the next line
    newest = max(tmp_path.glob("audit.*.jsonl"))
    last = json.loads(newest.read_bytes().splitlines()[-1])["seq"]
    AuditLog(tmp_path, ManualClock()).write("start")
    assert [entry.seq for entry in entries(tmp_path)][-1] == last + 1
    assert examine(tmp_path).faults == []


def _many(folder: Path) -> None:
    filled(folder, 200, max_bytes=8000, kept_files=100)


def test_two_programs_may_write_at_the_same_time(tmp_path):
    programs = [multiprocessing.get_context("spawn").Process(target=_many, args=(tmp_path,)) for _ in range(3)]
    for program in programs:
        program.start()
    for program in programs:
        program.join(60)
    found = examine(tmp_path)
    assert (found.faults, found.entries) == ([], 600)


WRITER = """
import sys
from pathlib import Path
from agent.audit import AuditLog
from agent.clock import WallClock
log = AuditLog(Path(sys.argv[1]), WallClock(), max_bytes=20000, kept_files=1000)
number = 0
while True:
    log.write("note", number=number, text="x" * 300)
    number += 1
    print(log.head.seq, flush=True)
"""


def test_no_kill_breaks_it_and_no_line_that_was_acknowledged_is_lost(tmp_path, root):
    acknowledged = 0
    for _ in range(8):
        environment = os.environ | {"PYTHONPATH": str(root)}
        child = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, env=environment)
        said = [child.stdout.readline() for _ in range(25)]
        child.send_signal(signal.SIGKILL)
        said += child.stdout.read().splitlines(keepends=True)
        child.wait(10)
        acknowledged = max(int(line) for line in said if line.endswith(b"\n"))
        found = examine(tmp_path)
        assert found.faults == []
        assert found.last_seq >= acknowledged
    assert acknowledged >= 8 * 25


def test_a_disk_that_takes_nothing_stops_nobody_and_the_lines_wait(tmp_path, monkeypatch):
    log = filled(tmp_path)
    real = audit.os.fsync
    monkeypatch.setattr(audit.os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    log.write("note", number=5)
    log.write("note", number=6)
    assert (log.errors, log.waiting) == (2, 2)
    monkeypatch.setattr(audit.os, "fsync", real)
    log.write("note", number=7)
    assert log.waiting == 0
    assert [entry.data["number"] for entry in entries(tmp_path)] == list(range(8))
    assert examine(tmp_path).faults == []


def test_a_line_too_long_is_told_instead_of_written(tmp_path):
    log = filled(tmp_path)
    log.write("note", text="x" * 100_000)
    assert "too_long" in list(entries(tmp_path))[-1].data
    assert examine(tmp_path).faults == []


def test_settings_are_told_by_name_and_secrets_never(tmp_path):
    first = Settings(broker=Broker(username="nurse", password_file="/etc/secret"))
    told = settings_changes(first, tmp_path)
    assert told["changed"] == ["all"]
    assert "nurse" not in json.dumps(told)
    assert settings_changes(first, tmp_path) is None
    second = Settings(broker=Broker(username="doctor"), alarms=Alarms(false_alarms_per_day=60))
    told = settings_changes(second, tmp_path)
    assert told["changed"] == ["alarms.false_alarms_per_day", "broker.password_file", "broker.username"]
    assert told["from_to"] == {"alarms.false_alarms_per_day": [24.0, 60.0]}
    assert "doctor" not in json.dumps(told)


def test_the_command_line_shows_and_verifies(tmp_path, veille):
    head = filled(tmp_path).head.digest
    shown = veille("audit", "show", "--dir", tmp_path, "--last", 2)
    assert shown.stdout.count("note") == 2
    assert json.loads(veille("audit", "show", "--dir", tmp_path, "--json").stdout.splitlines()[0])["seq"] == 1
    assert veille("audit", "verify", "--dir", tmp_path, "--head", head).returncode == 0
    content = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(content.replace(b'"number":2', b'"number":9'))
    broken = veille("audit", "verify", "--dir", tmp_path)
    assert broken.returncode == 1
    assert "BROKEN  audit.jsonl:4" in broken.stdout
    assert veille("audit", "verify", "--dir", tmp_path / "nowhere").returncode == 2


def test_a_line_takes_milliseconds_not_more(tmp_path):
    log = AuditLog(tmp_path, WallClock())
    began = time.monotonic()
    for number in range(50):
        log.write("note", number=number)
    assert (time.monotonic() - began) / 50 < 0.1
