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
  # runtime = "onnx"             # or "litert", which needs veille[litert]; default: what the bundle names
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

  [limbs]                        # two wrists compared, over days
  wearers = {}                   # { anna = { profile = "stroke", side = "left" } }: the paretic side; or
                                 # return_to_play with the injured side; without a word: general, left beside right
  forearm = "x"                  # axis of the wrist sensors that lies along the forearm
  day_begins_h = 0.0             # UTC; the local night is best

  [outbox]
  max_rows = 1000000
  max_bytes = 536870912          # full: the least urgent oldest event goes, counted and announced
  reserve_bytes = 8388608

  [delivery]
  consumers = []                 # who must acknowledge each event; empty = the broker's word is enough
  wearers = {}                   # { ehr = ["anna"] }: this consumer answers for these wearers only
  settle_s = 1.0
  drain_per_s = 500.0            # what waited; new events go first
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
    from agent.bundle import default_bundle_path, open_bundle
    from agent.pipeline import Pipeline

    bundle = open_bundle(Path(settings.bundle) if settings.bundle else default_bundle_path(), settings.runtime)

    def make_pipeline(source: "Source", outbox: "Outbox", counters: "Counters") -> Pipeline:
        return Pipeline(source, bundle, settings, outbox, counters, Path(settings.state_dir))

    gateway.run(settings, _clock(given), bundle, make_pipeline, threading.Event())
    return 0


def _clock(given: argparse.Namespace) -> "Clock":
    from agent.clock import ScaledClock, WallClock

    return WallClock() if given.speed is None else ScaledClock(given.speed, given.since)
