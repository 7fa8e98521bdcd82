"""The shipped broker configuration with a test authority, a gateway that makes events by itself, the real consumer."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy" / "mosquitto"
BINARIES = {
    "2.0": shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"),
    "2.1": os.environ.get("VEILLE_MOSQUITTO_2_1"),
}
PLUGINS_2_1 = os.environ.get("VEILLE_MOSQUITTO_2_1_PLUGINS", "/usr/lib/x86_64-linux-gnu/mosquitto")
GATEWAY = "gw.ward"


def script(name: str, *arguments: object) -> str:
    command = [str(DEPLOY / name), *map(str, arguments)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert told.returncode == 0, told.stderr
    return told.stdout


@pytest.fixture
def deploy_script() -> Callable[..., str]:
    """Runs a script of `deploy/mosquitto`."""
    return script


@pytest.fixture(scope="session")
def authority(tmp_path_factory) -> Path:
    """A folder of certificates: the broker's, a gateway's, consumers', and those that must be refused."""
    folder = tmp_path_factory.mktemp("authority")
    script("authority.sh", folder, "init")
    script("authority.sh", folder, "broker", "broker", "127.0.0.1", "localhost")
    for name in (GATEWAY, "ehr", "ward-pc", "ops", "stranger", "revoked", "bridge"):
        script("authority.sh", folder, "client", name)
    script("authority.sh", folder, "expired", "expired")
    script("authority.sh", folder, "revoke", "revoked")
    return folder


@pytest.fixture(scope="session")
def foreign_authority(tmp_path_factory) -> Path:
    """Another authority that has given a certificate to `gw.ward` too."""
    folder = tmp_path_factory.mktemp("foreign")
    script("authority.sh", folder, "init")
    script("authority.sh", folder, "client", GATEWAY)
    return folder


def access_list() -> str:
    return "".join(
        [
            script("acl.sh", "gateway", GATEWAY, "ward", "gw"),
            script("acl.sh", "bridge", "bridge", "ward", "gw"),
            script("acl.sh", "consumer", "ehr", "ward", "gw", "+"),
            script("acl.sh", "consumer", "ward-pc", "ward", "gw", "anna"),
            script("acl.sh", "operator", "ops", "ward", "gw"),
        ]
    )


@dataclass
class Program:
    """A program that may be killed and started again; `launch` ends it with the test."""

    launch: Callable[..., subprocess.Popen]
    child: subprocess.Popen = field(init=False)
    """The latest."""

    def kill(self) -> None:
        self.child.kill()
        self.child.wait(10)


@dataclass
class Shipped(Program):
    """A broker that runs on a configuration of `deploy/mosquitto`; only paths and ports are changed."""

    binary: str
    folder: Path
    tls_port: int
    plain_port: int
    wait_for: Callable

    def start(self) -> None:
        command = [self.binary, "-c", str(self.folder / "mosquitto.conf")]
        with (self.folder / "log").open("ab") as log:
            self.child = self.launch(command, stdout=log, stderr=log)
        self.wait_for(self._answers, "mosquitto to listen")

    def _answers(self) -> bool:
        assert self.child.poll() is None, (self.folder / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.tls_port)) == 0

    def reload(self) -> None:
        self.child.send_signal(signal.SIGHUP)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


@pytest.fixture
def shipped(tmp_path, authority, wait_for, launch) -> Callable[..., Shipped]:
    """Makes brokers; `extra` is appended to the configuration, `more_acl` to the wearables' access list."""
    brokers: list[Shipped] = []

    def make(version: str = "2.0", extra: str = "", more_acl: str = "") -> Shipped:
        if BINARIES[version] is None:
            pytest.skip(f"NOT TESTED with mosquitto {version}: name its program in VEILLE_MOSQUITTO_2_1")
        folder = tmp_path / f"broker-{len(brokers)}"
        folder.mkdir()
        for name in ("ca.crt", "ca.crl", "broker.crt", "broker.key"):
            shutil.copy(authority / name, folder / name)
        (folder / "acl").write_text(access_list())
        (folder / "wearables.acl").write_text((DEPLOY / "wearables.acl").read_text() + more_acl)
        ports = two_ports()
        text = (DEPLOY / f"mosquitto-{version}.conf").read_text()
        for old, new in (
            ("/etc/mosquitto/veille/", f"{folder}/"),
            ("/var/lib/mosquitto/", f"{folder}/"),
            ("/usr/lib/x86_64-linux-gnu/mosquitto", PLUGINS_2_1),
            ("listener 8883", f"listener {ports[0]} 127.0.0.1"),
            ("listener 1883", f"listener {ports[1]}"),
        ):
            text = text.replace(old, new)
        (folder / "mosquitto.conf").write_text(f"{text}\n{extra}\nuser root\n")
        brokers.append(Shipped(launch, BINARIES[version], folder, *ports, wait_for))
        return brokers[-1]

    return make


def two_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def tls_lines(authority: Path, name: str, port: int) -> str:
    return (
        f'host = "127.0.0.1"\nport = {port}\ntls = true\nca_file = "{authority}/ca.crt"\n'
        f'cert_file = "{authority}/{name}.crt"\nkey_file = "{authority}/{name}.key"\n'
    )


@dataclass
class Consumer(Program):
    """`python -m agent.consumer` and what it has stored."""

    config: Path
    inbox: Path

    def start(self) -> None:
        command = [sys.executable, "-m", "agent.consumer", "--config", str(self.config)]
        self.child = self.launch(command, cwd=ROOT, stdout=subprocess.DEVNULL)

    def late(self) -> set[int]:
        """`seq` of those that came as historical."""
        with sqlite3.connect(f"file:{self.inbox}?mode=ro", uri=True, timeout=30) as database:
            return {seq for seq, text in database.execute("SELECT seq, payload FROM events") if b'ical":true' in text}

    def stored(self) -> list[tuple[int, str, str]]:
        """(seq, id, wearer) in order of arrival."""
        if not self.inbox.exists():
            return []
        with sqlite3.connect(f"file:{self.inbox}?mode=ro", uri=True, timeout=30) as database:
            if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone():
                return []  # being made
            return list(database.execute("SELECT seq, id, subject FROM events ORDER BY arrival"))

    def replay(self, *arguments: str) -> list[str]:
        command = [sys.executable, "-m", "agent.consumer", "--config", str(self.config), "--replay", *arguments]
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert told.returncode == 0, told.stderr
        return told.stdout.splitlines()


@pytest.fixture
def consumer_on(tmp_path, authority, launch) -> Callable[..., Consumer]:
    """Makes consumers: `consumer_on(port, "ehr")`; not started yet."""
    made: list[Consumer] = []

    def make(port: int, name: str = "ehr", more: str = "") -> Consumer:
        folder = tmp_path / f"consumer-{len(made)}"
        folder.mkdir()
        config, inbox = folder / "consumer.toml", folder / "inbox.sqlite"
        head = f'name = "{name}"\nsite = "ward"\ngateway = "gw"\ninbox = "{inbox}"\n{more}\n[broker]\n'
        config.write_text(head + tls_lines(authority, name, port))
        made.append(Consumer(launch, config, inbox))
        return made[-1]

    return make


@dataclass
class Maker(Program):
    """A real gateway loop whose pipeline makes events by itself."""

    folder: Path
    config: Path
    template: str

    def start(self, most: int, each_step: int = 20) -> subprocess.Popen:
        program = Path(__file__).with_name("maker_child.py")
        command = [sys.executable, str(program), str(self.config), str(most), str(each_step), self.template]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self.child = self.launch(command, env=environment)
        return self.child

    def numbers(self) -> tuple[int, int]:
        """(highest seq ever committed, rows that wait)."""
        path = self.folder / "outbox.sqlite"
        if not path.exists():
            return 0, 0
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30) as database:
            if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'rows'").fetchone():
                return 0, 0  # being made
            newest = database.execute("SELECT ifnull(max(seq), 0) FROM sqlite_sequence").fetchone()[0]
            return newest, database.execute("SELECT count(*) FROM rows").fetchone()[0]


@pytest.fixture
def maker_on(tmp_path, authority, make_event, launch) -> Callable[..., Maker]:
    """Makes makers: `maker_on(broker, delivery="consumers = [...]")`."""
    from agent.events import encode

    made: list[Maker] = []

    def make(port: int, ingest_port: int, delivery: str = "", more: str = "") -> Maker:
        folder = tmp_path / f"gateway-{len(made)}"
        folder.mkdir()
        config = folder / "agent.toml"
        config.write_text(
            f'site = "ward"\ngateway = "gw"\nstate_dir = "{folder}"\nhealth_s = 0.5\n{more}\n'
            f"[broker]\n{tls_lines(authority, GATEWAY, port)}"
            f'[ingest]\nhost = "127.0.0.1"\nport = {ingest_port}\n[delivery]\n{delivery}\n'
        )
        made.append(Maker(launch, folder, config, encode(make_event("template")).decode()))
        return made[-1]

    return make


@pytest.fixture
def pause() -> Callable[[float], None]:
    """Lets other programs run on for some seconds."""

    def wait(seconds: float) -> None:
        threading.Event().wait(seconds)

    return wait


@pytest.fixture
def tls_options(authority) -> Callable[..., list[str]]:
    """Options of mosquitto_sub and mosquitto_pub: `tls_options("ehr", port)`."""

    def options(name: str, port: int, folder: Path = authority) -> list[str]:
        files = ["--cert", str(folder / f"{name}.crt"), "--key", str(folder / f"{name}.key")]
        return ["-h", "127.0.0.1", "-p", str(port), "--cafile", str(authority / "ca.crt"), *files]

    return options
