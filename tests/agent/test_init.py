"""`veille init` writes settings that the agent takes, asks only a person, and overwrites nothing unasked."""

import argparse
import os
import pty
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from agent.cli import init
from agent.errors import SettingsError
from agent.settings import Settings, read_settings
from agent.settings_page import Answers, BrokerAnswers, settings_page


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "etc" / "agent.toml"


def given(path: Path, *flags: str) -> argparse.Namespace:
    commands = argparse.ArgumentParser().add_subparsers()
    init.add_to(commands)
    return commands.choices["init"].parse_args(["--config", str(path), *flags])


def test_the_page_with_no_answers_holds_exactly_the_defaults(tmp_path):
    (tmp_path / "agent.toml").write_text(settings_page())
    assert read_settings(tmp_path / "agent.toml") == Settings()


def test_the_page_names_every_setting(tmp_path):
    page = settings_page()
    for struct in (Settings, *(type(getattr(Settings(), part)) for part in ("broker", "alarms", "outbox", "delivery"))):
        for name in struct.__struct_fields__:
            if name != "path":  # of the outbox: nobody needs to move it inside its folder
                assert f"{name} =" in page or f"[{name}]" in page, name


def test_what_only_is_shown_may_be_uncommented(tmp_path):
    shown = (
        settings_page().replace("# bundle", "bundle").replace("# runtime", "runtime").replace("# wearers", "wearers")
    )
    for key in ("username", "password_file", "ca_file", "cert_file", "key_file"):
        shown = shown.replace(f"# {key} =", f"{key} =")
    (tmp_path / "agent.toml").write_text(shown)
    assert read_settings(tmp_path / "agent.toml").broker.cert_file == "/etc/veille/tls/gateway.crt"


def test_flags_become_settings(veille, path):
    flags = ["--site", "ward3", "--gateway", "gw1", "--wearers", "anna, ben", "--broker", "mqtt.example", "--tls"]
    flags += ["--ca-file", "/ca.crt", "--ingest", "[::1]:1884", "--consumers", "ehr", "--runtime", "onnx-cuda"]
    told = veille("init", "--config", path, *flags)
    assert told.returncode == 0, told.stderr
    settings = read_settings(path)
    assert (settings.site, settings.gateway, settings.wearers) == ("ward3", "gw1", ("anna", "ben"))
    assert (settings.broker.host, settings.broker.port, settings.broker.tls) == ("mqtt.example", 8883, True)
    assert (settings.broker.ca_file, settings.ingest.host, settings.ingest.port) == ("/ca.crt", "::1", 1884)
    assert (settings.delivery.consumers, settings.runtime) == (("ehr",), "onnx-cuda")


def test_a_file_that_is_there_stays_unless_forced(veille, path):
    path.parent.mkdir()
    path.write_text('site = "old"\n')
    told = veille("init", "--config", path, "--site", "new")
    assert (told.returncode, told.stderr.count("\n")) == (2, 1)
    assert "--force" in told.stderr
    assert path.read_text() == 'site = "old"\n'
    assert veille("init", "--config", path, "--site", "new", "--force").returncode == 0
    assert read_settings(path).site == "new"


@pytest.mark.parametrize(
    "flags", [["--site", "ward 3"], ["--wearers", "Anna Müller"], ["--broker", "a:b:c"], ["--broker", "host:99999"]]
)
def test_what_the_agent_would_not_take_is_never_written(veille, path, flags):
    told = veille("init", "--config", path, *flags)
    assert (told.returncode, told.stderr.count("\n")) == (2, 1), told.stderr
    assert not path.parent.exists() or list(path.parent.iterdir()) == []


def test_strange_characters_in_paths_survive(path):
    odd = BrokerAnswers(password_file='/etc/vei"lle/\\pass\twörd')
    init.write(path, settings_page(Answers(broker=odd)))
    assert read_settings(path).broker.password_file == odd.password_file


def test_a_wrong_answer_is_asked_again(path, capsys):
    said = iter(["ward 3", "ward3", "", "anna", "mqtt:1884", "", "ehr"])
    answers = init.collect(given(path), lambda question: next(said))
    assert (answers.site, answers.gateway, answers.wearers) == ("ward3", "gateway", ["anna"])
    assert (answers.broker.host, answers.broker.port, answers.ingest.host) == ("mqtt", 1884, "localhost")
    assert "not of the form" in capsys.readouterr().out


def test_what_a_flag_gives_is_not_asked(path):
    asked = []
    init.collect(given(path, "--site", "ward3", "--wearers", ""), lambda question: asked.append(question) or "")
    assert len(asked) == len(init.QUESTIONS) - 2


def test_a_person_who_goes_away_leaves_no_file(path):
    def gone(question):
        raise EOFError

    with pytest.raises(SettingsError, match="nothing is written"):
        init.collect(given(path), gone)


def test_on_a_real_terminal_it_asks(root, path):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "agent", "init", "--config", str(path)]
    child = subprocess.Popen(command, cwd=root, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, b"ward3\ngw1\nanna\n\n\n\n")
    assert child.wait(30) == 0
    os.close(ours)
    assert msgspec.structs.asdict(read_settings(path))["site"] == "ward3"
