"""A disk that is full, and stays full: alarms are delivered, what was dropped is counted and announced."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.events import encode

ROOT = Path(__file__).parents[3]
CHILD = Path(__file__).with_name("full_disk_child.py")
ALONE = ["unshare", "--mount", "--map-root-user"]


@pytest.fixture
def small_disk(tmp_path):
    """A folder to mount on; the mount is the child's alone and goes with it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    tried = subprocess.run([*ALONE, "mount", "-t", "tmpfs", "none", str(folder)], capture_output=True, text=True)
    if tried.returncode != 0:
        pytest.skip(f"NOT TESTED with a full disk: no tmpfs can be mounted here: {tried.stderr.strip()}")
    return folder


@pytest.mark.timeout(180)
def test_on_a_full_disk_alarms_replace_doubts_and_what_is_dropped_is_announced(
    small_disk, mosquitto, listen, make_event, wait_for
):
    event = encode(make_event("e")).decode()
    command = [*ALONE, sys.executable, str(CHILD), str(small_disk), str(mosquitto.port), event]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    child = subprocess.Popen(command, env=environment, **pipes)
    try:
        told = json.loads(child.stdout.readline())
        print(told)
        assert told["dropped"] > 0
        assert told["failed"] == [], "the reserve is there so that nothing has to wait in memory"
        assert told["depth"] + told["dropped"] == 4400
        assert set(told["drops"]) == {"abstention"}
        assert told["drops"]["abstention"]["count"] == told["dropped"]
        subscriber = listen(mosquitto.port)
        child.stdin.write("go on\n")
        child.stdin.flush()
        wait_for(lambda: len(alarms(subscriber)) == 400, "every alarm", 60)
        wait_for(lambda: subscriber.payloads("/dropped"), "the announcement")
        assert subscriber.payloads("/dropped")[-1] == {"total": told["dropped"], "kinds": told["drops"]}
        assert alarms(subscriber) == [f"novelty-{n}" for n in range(400)]
        wait_for(lambda: len(subscriber.events()) == told["depth"], "everything that is left", 60)
        child.stdin.write("stop\n")
        child.stdin.flush()
        assert child.wait(20) == 0
    finally:
        child.stdin.close()
        child.stdout.close()
        if child.poll() is None:
            child.terminate()
        child.wait(20)


def alarms(subscriber) -> list[str]:
    return [event.id for event in subscriber.events() if event.data.kind == "novelty"]
