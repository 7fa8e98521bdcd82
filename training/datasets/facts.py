"""What a run record says of data: where from, under which licence, whose, and exactly which files."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec


class DataFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset, or the recordings under one licence in a user's folder."""

    name: str
    source: str
    licence: str
    digest: str
    """See `files_digest`."""
    files: int
    wearers: dict[str, list[str]]
    """Part of the split -> pseudonyms."""


def files_digest(paths: Iterable[Path], folder: Path) -> str:
    """SHA-256 over the name in `folder` and the SHA-256 of each file, in order of name.

    To make it again: `cd FOLDER && sha256sum FILE... | sha256sum`, files in the order of their bytes.
    """
    whole = hashlib.sha256()
    for name, path in sorted((path.relative_to(folder).as_posix(), path) for path in paths):
        with path.open("rb") as file:
            own = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{own}  {name}\n".encode())
    return whole.hexdigest()
