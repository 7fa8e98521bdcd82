"""Programs that live as long as the demo, and the broker among them: mosquitto, else the embedded one."""

import asyncio
import importlib.util
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from agent.errors import StopError

HOST = "127.0.0.1"
SBIN = "/usr/sbin:/usr/local/sbin"
"""Where Debian keeps mosquitto, which is not on everybody's PATH."""
END_S = 5.0
"""Time that a program gets to end by itself."""


@dataclass(frozen=True, slots=True)
class DemoBroker:
    """A broker that listens on this machine only."""

    name: str
    port: int


@contextmanager
def broker(folder: Path) -> Iterator[DemoBroker]:
    """Run a broker on a free loopback port; `folder` takes its configuration and log.

    Raises:
        StopError: there is neither mosquitto nor amqtt, or the broker does not come up.
    """
    port = _free_port()
    name, command = _command(folder, port)
    log = folder / "broker.log"
    with running(command, log) as process:
        wait_until(lambda: _answers(port), process, log, f"the broker ({name})")
        yield DemoBroker(name, port)


@contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program and end it, whatever happens; what it says goes to `log`.

    It gets a session of its own, so that Ctrl-C reaches only us and we end all in good order.
    """
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the program to end, then make it."""
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(
    ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, what: str, limit_s: float = 20.0
) -> None:
    """Wait for a program to be ready.

    Raises:
        StopError: it ended, or was not ready in time; with the last line of its log.
    """
    deadline = time.monotonic() + limit_s
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
            raise StopError(f"{what} did not come up: {lines[-1]}")
        time.sleep(0.05)


def _command(folder: Path, port: int) -> tuple[str, list[str]]:
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path=SBIN)
    if mosquitto is not None:
        settings = folder / "mosquitto.conf"
        settings.write_text(f"listener {port} {HOST}\nallow_anonymous true\npersistence false\n")
        return "mosquitto", [mosquitto, "-c", str(settings)]
    if importlib.util.find_spec("amqtt") is not None:
        return "amqtt, embedded", [sys.executable, "-m", "agent.demo_broker", str(port)]
    raise StopError("the demo needs a broker: install mosquitto, or pip install 'veille[demo]'")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1.0):
        return True
    return False


async def _embedded(port: int) -> None:
    from amqtt.broker import Broker

    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    listener = {"type": "tcp", "bind": f"{HOST}:{port}"}
    await Broker({"listeners": {"default": listener}, "plugins": plugins}).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_embedded(int(sys.argv[1])))
