"""The latest health message in a file beside the outbox, so that `veille doctor` can look without asking a broker."""

from pathlib import Path
from typing import Any

import msgspec

NAME = "health.json"


def write_vitals(folder: Path, health: dict[str, Any]) -> None:
    """Replace the file at once: a reader sees the old one or the new one. Not synced, for it is news, not a record.

    Raises:
        OSError: the folder cannot be written.
    """
    fresh = folder / f".{NAME}"
    fresh.write_bytes(msgspec.json.encode(health))
    fresh.replace(folder / NAME)


def read_vitals(folder: Path) -> dict[str, Any] | None:
    """What the agent said last; None where it has never run here.

    Raises:
        OSError: the file cannot be read.
        msgspec.DecodeError: it is no JSON object.
    """
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return None
