"""The doctor finds what is wrong, says what to do, and never breaks down itself.

Faults are really made: a mounted disk that is small, a file that is damaged, a permission that is open. Only what a
test must not do to the machine is passed in: an old Python, 32 bit, the clock, the memory.
"""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from agent import doctor
from agent.bundle import default_bundle_path
from agent.clock import WallClock
from agent.doctor import Finding, Look, Machine, installation
from agent.doctor.checks import CHECKS
from agent.doctor.running import OTHERS, REFUSALS
from agent.outbox import Outbox
from agent.settings import Broker, Settings
from agent.settings import Outbox as Limits
from agent.vitals import write_vitals

ALONE = ["unshare", "--mount", "--map-root-user"]
SPEAKS = {
    "time": "2026-11-23T12:00:00.000Z",
    "epoch": 1,
    "wearers": 1,
    "absent": [],
    "recent": {},
    "latest_refusals": [],
    "clock_offsets_s": {},
    "provider": "CPUExecutionProvider",
    "provider_asked": "CPUExecutionProvider",
}
NOON_S = 1_795_435_200.0
"""The same moment."""
Found = Callable[..., list[Finding]]


@pytest.fixture
def found(tmp_path) -> Found:
    """Findings of one check: `found("disk", state_dir=...)`; `machine=` for what is passed in."""

    def look(name: str, machine: Machine | None = None, **settings: object) -> list[Finding]:
        told = Settings(**{"state_dir": str(tmp_path), **settings})
        return list(CHECKS[name](Look(told, machine or Machine())))

    return look


def faults(findings: list[Finding]) -> list[str]:
    for finding in findings:
        assert finding.message
        assert (finding.mend != "") == (finding.fault != "") == (finding.level != "ok"), finding
    return [finding.fault for finding in findings]


# --- the report --------------------------------------------------------------------------------------------


def test_it_looks_at_eighteen_things(tmp_path):
    path = tmp_path / "agent.toml"
    path.write_text(f'state_dir = "{tmp_path}"\n[broker]\nhost = "127.0.0.1"\nport = 1\n')
    names = list(dict.fromkeys(finding.name for finding in doctor.examine(path)))
    assert names == ["python", "packages", "settings", *CHECKS]
    assert len(names) == 18


def test_every_fault_comes_with_what_to_do():
    assert faults(list(doctor.examine(None, only=["settings", "bundle", "disk"])))[0] == "settings_not_given"


def test_every_fault_is_in_the_troubleshooting_page_and_no_other(root):
    page = (root / "deploy" / "TROUBLESHOOTING.md").read_text()
    assert set(re.findall(r"^\| `([a-z_0-9]+)` \|", page, re.MULTILINE)) == set(get_args(doctor.Fault))
    assert page.index("veille doctor") < 400, "the page begins with the doctor"


def test_every_fault_is_made_by_a_test(root):
    tests = "".join(path.read_text() for path in (root / "tests").rglob("test_*.py"))
    assert [fault for fault in get_args(doctor.Fault) if f'"{fault}"' not in tests] == []


def test_every_reason_of_a_refusal_is_known_to_it(root):
    """Else a sender that is wholly refused would look well."""
    sources = "".join(path.read_text() for path in (root / "agent").rglob("*.py"))
    raised = set(re.findall(r'PacketError\(\s*"([a-z_]+)"', sources))
    assert raised == {reason for reason, *_ in REFUSALS} | set(OTHERS)


def test_the_report_can_be_read_by_programs_and_fails_with_status_1(veille, tmp_path):
    settings = tmp_path / "agent.toml"
    settings.write_text('[broker]\nhost = "127.0.0.1"\nport = 1\n')
    told = veille("doctor", "--json", "--config", settings)
    by_name = {finding["name"]: finding for finding in json.loads(told.stdout)}
    assert (by_name["broker"]["level"], by_name["broker"]["fault"]) == ("fail", "broker_unreachable")
    assert told.returncode == 1


def test_the_report_for_people_shows_the_remedy(veille, tmp_path):
    settings = tmp_path / "agent.toml"
    settings.write_text("sight = 1\n")
    told = veille("doctor", "--config", settings)
    assert "FAIL  settings" in told.stdout
    assert "-> mend the file" in told.stdout
    assert told.returncode == 1


def test_one_thing_can_be_looked_at_alone(veille):
    told = veille("doctor", "--only", "bundle")
    assert (told.returncode, told.stdout.count("\n")) == (0, 1)
    assert veille("doctor", "--only", "moon").returncode == 2


def test_a_warning_fails_only_where_that_is_asked(veille):
    assert veille("doctor", "--only", "settings").returncode == 0
    assert veille("doctor", "--only", "settings", "--strict").returncode == 1


def test_a_check_that_breaks_is_a_finding():
    def new_moon():
        yield Finding("moon", "ok", "still there")
        raise RuntimeError("new moon")

    first, second = doctor._safely("moon", new_moon())
    assert (second.name, second.level, second.fault) == ("moon", "fail", "check_broke")
    assert "new moon" in second.message
    assert first.level == "ok"


def test_what_may_not_be_read_is_for_its_owner_to_mend_and_no_fault_of_ours():
    """The agent was tried as root first: what it left belongs to root."""

    def locked():
        raise PermissionError(13, "Permission denied", "/var/lib/veille/outbox.sqlite")
        yield

    (found,) = doctor._safely("outbox", locked())
    assert found.level == "fail"
    assert "/var/lib/veille/outbox.sqlite may not be read" in found.message
    assert "report" not in found.mend


# --- Python, packages, settings ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("machine", "fault"),
    [(Machine(python=(3, 10, 14)), "python_old"), (Machine(bits=32), "system_32_bit")],
)
def test_a_python_that_will_not_do_ends_the_look(machine, fault):
    """Simulated: there is no such Python on the machines that test."""
    assert faults(list(doctor.examine(None, machine))) == [fault]


def test_an_old_package_is_named(monkeypatch):
    monkeypatch.setitem(installation.PACKAGES, "paho-mqtt", (99, 0))
    findings = list(installation.look_at_packages())
    assert faults(findings) == ["package_old"]
    assert "paho-mqtt" in findings[0].message


def test_another_package_called_agent_is_named(tmp_path):
    """A real one: a second distribution that owns the same name."""
    other = tmp_path / "intruder-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: intruder\nVersion: 1.0\n")
    (other / "RECORD").write_text("agent/__init__.py,,\n")
    code = "from agent.doctor.installation import *\nprint(next(look_at_packages()).fault)"
    environment = os.environ | {"PYTHONPATH": f"{Path(__file__).parents[2]}:{tmp_path}"}
    told = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert told.stdout.strip() == "package_foreign", told.stderr


def test_settings_that_cannot_be_read_end_the_look(tmp_path):
    path = tmp_path / "agent.toml"
    path.write_text("sight = 1\n")
    for file in (path, tmp_path / "none.toml"):
        assert faults(list(doctor.examine(file)))[-1] == "settings_wrong"


# --- permissions -------------------------------------------------------------------------------------------


def test_a_key_that_others_may_read_is_named(found, tmp_path):
    key, state = tmp_path / "gw.key", tmp_path / "state"
    state.mkdir(mode=0o700)
    key.touch(0o600)
    assert faults(found("permissions", state_dir=str(state), broker=Broker(key_file=str(key)))) == [""]
    key.chmod(0o644)
    assert faults(found("permissions", state_dir=str(state), broker=Broker(key_file=str(key)))) == ["permissions_open"]


def test_a_state_directory_that_others_may_read_is_named(found, tmp_path):
    tmp_path.chmod(0o755)
    assert faults(found("permissions")) == ["permissions_open"]


def test_a_password_file_that_is_missing_is_named(found, tmp_path):
    tmp_path.chmod(0o700)
    broker = Broker(username="veille", password_file="/nowhere/password")
    findings = found("permissions", broker=broker)
    assert faults(findings) == ["secret_unreadable"]
    assert "/nowhere/password" in findings[0].message


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can look with another user's eyes")
def test_root_looks_with_the_eyes_of_the_agents_user(veille, tmp_path):
    if not all(place.stat().st_mode & 0o001 for place in Path(os.__file__).resolve().parents):
        pytest.skip("NOT TESTED here: no other user may read this Python; `make check-service` tests it")
    key, settings, state = tmp_path / "gw.key", tmp_path / "agent.toml", tmp_path / "state"
    key.touch(0o600)
    state.mkdir(mode=0o700)
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    settings.write_text(f'state_dir = "{state}"\n[broker]\nkey_file = "{key}"\n')
    look = ("doctor", "--config", settings, "--only", "permissions,state", "--json")
    assert all(not finding["fault"] for finding in json.loads(veille(*look, "--as", "root").stdout))
    there = [finding["fault"] for finding in json.loads(veille(*look, "--as", "nobody").stdout)]
    assert there == ["secret_unreadable", "state_not_writable"]


# --- bundle and runtime ------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path) -> Path:
    """The shipped bundle, to be spoilt."""
    return Path(shutil.copytree(default_bundle_path(), tmp_path / "bundle"))


def change(copy: Path, **fields: object) -> None:
    manifest = json.loads((copy / "bundle.json").read_text()) | fields
    (copy / "bundle.json").write_text(json.dumps(manifest))


def test_the_shipped_bundle_passes_and_the_provider_is_named(found):
    assert faults(found("bundle")) == [""]
    assert "CPUExecutionProvider" in found("provider")[0].message


def test_a_bundle_that_is_not_there_fails(found):
    assert faults(found("bundle", bundle="/nowhere") + found("provider", bundle="/nowhere")) == ["bundle_refused"] * 2


def test_one_altered_byte_is_found(found, copy):
    content = bytearray((copy / "model.onnx").read_bytes())
    content[5000] ^= 1
    (copy / "model.onnx").write_bytes(content)
    assert faults(found("bundle", bundle=str(copy), require_signature=False)) == ["bundle_altered"]


def test_a_bundle_that_nobody_signed_is_named_as_such(found, copy):
    assert faults(found("bundle", bundle=str(copy))) == ["bundle_unsigned"]


@pytest.mark.parametrize(("days", "fault"), [(100, ""), (30, "trust_expires_soon"), (-1, "trust_expired")])
def test_a_root_of_the_publisher_that_expires_is_told_before_and_after(found, tmp_path, days, fault):
    keys = pytest.importorskip("export.keys", reason="NOT TESTED: needs the extra `veille[update]`")
    from agent.signature import trusted_root

    keys.make_keys(tmp_path / "keys")
    anchor = tmp_path / "keys" / "root.json"
    until_s = trusted_root(anchor).signed.expires.timestamp()
    findings = found("trust", Machine(now_s=lambda: until_s - days * 86_400), trust=str(anchor))
    assert faults(findings) == [fault]


def test_a_trust_that_is_no_root_file_is_told(found, tmp_path):
    pytest.importorskip("tuf", reason="NOT TESTED: needs the extra `veille[update]`")
    (tmp_path / "root.json").write_text("{}")
    assert faults(found("trust", trust=str(tmp_path / "root.json"))) == ["trust_unreadable"]
    assert faults(found("trust")) == [""]


@pytest.mark.parametrize("fields", [{"schema": "veille-bundle/2"}, {"minimum_agent": "99.0.0"}])
def test_a_bundle_of_the_future_is_named_as_such(found, copy, fields):
    change(copy, **fields)
    assert faults(found("bundle", bundle=str(copy), require_signature=False)) == ["bundle_too_new"]


def test_a_golden_replay_that_differs_is_named_as_such(found, copy):
    change(copy, golden_tolerance=1e-300, context_weight=0.123)
    assert faults(found("bundle", bundle=str(copy), require_signature=False)) == ["golden_differs"]


def test_a_fallback_to_the_cpu_is_told(found):
    """Really asked for; on a machine with a GPU it is not to be made."""
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("NOT TESTED: this machine has what was asked for")
    findings = found("provider", runtime="onnx-cuda")
    assert faults(findings) == ["provider_fell_back"]
    assert "CUDAExecutionProvider is asked for" in findings[0].message


# --- disk, memory ------------------------------------------------------------------------------------------


def test_a_state_dir_that_is_not_there_yet_will_be_made(found, tmp_path):
    findings = found("state", state_dir=str(tmp_path / "a" / "b"))
    assert faults(findings) == [""]
    assert "will be made" in findings[0].message
    assert not (tmp_path / "a").exists()


def test_a_state_dir_under_a_file_fails(found, tmp_path):
    (tmp_path / "file").write_text("")
    assert faults(found("state", state_dir=str(tmp_path / "file" / "state"))) == ["state_not_writable"]


def on_mounted(root: Path, folder: Path, options: str) -> list[str]:
    """Faults of `state` and `disk` seen by a program for which `folder` is a mount of its own."""
    settings = folder.parent / "agent.toml"
    settings.write_text(f'state_dir = "{folder}"\n')
    look = f"{sys.executable} -m agent doctor --as root --json --only state,disk --config {settings}"
    mount = f"mount -t tmpfs -o {options} none {folder}"
    command = [*ALONE, "sh", "-c", f"{mount} || exit 77; {look}"]
    told = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    if told.returncode == 77:
        pytest.skip(f"NOT TESTED: nothing can be mounted here: {told.stderr}")
    return [finding["fault"] for finding in json.loads(told.stdout)]


def test_a_read_only_disk_is_named(root, tmp_path):
    (tmp_path / "disk").mkdir()
    assert "state_not_writable" in on_mounted(root, tmp_path / "disk", "ro")


@pytest.mark.parametrize(("size", "fault"), [("8m", "disk_low"), ("200m", "disk_low"), ("1100m", "")])
def test_a_disk_that_is_nearly_full_is_named(root, tmp_path, size, fault):
    (tmp_path / "disk").mkdir()
    assert on_mounted(root, tmp_path / "disk", f"size={size}") == ["", fault]


def test_memory_is_read_from_the_kernel(found):
    assert "MB free" in found("memory")[0].message


def test_little_memory_is_named(found, tmp_path):
    """Passed in: no test may take a machine's memory away."""
    (tmp_path / "meminfo").write_text("MemTotal: 2000000 kB\nMemAvailable: 90000 kB\n")
    findings = found("memory", Machine(memory=tmp_path / "meminfo"))
    assert (faults(findings), findings[0].level) == (["memory_low"], "fail")


# --- clock and time zone -----------------------------------------------------------------------------------


def test_a_clock_in_the_past_fails(found):
    assert faults(found("clock", Machine(now_s=lambda: 86400.0))) == ["clock_wrong"]


@pytest.mark.parametrize(("state", "fault"), [(5, "clock_unsynchronised"), (-1, "clock_unsynchronised"), (0, "")])
def test_a_clock_that_nothing_keeps_right_is_told(found, state, fault):
    assert faults(found("clock", Machine(clock_state=lambda: state, now_s=lambda: NOON_S))) == [fault]


def test_the_kernel_is_really_asked():
    assert Machine().clock_state() in range(-1, 6)


def test_a_time_zone_that_does_not_exist_is_told(found, tmp_path):
    if not Path("/usr/share/zoneinfo").is_dir():
        pytest.skip("NOT TESTED: this machine has no list of time zones")
    assert faults(found("time_zone", Machine(environment={"TZ": "Mars/Olympus"}))) == ["time_zone_odd"]
    assert faults(found("time_zone", Machine(environment={"TZ": "Europe/Berlin"}))) == [""]
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Europe/Atlantis")
    assert faults(found("time_zone", Machine(environment={}, etc=tmp_path))) == ["time_zone_odd"]


def test_two_opinions_on_the_time_zone_are_told(found, tmp_path):
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    (tmp_path / "timezone").write_text("America/Lima\n")
    assert faults(found("time_zone", Machine(environment={}, etc=tmp_path))) == ["time_zone_odd"]
    (tmp_path / "timezone").write_text("Europe/Berlin\n")
    assert faults(found("time_zone", Machine(environment={}, etc=tmp_path))) == [""]


# --- outbox ------------------------------------------------------------------------------------------------


def rows(path: Path, count: int, created_s: float) -> None:
    with sqlite3.connect(path) as database:
        made = [(n, f"e{n}", 0, "t", b"{}", 1, created_s) for n in range(1, count + 1)]
        database.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)", made)
    database.close()


@pytest.fixture
def outbox(tmp_path) -> Path:
    path = tmp_path / Settings().outbox.path
    Outbox.open(path, 100, WallClock()).close()
    return path


def test_an_outbox_that_is_whole_tells_its_depth(found, outbox):
    rows(outbox, 3, NOON_S)
    findings = found("outbox", Machine(now_s=lambda: NOON_S + 5))
    assert (faults(findings), findings[0].message) == ([""], "whole, 3 events wait")


def test_events_that_wait_too_long_are_told(found, outbox):
    rows(outbox, 3, NOON_S)
    assert faults(found("outbox", Machine(now_s=lambda: NOON_S + 3600))) == ["outbox_stuck"]


def test_an_outbox_that_fills_up_is_told(found, outbox):
    rows(outbox, 8, NOON_S)
    assert faults(found("outbox", outbox=Limits(max_rows=10))) == ["outbox_filling"]


def test_an_outbox_of_a_newer_agent_is_told(found, outbox):
    with sqlite3.connect(outbox) as database:
        database.execute("PRAGMA user_version = 7")
    database.close()
    assert faults(found("outbox")) == ["outbox_schema_newer"]


def test_a_damaged_outbox_fails(found, outbox):
    outbox.write_bytes(b"this is no database " * 400)
    findings = found("outbox")
    assert faults(findings) == ["outbox_damaged"]
    assert "restart the agent" in findings[0].mend


def test_looking_at_the_outbox_counts_no_start(found, outbox):
    found("outbox")
    again = Outbox.open(outbox, 100, WallClock())
    assert again.epoch == 2
    again.close()


# --- what the agent said last; with a real agent in tests/broker/test_doctor.py ----------------------------


def test_where_the_agent_never_ran_nothing_is_wrong(found):
    assert faults(found("agent") + found("wearers")) == ["", ""]


@pytest.mark.parametrize(("later_s", "fault"), [(80.0, ""), (100.0, "agent_silent")])
def test_an_agent_that_says_nothing_any_more_is_told(found, tmp_path, later_s, fault):
    write_vitals(tmp_path, SPEAKS)
    assert faults(found("agent", Machine(now_s=lambda: NOON_S + later_s))) == [fault]


def test_a_sensor_that_keeps_local_time_is_told(found, tmp_path):
    write_vitals(tmp_path, SPEAKS | {"clock_offsets_s": {"anna/waist": -7199.2, "ben/waist": 3.1, "cleo/waist": -5e8}})
    findings = found("wearers")
    assert faults(findings) == ["time_zone_odd"]
    assert "anna/waist: its clock is -2.00 h off" in findings[0].message


def test_news_that_is_no_news_is_a_finding(tmp_path):
    (tmp_path / "health.json").write_text("{")
    (tmp_path / "agent.toml").write_text(f'state_dir = "{tmp_path}"\n')
    findings = list(doctor.examine(tmp_path / "agent.toml", only=["agent"]))
    assert faults(findings) == ["check_broke"]
    assert msgspec.json.encode(findings)
