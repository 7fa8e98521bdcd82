"""What the commands share: how a page of help looks, and how a file is opened for output."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from agent.errors import StopError

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it
else:
    Commands = Any

RUNTIMES = ("onnx", "onnx-cuda", "onnx-tensorrt", "litert")
"""As `agent.records.RuntimeName`, which is not imported here: help must be quick."""


def add_runtime(parser: argparse.ArgumentParser) -> None:
    """Add `--runtime`."""
    parser.add_argument("--runtime", choices=RUNTIMES, help="what runs the network (default: what the bundle names)")


def add_command(
    commands: Commands, name: str, what: str, page: str, command: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """Add a command: `what` in the list of commands, `page` (text and example) on its own help."""
    parser = commands.add_parser(
        name, help=what, description=page.strip(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(command=command)
    return parser


@contextmanager
def written(path: str | None) -> Iterator[TextIO | None]:
    """Open `path` for text; `-` = standard output, none = nothing is written.

    Raises:
        StopError: the file cannot be made.
    """
    if path is None or path == "-":
        yield None if path is None else sys.stdout
        return
    try:
        file = Path(path).open("w", encoding="utf-8", newline="")  # noqa: SIM115 - closed below; only opening is told as a mistake
    except OSError as error:
        raise StopError(f"{path}: cannot be written: {error.strerror}; name another file") from error
    with file:
        yield file
