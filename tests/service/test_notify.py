"""The watchdog: fed by the pipeline's steps alone, over a real datagram socket; who hangs is ended and says where."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from agent.notify import Notifier

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).with_name("hanging_child.py")
PATIENCE_S = 20.0


class Manager:
    """The service manager's end: a real AF_UNIX datagram socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(PATIENCE_S)

    def hears(self, seconds: float = PATIENCE_S) -> str:
        """The next message; empty where none comes in time."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(4096).decode()
        except TimeoutError:
            return ""

    def waits_for(self, message: str) -> None:
        while (heard := self.hears()) != message:
            assert heard, f"{message} never came"


@pytest.fixture(params=["file", "abstract"])
def manager(request, tmp_path):
    address = str(tmp_path / "notify") if request.param == "file" else f"@veille-{os.getpid()}-{tmp_path.name}"
    one = Manager(address)
    yield one
    one.socket.close()


@pytest.fixture
def child(manager, tmp_path):
    """A real gateway loop whose pipeline hangs at its 8th step, for ever."""
    environment = os.environ | {"NOTIFY_SOCKET": manager.address, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(CHILD), str(tmp_path / "state"), "8"]
    running = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    yield running
    running.kill()
    running.communicate()


def test_where_nobody_asks_nothing_is_sent():
    Notifier.of({}).alive()


def test_a_manager_that_is_gone_does_not_stop_the_watch(tmp_path, caplog):
    notifier = Notifier(str(tmp_path / "nobody"))
    for _ in range(5):
        notifier.alive()
    assert len(caplog.records) == 1


def test_a_manager_that_does_not_read_does_not_block_us(manager):
    notifier = Notifier(manager.address)
    for _ in range(5000):  # more than the socket's queue holds
        notifier.alive()


def test_a_pipeline_that_hangs_feeds_the_watchdog_no_more_and_says_where_it_hung(manager, child):
    """The broker's threads live on, the pipeline does not: that must not look like life."""
    manager.waits_for("READY=1")
    fed = 0
    while heard := manager.hears(seconds=2.0):
        fed += heard == "WATCHDOG=1"
    assert fed == 7, "each step before the hang fed the watchdog once, and nothing else did"
    assert child.poll() is None
    child.send_signal(signal.SIGABRT)  # as systemd does when WatchdogSec= is over
    told = child.communicate(timeout=PATIENCE_S)[1]
    assert child.returncode == -signal.SIGABRT
    assert "hang_for_ever" in told


def test_a_clean_stop_is_told(manager, child):
    manager.waits_for("READY=1")
    manager.waits_for("WATCHDOG=1")
    child.send_signal(signal.SIGTERM)
    manager.waits_for("STOPPING=1")
    assert child.wait(PATIENCE_S) == 0
