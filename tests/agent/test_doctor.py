"""The doctor finds what is wrong, says what to do, and never breaks down itself."""

import json
import socket
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from agent import doctor
from agent.clock import WallClock
from agent.outbox import Outbox
from agent.settings import Broker, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=str(tmp_path))


@pytest.fixture
def silent_port():
    """A port that takes connections and then says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def at(port: int) -> Broker:
    return Broker(host="127.0.0.1", port=port)


def test_it_looks_at_ten_things_or_more(tmp_path):
    path = tmp_path / "agent.toml"
    path.write_text(f'state_dir = "{tmp_path}"\n[broker]\nhost = "127.0.0.1"\nport = 1\n')
    found = {finding.name: finding for finding in doctor.examine(path)}
    assert len(found) >= 10
    assert found["python"].level == found["packages"].level == found["settings"].level == "ok"
    assert found["broker"].level == "fail"


def test_every_fault_comes_with_what_to_do(tmp_path):
    for finding in doctor.examine(None):
        assert finding.message
        assert (finding.mend != "") == (finding.level != "ok")


def test_the_report_can_be_read_by_programs_and_fails_with_status_1(veille, tmp_path):
    settings = tmp_path / "agent.toml"
    settings.write_text('[broker]\nhost = "127.0.0.1"\nport = 1\n')
    told = veille("doctor", "--json", "--config", settings)
    levels = {finding["name"]: finding["level"] for finding in json.loads(told.stdout)}
    assert levels["broker"] == "fail"
    assert told.returncode == 1


def test_the_report_for_people_shows_the_remedy(veille, tmp_path):
    settings = tmp_path / "agent.toml"
    settings.write_text("sight = 1\n")
    told = veille("doctor", "--config", settings)
    assert "FAIL  settings" in told.stdout
    assert "-> mend the file" in told.stdout
    assert told.returncode == 1


def test_without_settings_that_can_be_read_it_stops_there(tmp_path):
    names = [finding.name for finding in doctor.examine(tmp_path / "none.toml")]
    assert names == ["python", "packages", "settings"]


def test_a_check_that_breaks_is_a_finding(settings):
    def check_moon(settings):
        raise RuntimeError("new moon")

    finding = doctor._safely(check_moon, settings)
    assert (finding.name, finding.level) == ("moon", "fail")
    assert "new moon" in finding.message


def test_an_old_package_is_named(monkeypatch):
    monkeypatch.setitem(doctor.PACKAGES, "paho-mqtt", (99, 0))
    finding = doctor.check_packages()
    assert finding.level == "fail"
    assert "paho-mqtt" in finding.message


def test_an_old_python_fails(monkeypatch):
    monkeypatch.setattr(doctor.sys, "version_info", (3, 10, 0))
    assert doctor.check_python().level == "fail"


def test_a_state_dir_that_is_not_there_yet_will_be_made(settings, tmp_path):
    settings = msgspec.structs.replace(settings, state_dir=str(tmp_path / "a" / "b"))
    finding = doctor.check_state_dir(settings)
    assert finding.level == "ok"
    assert "will be made" in finding.message
    assert not (tmp_path / "a").exists()


def test_a_state_dir_under_a_file_fails(settings, tmp_path):
    (tmp_path / "file").write_text("")
    settings = msgspec.structs.replace(settings, state_dir=str(tmp_path / "file" / "state"))
    assert doctor.check_state_dir(settings).level == "fail"


@pytest.mark.parametrize(("free_mb", "level"), [(10, "fail"), (500, "warn"), (5000, "ok")])
def test_a_full_disk_is_seen_before_it_is_too_late(settings, monkeypatch, free_mb, level):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: SimpleNamespace(free=free_mb << 20))
    assert doctor.check_disk(settings).level == level


def test_memory_is_read_from_the_kernel(settings):
    finding = doctor.check_memory(settings)
    assert finding.level in ("ok", "warn", "fail")
    assert "MB free" in finding.message


def test_a_clock_in_the_past_fails(settings, monkeypatch):
    real = doctor.time.gmtime
    monkeypatch.setattr(doctor.time, "gmtime", lambda: real(0))
    assert doctor.check_clock(settings).level == "fail"


def test_the_clock_is_asked_of_the_kernel(settings):
    assert doctor.check_clock(settings).name == "clock"


def test_an_outbox_that_is_whole_tells_its_depth(settings, tmp_path):
    assert doctor.check_outbox(settings).level == "ok"
    Outbox.open(tmp_path / settings.outbox.path, 100, WallClock()).close()
    finding = doctor.check_outbox(settings)
    assert (finding.level, finding.message) == ("ok", "whole, 0 events wait")


def test_looking_at_the_outbox_counts_no_start(settings, tmp_path):
    path = tmp_path / settings.outbox.path
    Outbox.open(path, 100, WallClock()).close()
    doctor.check_outbox(settings)
    again = Outbox.open(path, 100, WallClock())
    assert again.epoch == 2
    again.close()


def test_a_damaged_outbox_fails(settings, tmp_path):
    (tmp_path / settings.outbox.path).write_bytes(b"this is no database " * 400)
    finding = doctor.check_outbox(settings)
    assert finding.level == "fail"
    assert "restart the agent" in finding.mend


def test_a_broker_that_is_not_there_fails(settings):
    finding = doctor.check_broker(msgspec.structs.replace(settings, broker=at(1)))
    assert finding.level == "fail"
    assert "[broker]" in finding.mend


def test_something_that_listens_but_is_no_broker_fails(settings, silent_port, monkeypatch):
    monkeypatch.setattr(doctor, "BROKER_S", 0.3)
    finding = doctor.check_broker(msgspec.structs.replace(settings, broker=at(silent_port)))
    assert finding.level == "fail"


def test_the_same_broker_is_asked_once(settings):
    assert doctor.check_ingest(settings).message == "the same broker"


def test_another_broker_for_wearables_is_asked_too(settings):
    finding = doctor.check_ingest(msgspec.structs.replace(settings, ingest=at(1)))
    assert finding.level == "fail"
    assert "[ingest]" in finding.mend


def test_a_password_file_that_is_missing_is_named(settings, silent_port):
    broker = Broker(host="127.0.0.1", port=silent_port, username="veille", password_file="/nowhere/password")
    finding = doctor.check_broker(msgspec.structs.replace(settings, broker=broker))
    assert finding.level == "fail"
    assert "/nowhere/password" in finding.message


def test_a_real_broker_takes_us_in(settings, tmp_path):
    from agent.demo_broker import broker

    with broker(tmp_path) as here:
        assert doctor.check_broker(msgspec.structs.replace(settings, broker=at(here.port))).level == "ok"


def test_a_bundle_that_is_not_there_fails(settings):
    finding = doctor.check_bundle(msgspec.structs.replace(settings, bundle="/nowhere"))
    assert finding.level == "fail"
    assert finding.mend


def test_the_shipped_bundle_passes_and_the_provider_is_named(settings):
    assert doctor.check_bundle(settings).level == "ok"
    assert "ExecutionProvider" in doctor.check_runtime(settings).message
