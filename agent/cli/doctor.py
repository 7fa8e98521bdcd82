"""`veille doctor`: is this machine fit to keep watch?"""

import argparse
import sys
from pathlib import Path

from agent.cli.page import Commands, add_command

PAGE = """
Look at what the agent needs (Python, packages, settings, bundle, runtime, disk, memory, clock, brokers, outbox) and
say of each: ok, warn or FAIL, and what to do. Changes nothing. Exit status 1 where something fails.

Examples:
  veille doctor --config /etc/veille/agent.toml
  veille doctor --json
"""


def add_to(commands: Commands) -> None:
    """Add `doctor` to the command line."""
    parser = add_command(commands, "doctor", "check that this machine is fit for the agent", PAGE, run)
    parser.add_argument("--config", type=Path, metavar="agent.toml", help="the settings (default: the defaults)")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(given: argparse.Namespace) -> int:
    """Print all findings; 1 where one fails."""
    import msgspec

    from agent.doctor import Finding, examine

    found: list[Finding] = []
    for finding in examine(given.config):
        found.append(finding)
        if not given.json:
            sys.stdout.write(_line(finding.name, finding.level, finding.message, finding.mend))
            sys.stdout.flush()
    if given.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")
    return int(any(finding.level == "fail" for finding in found))


def _line(name: str, level: str, message: str, mend: str) -> str:
    shown = {"fail": "FAIL"}.get(level, level)
    return f"{shown:4}  {name:14}  {message}\n" + (f"{'':22}-> {mend}\n" if mend else "")
