"""`veille init`: write the settings of a gateway."""

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from agent.cli.page import RUNTIMES, Commands, add_command
from agent.durable import write_durably
from agent.errors import SettingsError
from agent.settings_page import Answers, BrokerAnswers, settings_page

DEFAULT = Path("/etc/veille/agent.toml")
NAME = r"[A-Za-z0-9_-]{1,64}"
NAMES = rf"({NAME}(, *{NAME})*)?"
HOST = r"[^\s:/]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?"
PORTS = {False: 1883, True: 8883}
"""Without and with TLS."""

PAGE = f"""
Write a commented agent.toml: from flags, and on a terminal by asking for what no flag gives. The file is checked before
it is written; one that is there already is never overwritten without --force.

Examples:
  veille init
  veille init --site ward3 --gateway gw1 --wearers anna,ben --broker mqtt.hospital.example --tls \\
              --ca-file /etc/veille/tls/ca.crt --cert-file /etc/veille/tls/gw1.crt --key-file /etc/veille/tls/gw1.key
  veille init --config ./agent.toml --state-dir ./state     # to try it out; the default is {DEFAULT}
"""

QUESTIONS = (
    ("site", "Site, part of every topic", NAME, "site"),
    ("gateway", "Name of this gateway", NAME, "gateway"),
    ("wearers", "Pseudonyms of the wearers, with commas; empty = anyone may send", NAMES, ""),
    ("broker", "Broker that events go to, HOST or HOST:PORT", HOST, "localhost"),
    ("ingest", "Broker that wearables publish to", HOST, "localhost"),
    ("consumers", "Who must acknowledge each event, with commas; empty = nobody", NAMES, ""),
)
"""Flag, what is asked, what the answer must look like, what an empty answer means."""


def add_to(commands: Commands) -> None:
    """Add `init` to the command line."""
    parser = add_command(commands, "init", "write the settings of this gateway", PAGE, run)
    parser.add_argument("--config", type=Path, default=DEFAULT, metavar="agent.toml", help="the file to write")
    for name, what, *_ in QUESTIONS:
        parser.add_argument(f"--{name}", help=what[0].lower() + what[1:])
    parser.add_argument("--state-dir", default=Answers().state_dir, metavar="DIR", help="where the outbox lives")
    parser.add_argument("--runtime", choices=RUNTIMES, default="", help="what runs the network")
    parser.add_argument("--tls", action="store_true", help="speak TLS to the broker (its port is 8883 then)")
    for name, what in (
        ("ca-file", "whom to trust"),
        ("cert-file", "our certificate"),
        ("key-file", "its key"),
        ("username", "our name at the broker"),
        ("password-file", "file that holds the password"),
    ):
        parser.add_argument(f"--{name}", default="", help=what)
    parser.add_argument("--force", action="store_true", help="overwrite a file that is there")


def run(given: argparse.Namespace) -> int:
    """Ask for what is missing, check, write."""
    if given.config.exists() and not given.force:
        raise SettingsError(f"{given.config}: is there already and stays as it is; overwrite it with --force")
    answers = collect(given, input if sys.stdin.isatty() else None)
    write(given.config, settings_page(answers))
    sys.stdout.write(f"{given.config} is written. Next: veille doctor --config {given.config}\n")
    return 0


def collect(given: argparse.Namespace, ask: Callable[[str], str] | None) -> Answers:
    """Answers from flags, else by asking; with nobody to ask the defaults hold.

    Raises:
        SettingsError: a flag has no such form, or the person went away.
    """
    found = {name: _answer(getattr(given, name), ask, name, *rest) for name, *rest in QUESTIONS}
    plain, own = BrokerAnswers(), {name: getattr(given, name) for name in ("ca_file", "cert_file", "key_file")}
    tls = given.tls or any(own.values())
    broker = replace(plain, username=given.username, password_file=given.password_file, tls=tls, **own)
    return Answers(
        site=found["site"],
        gateway=found["gateway"],
        state_dir=given.state_dir,
        runtime=given.runtime,
        wearers=_names(found["wearers"]),
        consumers=_names(found["consumers"]),
        broker=_at(found["broker"], broker),
        ingest=_at(found["ingest"], plain),
    )


def write(path: Path, text: str) -> None:
    """Write the file if, and only if, it is one that the agent accepts; readers see the old file or the new one.

    Raises:
        SettingsError: a value is not allowed, or the file cannot be written.
    """
    from agent.settings import Settings, decode_toml

    content = text.encode()
    decode_toml(path, content, Settings)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, content, mode=0o666)  # less what the umask forbids
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; run it as root, or name another file with --config") from error


def _answer(given: str | None, ask: Callable[[str], str] | None, name: str, what: str, form: str, default: str) -> str:
    if given is not None:
        if re.fullmatch(form, given) is None:
            raise SettingsError(f"--{name} {given}: {what} is asked for, of the form {form}")
        return given
    while ask is not None:
        try:
            said = ask(f"{what} [{default}]: ").strip() or default
        except EOFError as error:
            raise SettingsError("the questions were not answered; nothing is written") from error
        if re.fullmatch(form, said):
            return said
        sys.stdout.write(f"  not of the form {form}\n")
    return default


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _at(where: str, broker: BrokerAnswers) -> BrokerAnswers:
    """With host and port; without a port the usual one."""
    found = re.fullmatch(r"\[?(.+?)\]?(?::(\d+))?", where)
    assert found is not None  # it has the form of HOST
    host, port = found.groups()
    return replace(broker, host=host, port=int(port or PORTS[broker.tls]))
