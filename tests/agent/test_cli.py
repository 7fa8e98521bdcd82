"""The command line as a person meets it: help with examples, mistakes told in one line, no traceback."""

import json
import subprocess
import sys

import pytest

COMMANDS = ["init", "run", "demo", "replay", "doctor", "bundle", "schema"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_the_command_does_with_an_example(veille, command):
    told = veille(command, "--help")
    assert told.returncode == 0
    assert "Example" in told.stdout
    assert f"veille {command}" in told.stdout


def test_help_lists_every_command(veille):
    told = veille("--help")
    assert told.returncode == 0
    assert all(command in told.stdout for command in COMMANDS)


def test_the_clock_of_the_demo_is_not_offered_to_gateways(veille):
    assert "--speed" not in veille("run", "--help").stdout


def test_help_and_version_load_nothing_heavy(modules_after):
    loaded = modules_after("from agent.cli.main import parser\nparser().format_help()")
    assert not loaded & {"numpy", "onnxruntime", "paho", "msgspec", "sqlite3"}


def test_the_version_is_the_distributions(veille):
    told = veille("--version")
    assert told.returncode == 0
    assert told.stdout.startswith("veille")


MISTAKES = {
    "no command": ([], "COMMAND"),
    "unknown command": (["wacht"], "wacht"),
    "unknown option": (["doctor", "--hurry"], "--hurry"),
    "run without settings": (["run"], "--config"),
    "settings that are not there": (["run", "--config", "none.toml"], "none.toml"),
    "replay of nothing": (["replay"], "FILE"),
    "replay of a missing file": (["replay", "none.csv"], "none.csv"),
    "a demo that stands still": (["demo", "--speed", "0"], "--speed"),
    "a demo at no number": (["demo", "--speed", "fast"], "--speed"),
    "an unknown schema": (["schema", "poem"], "poem"),
    "a bundle that is not there": (["bundle", "verify", "nowhere"], "nowhere"),
    "no verb for the bundle": (["bundle"], "verb"),
}


@pytest.mark.parametrize(("arguments", "named"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_gets_one_line_and_status_2(veille, arguments, named):
    assert_one_line(veille(*arguments), named)


def assert_one_line(told: "subprocess.CompletedProcess[str]", named: str) -> None:
    assert told.returncode == 2, told
    assert told.stdout == ""
    assert told.stderr.count("\n") == 1
    assert told.stderr.startswith("veille")
    assert named in told.stderr
    assert "Traceback" not in told.stderr


def test_a_misspelt_setting_is_named(veille, tmp_path):
    settings = tmp_path / "agent.toml"
    settings.write_text('site = "ward"\nfalse_alarm = 3\n')
    assert_one_line(veille("run", "--config", settings), "false_alarm")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("t_s,waist_x_g,waist_y_g\n0,0,1\n", "waist_z_g"),
        ("t_s,waist_x_g,waist_y_g,waist_z_g\n0,0,0,9.81\n0.02,0,0,9.81\n", "m/s^2"),
        ("hello\n", "t_s"),
    ],
)
def test_a_recording_that_is_none_is_named_with_its_fault(veille, tmp_path, text, named):
    path = tmp_path / "walk.csv"
    path.write_text(text)
    told = veille("replay", path)
    assert_one_line(told, named)
    assert "walk.csv" in told.stderr


def test_replay_never_writes_over_a_recording(veille, simulated_csv):
    before = simulated_csv.read_bytes()
    assert_one_line(veille("replay", simulated_csv, "--scores", simulated_csv), "overwritten")
    assert simulated_csv.read_bytes() == before


def test_an_output_that_cannot_be_written_is_named(veille, simulated_csv, tmp_path):
    scores = tmp_path / "no" / "such" / "folder.csv"
    assert_one_line(veille("replay", simulated_csv, "--scores", scores), "folder.csv")


def test_replay_writes_scores_and_events_and_tells_them(veille, simulated_csv, tmp_path):
    scores, events = tmp_path / "scores.csv", tmp_path / "events.jsonl"
    told = veille("replay", simulated_csv, "--scores", scores, "--events", events, "--explain", "--wearer", "anna")
    assert told.returncode == 0, told.stderr
    header, *rows = scores.read_text().splitlines()
    assert header == "recording,wearer,t_s,score,p_value,p_low,p_high,verdict,open,fall,freezing"
    assert len(rows) > 200
    assert all(row.startswith("simulated_two_minutes,anna,") for row in rows)
    sentences = [json.loads(line)["data"]["sentence"] for line in events.read_text().splitlines()]
    assert len(sentences) > 0
    assert sentences[0].split()[0] in told.stdout
    assert "1 recording," in told.stderr


def test_replay_gives_the_same_scores_twice(veille, simulated_csv):
    once, again = (veille("replay", simulated_csv, "--scores", "-").stdout for _ in range(2))
    assert len(once) > 1000
    assert once == again


def test_a_closed_pipe_is_no_fault(root):
    command = f"{sys.executable} -m agent schema | head -n 1"
    told = subprocess.run(["bash", "-c", command], cwd=root, capture_output=True, text=True, timeout=60)
    assert told.stdout == "{\n"
    assert told.stderr == ""
