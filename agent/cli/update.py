"""`veille update`: fetch a newer bundle, examine it, and offer it to the agent."""

import argparse
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from agent.cli.page import Commands, add_command

if TYPE_CHECKING:
    from agent.audit import AuditLog
    from agent.bundle import Bundle
    from agent.fetch import Offered, Repository
    from agent.settings import Settings
    from agent.shelf import Shelf

PAGE = """
Fetch the bundle that the repository under [update] offers this gateway, verify its signature, write it to the disk,
read it again, replay its golden stream, show what it changes for the wards, and offer it to the agent. The running
agent lets it work unheard beside the bundle in service for shadow_s, lets it take over for a trial, and returns to the
one before by itself if its health turns bad. Nothing here interrupts the watching.

Examples:
  veille update --config /etc/veille/agent.toml --plan     show what would change; nothing is offered
  veille update --config /etc/veille/agent.toml --compare  let it run as a shadow and be compared, but not take over
  veille update --config /etc/veille/agent.toml            the whole way
  veille update --config /etc/veille/agent.toml --back     the bundle in service gives way to the one before, now
  veille update --config /etc/veille/agent.toml --status   what is in service, and why
"""
MOST_MEMORY = 4 << 30
"""Bytes of address space while a new bundle is examined: what takes more does harm here, not in the agent."""
MOST_CPU_S = 120


def add_to(commands: Commands) -> None:
    """Add `update` to the command line."""
    parser = add_command(commands, "update", "fetch a newer bundle and let it prove itself", PAGE, run)
    parser.add_argument("--config", type=Path, required=True, metavar="agent.toml", help="the settings")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--plan", action="store_true", help="show what would change; offer nothing")
    how.add_argument("--compare", action="store_true", help="shadow run only: it will not take over")
    how.add_argument("--back", action="store_true", help="back to the bundle before; fetch nothing")
    how.add_argument("--status", action="store_true", help="show what is in service; fetch nothing")
    parser.add_argument("--again", action="store_true", help="offer it even if it was refused before")


def run(given: argparse.Namespace) -> int:
    """The whole way, one updater at a time."""
    from agent.audit import AuditLog
    from agent.clock import WallClock
    from agent.errors import AgentError, SettingsError
    from agent.settings import read_settings
    from agent.shelf import bundles_folder, shelf_of

    settings = read_settings(given.config)
    if not settings.update.url or not settings.trust:
        raise SettingsError(f"{given.config}: updates need `url` under [update], and `trust`")
    audit = AuditLog(Path(settings.state_dir) / "audit", WallClock())
    shelf = shelf_of(settings, WallClock(), audit)
    if given.status:
        return _status(shelf)
    with _alone(bundles_folder(settings)):
        try:
            return _back(shelf, audit) if given.back else _update(given, settings, shelf, audit)
        except AgentError as error:
            audit.write("update", what="failed", url=settings.update.url, reason=str(error)[:1000])
            raise


def _update(given: argparse.Namespace, settings: "Settings", shelf: "Shelf", audit: "AuditLog") -> int:
    from agent.fetch import Repository

    assert settings.trust is not None
    repository = Repository(settings.update.url, Path(settings.trust), shelf.folder)
    offered = repository.newest(f"{settings.site}/{settings.gateway}")
    if offered is None:
        return _say("the repository offers nothing for this gateway")
    if offered.digest == shelf.service.digest:
        return _say(f"{offered.id} {offered.digest[:12]} is the newest, and in service")
    refusal = shelf.service.refused.get(offered.digest)
    if refusal and not refusal.only_compared and not given.again and not given.plan:
        return _say(f"{offered.id} {offered.digest[:12]} was tried: {refusal.reason}; --again tries it once more")
    bundle = _brought(repository, offered, shelf, settings)
    _show_plan(bundle, shelf, settings)
    if given.plan:
        return _say("nothing was offered to the agent; `veille update` does that")
    shelf.make_offer(bundle.digest, switch=not given.compare)
    audit.write("update", what="offered", bundle=bundle.id, digest=bundle.digest, compare_only=given.compare)
    then = "and is compared" if given.compare else "then takes over on trial"
    return _say(f"offered: the agent runs it as a shadow for {settings.update.shadow_s:.0f} s, {then}")


def _brought(repository: "Repository", offered: "Offered", shelf: "Shelf", settings: "Settings") -> "Bundle":
    """Here, whole, examined, and in its place; opened from there."""
    from agent.bundle import open_bundle
    from agent.errors import BundleError
    from agent.shelf import keyring_of

    with _bounded():
        try:
            return shelf.open(offered.digest)  # fetched before, for a plan say
        except BundleError:
            place = repository.fetch(offered)
            open_bundle(place, settings.runtime, keyring_of(settings, update=True))
            shelf.put(place, offered.digest)
            return shelf.open(offered.digest)


def _show_plan(bundle: "Bundle", shelf: "Shelf", settings: "Settings") -> None:
    from agent.plan import plan

    old = shelf.open(shelf.service.digest)
    for line in plan(old, bundle, settings.alarms.false_alarms_per_day, shelf.shadow_report()):
        sys.stdout.write(line + "\n")


def _back(shelf: "Shelf", audit: "AuditLog") -> int:
    digest = shelf.service.digest
    if not digest:
        return _say("no update is in service; nothing to go back from")
    shelf.make_offer(digest, back=True)
    audit.write("update", what="asked back", digest=digest)
    return _say(f"the agent takes {digest[:12]} out of service within seconds")


def _status(shelf: "Shelf") -> int:
    import msgspec

    told = {"service": msgspec.to_builtins(shelf.service), "shadow": shelf.shadow_report()}
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n")
    return 0


def _say(line: str) -> int:
    sys.stdout.write(line + "\n")
    return 0


@contextmanager
def _bounded() -> Iterator[None]:
    """A bundle that would take all memory or never end takes this program with it, and nothing else."""
    memory = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_least(MOST_MEMORY, memory[1]), memory[1]))
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = resource.getrlimit(resource.RLIMIT_CPU)
    until = int(used.ru_utime + used.ru_stime) + MOST_CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (_least(until, cpu[1]), cpu[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, memory)
        resource.setrlimit(resource.RLIMIT_CPU, cpu)


def _least(wanted: int, hard: int) -> int:
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def _alone(folder: Path) -> TextIO:
    """Two updaters would trample on each other's downloads: the open lock, held until it is closed."""
    from agent.durable import locked
    from agent.errors import SettingsError, UpdateError

    try:
        return locked(folder / "update.lock")
    except BlockingIOError as error:
        raise UpdateError(f"{folder}: another update is under way; wait for it") from error
    except OSError as error:
        raise SettingsError(f"{folder}: {error.strerror}; run it as the agent's user") from error
