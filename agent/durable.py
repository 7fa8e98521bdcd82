"""Files that are there whole or not at all, also after a power cut; and those that one program holds at a time."""

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO


def write_durably(path: Path, content: bytes | Iterable[bytes], mode: int = 0o600) -> None:
    """Replace a file in one step: written beside it, forced to the disk, renamed, and the rename forced to the disk.

    `content`: whole, or in pieces.

    Raises:
        OSError: the file is as it was.
    """
    beside = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.writelines([content] if isinstance(content, bytes) else content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Force a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def locked(path: Path) -> TextIO:
    """The open file, locked until it is closed; the lock goes with the program that holds it. Its folder is made.

    Raises:
        BlockingIOError: another program holds it.
        OSError: it cannot be made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = path.open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        raise
    return held
