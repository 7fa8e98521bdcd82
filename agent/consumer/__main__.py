"""`python -m agent.consumer`: the reference consumer on the command line."""

import argparse
import logging
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

from agent.clock import WallClock
from agent.consumer.inbox import Inbox
from agent.consumer.listen import Listener
from agent.consumer.settings import ConsumerSettings, read_settings
from agent.counters import Counters
from agent.errors import AgentError
from agent.signals import stop_on_signals

PAGE = """
Take events from a broker, store each once, acknowledge it, and print it: one line of JSON an event.
Stored events are printed again, in order, with --replay; nothing is fetched for that.

Example:
  python -m agent.consumer --config consumer.toml
  python -m agent.consumer --config consumer.toml --replay --wearer anna

A consumer.toml:
  name = "ehr"                   # as in [delivery] consumers of the gateways
  site = "ward3"                 # + = any
  gateway = "+"
  wearers = []                   # empty = all that the broker grants
  inbox = "/var/lib/veille-ehr/inbox.sqlite"
  [broker]
  host = "mqtt.hospital.example"
  port = 8883
  tls = true
  ca_file = "/etc/veille/tls/ca.crt"
  cert_file = "/etc/veille/tls/ehr.crt"
  key_file = "/etc/veille/tls/ehr.key"
"""


def main() -> int:
    """Run until SIGTERM or Ctrl-C; 2 = a mistake to mend."""
    given = _parser().parse_args()
    level = logging.INFO if given.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")
    try:
        settings = read_settings(given.config)
        with closing(Inbox(settings.inbox)) as inbox:
            if given.replay:
                for payload in inbox.replay(given.wearer, given.since):
                    _print(payload)
            else:
                _listen(settings, inbox)
    except AgentError as error:
        sys.stderr.write(f"veille consumer: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m agent.consumer", description=PAGE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True, metavar="consumer.toml")
    parser.add_argument("--replay", action="store_true", help="print what is stored, in order, and end")
    parser.add_argument("--wearer", help="with --replay: only this wearer's")
    parser.add_argument("--since", type=float, default=0.0, help="with --replay: only what arrived since (Unix s)")
    parser.add_argument("--verbose", action="store_true", help="log more than warnings")
    return parser


def _listen(settings: ConsumerSettings, inbox: Inbox) -> None:
    stop = threading.Event()
    stop_on_signals(stop)
    inbox.forget(time.time() - settings.keep_days * 86400)
    listener = Listener(settings, inbox, WallClock(), Counters(), on_event=_print)
    listener.start()
    stop.wait()
    listener.stop()


def _print(payload: bytes) -> None:
    sys.stdout.write(payload.decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
