"""`veille run`: the agent on a gateway."""

import argparse
import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli.page import Commands, add_command

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

A whole agent.toml, with the defaults; every line may be left out, and `veille schema settings` tells more:
  site = "site"                  # parts of every topic: letters, digits, _ and -
  gateway = "gateway"
  state_dir = "/var/lib/veille"  # the outbox lives here
  # bundle = "/etc/veille/bundle"  # default: the one inside the package
  # trust = "/etc/veille/root.json" # whose signatures count, on bundles and updates
  require_signature = true       # a bundle that neither ships with the agent nor is signed by `trust` is refused
  # runtime = "onnx"             # or "litert", which needs veille[litert]; default: what the bundle names
  provider = "cpu"               # or "cuda", "tensorrt": an NVIDIA GPU, where onnxruntime is built for it
  wearers = []                   # pseudonyms that may send; empty = anyone, up to max_wearers
  max_wearers = 64
  health_s = 30.0

  [broker]                       # where events go
  host = "localhost"
  port = 1883
  # username = "veille"
  # password_file = "/etc/veille/password"
  keepalive_s = 20               # the gateway's death is told after 30 s
  tls = false
  # ca_file = "/etc/veille/tls/ca.crt"
  # cert_file = "/etc/veille/tls/gw1.crt"
  # key_file = "/etc/veille/tls/gw1.key"

  [ingest]                       # where wearables publish: same keys as [broker]
  host = "localhost"

  [alarms]
  false_alarms_per_day = 24.0
  trigger_windows = 1
  refractory_s = 30.0
  abstentions_per_hour = 6.0
  silence_s = 120.0              # a sensor that says nothing for this long is announced

  [outbox]
  max_rows = 1000000
  max_bytes = 536870912          # full: the least urgent oldest event goes, counted and announced
  reserve_bytes = 8388608

  [delivery]
  consumers = []                 # who must acknowledge each event; empty = the broker's word is enough
  wearers = {}                   # { ehr = ["anna"] }: this consumer answers for these wearers only
  settle_s = 1.0
  drain_per_s = 500.0            # what waited; new events go first

  [update]                       # newer bundles; needs `trust` and veille[update]
  url = ""                       # a repository; empty = no updates
  shadow_s = 3600.0              # a new bundle runs unheard beside the old one for so long
  trial_s = 600.0                # then it speaks, and the old one stands by for so long
  alarm_factor = 2.0             # bound on its alarm rate, against that of the old one
"""


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
    from agent.shadow import Shadowed
    from agent.shelf import shelf_of

    clock = _clock(given)
    audit = AuditLog(Path(settings.state_dir) / "audit", clock)

    def make_pipeline(source: "Source", outbox: "Outbox", counters: "Counters") -> Shadowed:
        return Shadowed(source, outbox, counters, settings, shelf_of(settings, clock, audit))

    gateway.run(settings, clock, audit, make_pipeline, threading.Event())
    return 0


def _clock(given: argparse.Namespace) -> "Clock":
    from agent.clock import ScaledClock, WallClock

    return WallClock() if given.speed is None else ScaledClock(given.speed, given.since)
