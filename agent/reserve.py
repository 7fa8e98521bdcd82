"""Disk held back for the moment when it is full: even deleting rows takes some room first."""

import logging
import os
from contextlib import suppress
from pathlib import Path

log = logging.getLogger("veille")


LEAST = 1 << 20


class Reserve:
    """A file of `size` bytes that can be let go. Without room for it, it is simply not there."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size

    @classmethod
    def beside(cls, path: Path, size: int) -> "Reserve":
        """The reserve of the database at `path`."""
        return cls(path.with_name(f"{path.name}.reserve"), size)

    def affordable(self) -> bool:
        """Whether there is room for it, and as much again."""
        try:
            disk = os.statvfs(self._path.parent)
        except OSError:
            return False
        return disk.f_bavail * disk.f_frsize > 2 * max(self._size, LEAST)

    def take(self) -> None:
        """Hold the room, where there is room; never fails."""
        if self._size == 0 or self._held():
            return
        try:
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size)
        except OSError as error:
            log.debug("no disk can be held back: %s", error)
            self.let_go()

    def let_go(self) -> None:
        """Give the room to whoever writes next."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _held(self) -> bool:
        try:
            return self._path.stat().st_blocks * 512 >= self._size
        except OSError:
            return False
