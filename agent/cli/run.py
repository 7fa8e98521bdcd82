"""`veille run`: the agent on a gateway."""

import argparse
import faulthandler
import logging
import os
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli.page import Commands, add_command
from agent.settings_page import settings_page

if TYPE_CHECKING:
    from agent.clock import Clock
    from agent.counters import Counters
    from agent.outbox import Outbox
    from agent.sources import Source

PAGE = """
Run the agent until it is stopped (SIGTERM or Ctrl-C): take packets from the local broker, score them,
publish events. Events wait on disk while the broker is away.

Example:
  veille run --config /etc/veille/agent.toml

A whole agent.toml, with the defaults; every line may be left out, `veille init` writes one for you, and
`veille schema settings` tells more:

"""
PAGE += textwrap.indent(settings_page(), "  ")


def add_to(commands: Commands) -> None:
    """Add `run` to the command line."""
    parser = add_command(commands, "run", "run the agent on this gateway", PAGE, run)
    parser.add_argument("--config", type=Path, required=True, metavar="agent.toml", help="the settings")
    parser.add_argument("--verbose", action="store_true", help="log more than warnings")
    # For `veille demo` alone: a clock that runs faster than the wall has no place on a gateway.
    parser.add_argument("--speed", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--since", type=float, help=argparse.SUPPRESS)


def run(given: argparse.Namespace) -> int:
    """Read the settings, then hand over to the gateway's loop."""
    from agent.settings import read_settings

    settings = read_settings(given.config)
    level = logging.INFO if given.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")
    from agent import gateway
    from agent.audit import AuditLog
    from agent.notify import Notifier
    from agent.shadow import Shadowed
    from agent.shelf import shelf_of

    clock = _clock(given)
    audit = AuditLog(Path(settings.state_dir) / "audit", clock)

    def make_pipeline(source: "Source", outbox: "Outbox", counters: "Counters") -> Shadowed:
        shadowed = Shadowed(source, outbox, counters, settings, shelf_of(settings, clock, audit))
        runtime = shadowed.bundle.model.runtime
        if runtime.provider != runtime.asked:
            logging.getLogger("veille").warning("%s is not to be had, %s computes", runtime.asked, runtime.provider)
        return shadowed

    # A watchdog ends us with SIGABRT: then each thread says where it was.
    faulthandler.enable()
    runtime_dir = os.environ.get("RUNTIME_DIRECTORY")  # by systemd, see deploy/veille.service
    memory = Path(runtime_dir) if runtime_dir else None
    gateway.run(settings, clock, audit, make_pipeline, threading.Event(), Notifier.of(), memory)
    return 0


def _clock(given: argparse.Namespace) -> "Clock":
    from agent.clock import ScaledClock, WallClock

    return WallClock() if given.speed is None else ScaledClock(given.speed, given.since)
