"""Is this machine fit to keep watch? Each check looks, changes nothing, and says what to do about what is wrong."""

import ctypes
import logging
import os
import shutil
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agent.errors import AgentError

if TYPE_CHECKING:
    from agent.settings import Broker, Settings

Level = Literal["ok", "warn", "fail"]

PACKAGES = {"numpy": (1, 26), "onnxruntime": (1, 18), "paho-mqtt": (2, 0), "msgspec": (0, 19)}
"""Oldest version of each dependency, as in pyproject.toml."""
FREE_MB = {"fail": 50, "warn": 1000}
"""Free disk: an event takes about 3 kB, so 1 GB keeps some 300,000 while the broker is away."""
MEMORY_MB = {"fail": 100, "warn": 250}
"""Free memory: the agent itself takes about 150 MB, most of it the runtime's."""
BROKER_S = 5.0
"""How long a broker may take to answer."""
UNSYNCHRONISED = 5
"""TIME_ERROR of adjtimex(2): nothing keeps the kernel's clock right."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    level: Level
    message: str
    mend: str = ""
    """What to do; empty where nothing is wrong."""


def examine(config: Path | None) -> Iterator[Finding]:
    """Run all checks in order of need; where packages or settings fail, the rest cannot be looked at.

    Args:
        config: the settings; none = the defaults.
    """
    yield check_python()
    packages = check_packages()
    yield packages
    if packages.level == "fail":
        return
    settings, finding = check_settings(config)
    yield finding
    if settings is not None:
        for check in CHECKS:
            yield _safely(check, settings)


def check_python() -> Finding:
    """Python 3.11 or newer, 64 bit."""
    bits = 64 if sys.maxsize > 2**32 else 32
    shown = f"Python {sys.version.split()[0]}, {bits} bit"
    if sys.version_info < (3, 11) or bits != 64:
        return Finding("python", "fail", shown, "install a 64-bit Python 3.11 or newer")
    return Finding("python", "ok", shown)


def check_packages() -> Finding:
    """The four dependencies, new enough, and `agent` from nobody else."""
    wrong = [name for name, oldest in PACKAGES.items() if _version(name) < oldest]
    if wrong:
        return Finding("packages", "fail", f"missing or too old: {', '.join(wrong)}", "pip install --upgrade veille")
    owners = set(metadata.packages_distributions().get("agent", [])) - {"veille"}
    if owners:
        mend = "give Veille a virtual environment of its own"
        return Finding("packages", "fail", f"another package is called agent too: {', '.join(owners)}", mend)
    return Finding("packages", "ok", ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES))


def check_settings(config: Path | None) -> tuple["Settings | None", Finding]:
    """The file can be read and every key is known."""
    from agent.settings import Settings, read_settings

    if config is None:
        return Settings(), Finding(
            "settings", "warn", "no file given: the defaults are checked", "give --config agent.toml"
        )
    try:
        settings = read_settings(config)
    except AgentError as error:
        return None, Finding("settings", "fail", str(error), "mend the file; `veille run --help` shows a whole one")
    return settings, Finding("settings", "ok", f"{config}: site {settings.site}, gateway {settings.gateway}")


def check_bundle(settings: "Settings") -> Finding:
    """The model is whole, from those we trust, and gives on this machine what it gave where it was made."""
    from agent.bundle import default_bundle_path, open_bundle
    from agent.shelf import trust_of

    path = Path(settings.bundle) if settings.bundle else default_bundle_path()
    try:
        bundle = open_bundle(path, settings.runtime, trust_of(settings), settings.provider)
    except AgentError as error:
        return Finding("bundle", "fail", str(error), "install the bundle again, or choose another runtime")
    told = f"{bundle.id} ({bundle.standing}): digests match, the golden stream gives what it should"
    if bundle.standing in ("unsigned", "unverified"):
        return Finding("bundle", "warn", told, "have it signed, name the publisher's root.json under `trust`")
    return Finding("bundle", "ok", told)


def check_runtime(settings: "Settings") -> Finding:
    """What really computes; a runtime may quietly fall back to another provider."""
    from agent.bundle import default_bundle_path, open_runtime

    path = Path(settings.bundle) if settings.bundle else default_bundle_path()
    try:
        runtime = open_runtime(path, settings.runtime, settings.provider)
    except AgentError as error:
        return Finding("runtime", "fail", str(error), "install the bundle or the runtime again, or choose another one")
    told = f"{runtime.package}, {runtime.provider}, one thread"
    if runtime.fell_back:
        mend = 'install an onnxruntime that has it (deploy/jetson.md), or say provider = "cpu"'
        return Finding("runtime", "warn", f"{told}; {runtime.asked} was asked for", mend)
    return Finding("runtime", "ok", told)


def check_state_dir(settings: "Settings") -> Finding:
    """The outbox's directory can be written, or made."""
    folder = Path(settings.state_dir)
    place = _existing(folder)
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        mend = f"make it for the agent's user: install -d -o USER {folder}"
        return Finding("state_dir", "fail", f"{folder}: {place} cannot be written by this user", mend)
    return Finding("state_dir", "ok", f"{folder} " + ("can be written" if place == folder else "will be made"))


def check_disk(settings: "Settings") -> Finding:
    """Room for the events of a long outage."""
    place = _existing(Path(settings.state_dir))
    return _amount("disk", shutil.disk_usage(place).free >> 20, FREE_MB, f"MB free at {place}", "free some disk")


def check_memory(settings: "Settings") -> Finding:
    """Room for the agent, by the kernel's own estimate."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    free_kb = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    return _amount("memory", free_kb >> 10, MEMORY_MB, "MB free", "stop other programs or use a larger gateway")


def check_clock(settings: "Settings") -> Finding:
    """Events carry the gateway's time: it should be right, and something should keep it right."""
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    if time.gmtime().tm_year < 2026:
        return Finding("clock", "fail", f"{now} is in the past", "set the clock, for example with chrony")
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512))  # all zero = only ask
    if state == UNSYNCHRONISED:
        mend = "run chrony or systemd-timesyncd (in a container: on the host)"
        return Finding("clock", "warn", f"{now}, but nothing keeps it synchronised", mend)
    if state < 0:
        return Finding(
            "clock", "warn", f"{now}; whether it is synchronised cannot be seen from here", "look on the host"
        )
    return Finding("clock", "ok", f"{now}, synchronised")


def check_broker(settings: "Settings") -> Finding:
    """Where events go: TCP, then MQTT with the credentials of the settings."""
    return _broker("broker", settings.broker)


def check_ingest(settings: "Settings") -> Finding:
    """Where wearables publish."""
    if settings.ingest == settings.broker:
        return Finding("ingest", "ok", "the same broker")
    return _broker("ingest", settings.ingest)


def check_outbox(settings: "Settings") -> Finding:
    """The durable queue is whole, and not long."""
    path = Path(settings.state_dir) / settings.outbox.path
    if not path.exists():
        return Finding("outbox", "ok", "not there yet: the agent has never run here")
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            (whole,) = database.execute("PRAGMA quick_check(1)").fetchone()
            (depth,) = database.execute("SELECT count(*) FROM rows").fetchone()
    except sqlite3.Error as error:
        whole, depth = str(error), 0
    if whole != "ok":
        return Finding("outbox", "fail", f"{path}: {whole}", "restart the agent: it saves what can be read")
    if depth > settings.outbox.max_rows // 2:
        return Finding("outbox", "warn", f"{depth} events wait, over half of max_rows", "see why the broker takes none")
    return Finding("outbox", "ok", f"whole, {depth} events wait")


CHECKS: tuple[Callable[["Settings"], Finding], ...] = (
    check_bundle,
    check_runtime,
    check_state_dir,
    check_disk,
    check_memory,
    check_clock,
    check_broker,
    check_ingest,
    check_outbox,
)


def _safely(check: Callable[["Settings"], Finding], settings: "Settings") -> Finding:
    """A check that breaks is a finding too, never a traceback."""
    try:
        return check(settings)
    except Exception as error:  # noqa: BLE001 - whatever the machine comes up with
        name = check.__name__.removeprefix("check_")
        return Finding(name, "fail", f"could not be looked at: {type(error).__name__}: {error}", "report this")


def _version(package: str) -> tuple[int, ...]:
    try:
        parts = metadata.version(package).split(".")
    except metadata.PackageNotFoundError:
        return ()
    return tuple(int(part) for part in parts[:2] if part.isdigit())


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def _amount(name: str, found: int, limits: dict[str, int], what: str, mend: str) -> Finding:
    if found < limits["fail"]:
        return Finding(name, "fail", f"{found} {what}, at least {limits['fail']} are needed", mend)
    if found < limits["warn"]:
        return Finding(name, "warn", f"{found} {what}, {limits['warn']} would be better", mend)
    return Finding(name, "ok", f"{found} {what}")


def _broker(name: str, broker: "Broker") -> Finding:
    where = f"{broker.host}:{broker.port}"
    try:
        socket.create_connection((broker.host, broker.port), timeout=BROKER_S).close()
    except OSError as error:
        return Finding(name, "fail", f"{where}: {error}", f"start the broker, or mend host and port under [{name}]")
    refusal = _mqtt_refusal(broker)
    if refusal is not None:
        return Finding(name, "fail", f"{where}: {refusal}", f"mend user, password or certificates under [{name}]")
    return Finding(name, "ok", f"{where} takes us in")


def _mqtt_refusal(broker: "Broker") -> str | None:
    """Why the broker does not take us in; none = it does. Another client id, so that a running agent stays in."""
    from agent.connection import Connection, Hooks

    joined, heard = threading.Event(), _Heard()
    log = logging.getLogger("veille")
    log.addHandler(heard)
    try:
        connection = Connection(broker, f"veille-doctor-{os.getpid()}", Hooks(joined=lambda *_: joined.set()))
        connection.start()
        joined.wait(BROKER_S)
        connection.stop()
    except AgentError as error:
        return str(error)
    finally:
        log.removeHandler(heard)
    return None if joined.is_set() else heard.latest


class _Heard(logging.Handler):
    """Keeps the latest warning: the connection says there why it was refused."""

    latest = f"no answer to MQTT within {BROKER_S:.0f} s"

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self.latest = record.getMessage().split("; next attempt")[0]
