"""The demo: a real broker, the real agent, a fall and a fault told; and nothing left running."""

import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from agent import demo, demo_broker
from agent.clock import ScaledClock
from agent.errors import StopError
from agent.events import Event, encode
from agent.simulate import DAY
from agent.telling import Teller, tell

MASSES = {"normal": 0.0, "noise": 0.0, "novelty": 1.0}


def make_event(kind: str = "novelty", phase: str = "start", start: str = "1970-01-01T00:01:04.000Z", **more) -> Event:
    data = {
        "kind": kind,
        "phase": phase,
        "revision": 0,
        "wearer": "simulated",
        "start": start,
        "end": start,
        "verdict": ["novelty"],
        "sentence": "The waist moved as in no normal half-minute.",
        "score": 9.5,
        "p_value": 0.002,
        "p_interval": [0.0005, 0.007],
        "alpha": 0.0083,
        "belief": MASSES,
        "plausibility": MASSES,
        "spread": None,
        "promise_per_day": 4.1,
        "quality": {},
        "positions": {},
        "bundle": "student",
        "bundle_digest": "0" * 64,
        "scored": start,
        **more,
    }
    envelope = {"id": f"{kind}-{start}", "source": "s", "type": "t", "subject": "simulated", "time": start}
    return msgspec.convert({**envelope, "data": data}, Event)


def left_running(folder: Path) -> list[str]:
    """Command lines of what a demo started that keeps its files under `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def test_an_event_is_told_with_verdict_p_value_interval_and_sentence():
    text = tell(make_event(), "01:04")
    assert text.startswith("01:04")
    assert "{novelty} (start)" in text
    assert "p = 0.0020 [0.0005, 0.0070]" in text
    assert "no normal half-minute" in text


def test_an_abstention_is_told_with_its_cause():
    text = tell(make_event(verdict=["noise", "novelty"], cause="ambiguous"))
    assert "{noise, novelty} abstains: ambiguous" in text


def test_an_end_takes_one_line():
    text = tell(make_event(phase="end", end="1970-01-01T00:01:06.500Z"))
    assert text.endswith("(end)  over, it lasted 2.5 s")


def test_an_event_that_could_not_be_scored_says_so():
    assert "nothing could be scored" in tell(make_event(p_value=None, p_interval=None))


def test_a_teller_takes_text_in_any_pieces_and_hands_it_on():
    file, words = io.StringIO(), io.StringIO()
    teller = Teller(file, words)
    line = encode(make_event()).decode() + "\n"
    for start in range(0, len(line), 7):
        teller.write(line[start : start + 7])
    assert file.getvalue() == line
    assert words.getvalue().count("{novelty}") == 1


def test_a_scaled_clock_runs_ahead_and_two_of_them_agree():
    one, other = ScaledClock(1000.0, 0.0), ScaledClock(1000.0, 0.0)
    assert abs(one.now_s() - other.now_s()) < 1000.0
    assert one.now_s() > 1e12
    assert one.wait(0.001, threading.Event()) is False
    with pytest.raises(ValueError, match="above 0"):
        ScaledClock(0.0)


def seen(*events: Event) -> demo.Watcher:
    watcher = demo.Watcher(began_s=0.0)
    for event in events:
        watcher.take(demo.TOPICS.event("simulated", event.data.kind), encode(event))
    return watcher


def test_the_summary_tells_what_was_found(capsys):
    fault = make_event("sensor_fault", start="1970-01-01T00:01:43.000Z", verdict=["noise"])
    assert demo._summary(seen(make_event(), fault), list(DAY), 480) == 0
    assert "told as novelty at 01:04" in capsys.readouterr().out


def test_the_summary_owns_up_to_what_was_missed_and_to_false_alarms(capsys):
    early = make_event(start="1970-01-01T00:00:20.000Z")
    assert demo._summary(seen(early), list(DAY), 480) == 1
    told = capsys.readouterr().out
    assert told.count("MISSED") == 2
    assert "1 false alarms" in told


def test_without_any_broker_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(demo_broker.shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(demo_broker.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(StopError, match="install mosquitto"), demo_broker.broker(tmp_path):
        pass


def test_a_program_that_fails_is_told_with_its_last_words(tmp_path):
    log = tmp_path / "log"
    code = "import sys; sys.exit('no luck today')"
    with demo_broker.running([sys.executable, "-c", code], log) as process:
        process.wait(30)
        with pytest.raises(StopError, match="no luck today"):
            demo_broker.wait_until(lambda: False, process, log, "the agent")


def test_a_program_is_ended_even_when_we_fail(tmp_path):
    code = "import threading; threading.Event().wait()"

    def fail() -> "subprocess.Popen[bytes]":
        with demo_broker.running([sys.executable, "-c", code], tmp_path / "log") as process:
            started.append(process)
            raise KeyboardInterrupt

    started: list[subprocess.Popen[bytes]] = []
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert started[0].poll() is not None


def test_the_embedded_broker_stands_in_for_mosquitto(monkeypatch, tmp_path):
    pytest.importorskip("amqtt", reason="NOT TESTED: the extra `demo` is not installed")
    monkeypatch.setattr(demo_broker.shutil, "which", lambda *_, **__: None)
    with demo_broker.broker(tmp_path) as here:
        assert "amqtt" in here.name
        assert demo_broker._answers(here.port)
    assert not demo_broker._answers(here.port)


@pytest.mark.timeout(120)
def test_the_whole_demo_tells_the_fall_and_the_fault_and_leaves_nothing_behind(veille, tmp_path):
    told = veille("demo", "--speed", "8", TMPDIR=str(tmp_path))
    assert told.returncode == 0, told.stdout + told.stderr
    assert "SIMULATED" in told.stdout
    assert "{novelty}" in told.stdout
    assert "{noise}" in told.stdout
    assert "MISSED" not in told.stdout
    assert left_running(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_stopped_ends_its_programs(root, tmp_path, number):
    environment = {**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-u", "-m", "agent", "demo"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:  # until the agent is up
            if "what a subscriber receives" in line:
                break
        process.send_signal(number)
        assert process.wait(30) == 128 + number
    assert left_running(tmp_path) == []
