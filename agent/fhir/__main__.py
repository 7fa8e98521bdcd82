"""`python -m agent.fhir`: the bridge from MQTT to FHIR."""

import argparse
import logging
import sys
import threading
from contextlib import closing
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING

from agent.clock import WallClock
from agent.consumer.inbox import Inbox
from agent.consumer.listen import Listener
from agent.consumer.settings import ConsumerSettings, read_settings
from agent.counters import Counters
from agent.errors import AgentError, StopError
from agent.signals import stop_on_signals

if TYPE_CHECKING:
    from agent.fhir.forward import Target

PAGE = """
Take events from a broker as a consumer does (`python -m agent.consumer --help` shows a whole consumer.toml), store
each once, acknowledge it, and pass it on as FHIR R4B: Observation, Device and Provenance.

Examples:
  python -m agent.fhir --config consumer.toml --ndjson /var/lib/veille-fhir
  python -m agent.fhir --config consumer.toml --post https://fhir.hospital.example/r4 --token-file token
  python -m agent.fhir --codes > codesystem.json
"""


def main() -> int:
    """Run until SIGTERM or Ctrl-C; 2 = a mistake to mend."""
    given = _parser().parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    try:
        if given.codes:
            from agent.fhir.codes import published

            sys.stdout.write(f"{_json(published('codesystem'))}\n")
            return 0
        if given.config is None:
            raise StopError("nobody to listen to; give --config consumer.toml")
        _bridge(read_settings(given.config), _target(given))
    except AgentError as error:
        sys.stderr.write(f"veille fhir: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m agent.fhir", description=PAGE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, metavar="consumer.toml")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--ndjson", type=Path, metavar="FOLDER", help="append to one file a type of resource")
    where.add_argument("--post", metavar="URL", help="FHIR base URL")
    where.add_argument("--codes", action="store_true", help="print the local code system, and end")
    parser.add_argument("--token-file", type=Path, help="with --post: holds the bearer token")
    parser.add_argument("--ca-file", type=Path, help="with --post: certificates of the server's authority")
    return parser


def _target(given: argparse.Namespace) -> "Target":
    if util.find_spec("fhir") is None:
        raise StopError("fhir.resources is not installed; pip install 'veille[fhir]'")
    from agent.fhir.forward import Ndjson, Server

    return Ndjson(given.ndjson) if given.ndjson else Server(given.post, given.token_file, given.ca_file)


def _bridge(settings: ConsumerSettings, target: "Target") -> None:
    from agent.fhir.forward import Forwarder

    stop = threading.Event()
    stop_on_signals(stop)
    # Two threads, two connections to one database.
    with closing(Inbox(settings.inbox)) as heard, closing(Inbox(settings.inbox)) as waiting:
        listener = Listener(settings, heard, WallClock(), Counters())
        forwarder = Forwarder(waiting, target, Counters())
        listener.start()
        try:
            while not stop.is_set():
                stop.wait(forwarder.turn())
        finally:
            listener.stop()


def _json(document: dict[str, object]) -> str:
    import json

    return json.dumps(document, indent=1, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
