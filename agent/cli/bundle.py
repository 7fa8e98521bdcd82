"""`veille bundle show|verify`: what a model says of itself, and whether it is whole."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli.page import Commands, add_command, add_runtime

if TYPE_CHECKING:
    from agent.bundle import Bundle

PAGE = """
Show or verify a model bundle (format veille-bundle/1, a directory). Both check every file against its digest and
replay the golden stream; a bundle that is truncated, altered or too new is refused with one line that says why.
`show` also says where the model card (CARD.md) lies: data, licences, figures and limits, in words.

Examples:
  veille bundle show
  veille bundle verify /etc/veille/bundle
  veille bundle verify /etc/veille/bundle --runtime litert
  veille bundle verify /etc/veille/bundle --trust /etc/veille/root.json    signed by them, or refused
"""


def add_to(commands: Commands) -> None:
    """Add `bundle` to the command line."""
    parser = add_command(commands, "bundle", "show or verify a model bundle", PAGE, run)
    parser.add_argument("verb", choices=("show", "verify"), help="show: its manifest as JSON; verify: whole or not")
    parser.add_argument("path", nargs="?", type=Path, metavar="DIR", help="default: the bundle in the package")
    parser.add_argument("--trust", type=Path, metavar="root.json", help="refuse what its keys have not signed")
    add_runtime(parser)


def run(given: argparse.Namespace) -> int:
    """Open the bundle, which verifies it, then print what was asked."""
    from agent.bundle import default_bundle_path, open_bundle
    from agent.signature import Keyring

    keyring = Keyring(given.trust, required=given.trust is not None)
    bundle = open_bundle(given.path or default_bundle_path(), given.runtime, keyring)
    sys.stdout.write(_manifest(bundle) if given.verb == "show" else _verified(bundle))
    if bundle.card and given.verb == "show":
        sys.stderr.write(f"in words: {bundle.card}\n")  # standard output holds JSON and nothing else
    return 0


def _manifest(bundle: "Bundle") -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(bundle.manifest), indent=2).decode() + "\n"


def _verified(bundle: "Bundle") -> str:
    whole = "every file has its digest, and the golden stream gives what it should"
    runtime = bundle.model.runtime
    where = f"on {runtime.package}, {runtime.provider}"
    return f"{bundle.path}: {bundle.id} is whole: {whole} {where} ({bundle.origin}, {bundle.digest})\n"
