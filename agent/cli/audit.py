"""`veille audit show|verify`: what was done on this gateway, and whether the record of it is whole."""

import argparse
import json
import sys
from pathlib import Path

from agent.cli.page import Commands, add_command

PAGE = """
Show or verify the audit log of this gateway: starts and stops, changed settings, bundles that came into service and
why, acknowledgements summed up by the hour. Each line holds the digest of the one before; `verify` follows the chain
and says where it breaks. Exit status 1 where it does.

The end of the chain is told in every message on .../health (audit.head). Give one that you kept with --head: then a
log that was rewritten as a whole is found out as well.

Examples:
  veille audit show --config /etc/veille/agent.toml --last 20
  veille audit show --kind bundle --json
  veille audit verify --config /etc/veille/agent.toml
  veille audit verify --head 9f2c...
"""


def add_to(commands: Commands) -> None:
    """Add `audit` to the command line."""
    parser = add_command(commands, "audit", "show or verify the log of what was done here", PAGE, run)
    parser.add_argument("verb", choices=("show", "verify"), help="show: its entries; verify: whole or not")
    parser.add_argument("--config", type=Path, metavar="agent.toml", help="the settings (default: the defaults)")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="folder of the log (default: audit in state_dir)")
    parser.add_argument("--kind", help="show these entries only")
    parser.add_argument("--last", type=int, metavar="N", help="show the last N of them")
    parser.add_argument("--json", action="store_true", help="as JSON, one entry a line")
    parser.add_argument("--head", metavar="SHA256", help="verify: a line with this digest must be there")


def run(given: argparse.Namespace) -> int:
    """Show or verify; 1 where the chain is broken."""
    folder = given.dir or _folder(given.config)
    return _show(given, folder) if given.verb == "show" else _verify(folder, given.head)


def _folder(config: Path | None) -> Path:
    from agent.settings import Settings, read_settings

    return Path((Settings() if config is None else read_settings(config)).state_dir) / "audit"


def _show(given: argparse.Namespace, folder: Path) -> int:
    import msgspec

    from agent.audit_check import entries

    found = [entry for entry in entries(folder) if given.kind in (None, entry.kind)]
    for entry in found[-given.last :] if given.last else found:
        if given.json:
            sys.stdout.write(msgspec.json.encode(entry).decode() + "\n")
        else:
            told = ", ".join(f"{key} {_short(value)}" for key, value in entry.data.items())
            sys.stdout.write(f"{entry.seq:6}  {entry.time}  {entry.kind:12}  {told}\n")
    return 0


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _verify(folder: Path, witness: str | None) -> int:
    from agent.audit_check import examine

    found = examine(folder, witness)
    for fault in found.faults:
        sys.stdout.write(f"BROKEN  {fault}\n")
    if found.torn:
        sys.stdout.write(f"note    the last line is torn ({found.torn} bytes): it was being written\n")
    missing = f", the first {found.first_seq - 1} were forgotten to keep it small" if found.first_seq > 1 else ""
    state = f"broken in {len(found.faults)} places" if found.faults else "whole"
    sys.stdout.write(f"{folder}: {found.entries} entries{missing}, {state}; head {found.head}\n")
    return int(bool(found.faults))
