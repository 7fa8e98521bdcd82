"""A progress bar for long work, drawn for people only."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Thing = TypeVar("Thing")


def watched(things: Sequence[Thing], what: str) -> Iterable[Thing]:
    """The same things, with a progress bar where the error stream is a terminal."""
    console = Console(stderr=True)
    return track(things, what, console=console, disable=not console.is_terminal)
