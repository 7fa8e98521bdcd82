"""`veille doctor`: is this machine fit to keep watch?"""

import argparse
import os
import pwd
import sys
from pathlib import Path

from agent.cli.page import Commands, add_command
from agent.errors import SettingsError

USER = "veille"
"""Whom the service runs as."""

PAGE = """
Look at what the agent needs (Python, packages, settings, permissions, bundle, provider, disk, memory, clock, brokers,
outbox) and at what it said last (alive? who is silent, whose packets are refused?), and say of each: ok, warn or FAIL,
and what to do. Changes nothing. Root looks with the eyes of the user veille, where there is one.

Exit status: 0 where nothing fails, 1 where something does (--strict: or warns).
--json gives a list of {name, level, message, mend, fault}; fault is a stable name, empty where all is well.
deploy/TROUBLESHOOTING.md has a line for each.

Examples:
  veille doctor --config /etc/veille/agent.toml
  veille doctor --config /etc/veille/agent.toml --only broker,agent
  veille doctor --json
"""


def add_to(commands: Commands) -> None:
    """Add `doctor` to the command line."""
    parser = add_command(commands, "doctor", "check that this machine is fit for the agent", PAGE, run)
    parser.add_argument("--config", type=Path, metavar="agent.toml", help="the settings (default: the defaults)")
    parser.add_argument("--only", metavar="CHECK,CHECK", help="these checks alone")
    parser.add_argument("--strict", action="store_true", help="a warning is a failure too")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument("--as", dest="user", metavar="USER", help="whose eyes root borrows (default: veille, if any)")


def run(given: argparse.Namespace) -> int:
    """Print all findings; 1 where one fails."""
    _become(given.user)
    import msgspec

    from agent.doctor import Finding, examine

    found: list[Finding] = []
    for finding in examine(given.config, only=given.only.split(",") if given.only else None):
        found.append(finding)
        if not given.json:
            sys.stdout.write(_line(finding.name, finding.level, finding.message, finding.mend))
            sys.stdout.flush()
    if not found:
        raise SettingsError(f"--only {given.only}: there is no such check; `veille doctor` shows them all")
    if given.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")
    wrong = ("fail", "warn") if given.strict else ("fail",)
    return int(any(finding.level in wrong for finding in found))


def _become(name: str | None) -> None:
    """Root may read and write everything, and would find no permission missing.

    Raises:
        SettingsError: there is no such user, or only root may look as another.
    """
    if os.geteuid() != 0 and name is None:
        return
    try:
        user = pwd.getpwnam(name or USER)
        if user.pw_uid == os.geteuid():
            return
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    except KeyError as error:
        if name is not None:
            raise SettingsError(f"--as {name}: there is no such user") from error
    except PermissionError as error:
        raise SettingsError(f"--as {name}: only root can look as another user") from error


def _line(name: str, level: str, message: str, mend: str) -> str:
    shown = {"fail": "FAIL"}.get(level, level)
    return f"{shown:4}  {name:14}  {message}\n" + (f"{'':22}-> {mend}\n" if mend else "")
