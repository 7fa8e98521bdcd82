"""Files that are there whole or not at all: a cut cable must not cost the last good state."""

from pathlib import Path

from agent.durable import write_durably


def write_atomically(path: Path, content: bytes) -> None:
    """As `write_durably`: whoever opens `path` finds the old or the new, whole; for others to read as well.

    The folder is made where it is missing. What a kill leaves behind is overwritten by the next writing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, content, mode=0o666)  # less what the umask forbids
