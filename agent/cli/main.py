"""Arguments -> one command -> an exit status: 0 well, 1 it ran and found fault, 2 a mistake to mend, 130 Ctrl-C."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from agent.cli import audit, bundle, demo, doctor, init, replay, report, run, schema, update
from agent.errors import AgentError, StopError

ABOUT = """Veille keeps watch: it scores the movement of wearables on a gateway, and publishes over MQTT
what looks unusual, how sure it is, and why."""
COMMANDS = (init, run, demo, replay, report, doctor, bundle, update, audit, schema)


class Parser(argparse.ArgumentParser):
    """Says a mistake in one line, without the page of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


class Version(argparse.Action):
    """Looks the version up only when asked, so that `--help` stays quick."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib import metadata

        try:
            sys.stdout.write(f"veille {metadata.version('veille')}\n")
        except metadata.PackageNotFoundError:
            sys.stdout.write("veille, not installed: run from its source tree\n")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    whole = Parser(prog="veille", description=ABOUT)
    whole.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    for command in COMMANDS:
        command.add_to(commands)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a person's mistake is told in one line on stderr."""
    given = parser().parse_args(arguments)
    try:
        status: int = given.command(given)
        sys.stdout.flush()
    except StopError as error:
        return _say(str(error))
    except AgentError as error:  # the world may mend this: a service manager may try again
        _say(str(error))
        return 1
    except BrokenPipeError:  # `veille schema | head` is no fault
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk behind standard output, say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _say(f"{error.strerror or error}; make room, or write elsewhere")
    except KeyboardInterrupt:
        return 130
    return status


def _say(message: str) -> int:
    sys.stderr.write(f"veille: {' '.join(message.split())}\n")
    return 2
