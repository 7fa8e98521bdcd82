"""A fuzzer's bytes read as choices, so that small changes of the bytes are small changes of what is built from them."""

import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

One = TypeVar("One")
ODD_NUMBERS = (0.0, -0.0, 1.0, -1.0, 1e-320, 1e308, -1e308, 3.5e38, 2.0**63, float("nan"), float("inf"), float("-inf"))


class Draw:
    """Takes from the front; what is used up gives zeros."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    @property
    def left(self) -> int:
        return max(0, len(self._content) - self._at)

    def take(self, count: int) -> bytes:
        """At most so many bytes."""
        taken = self._content[self._at : self._at + count]
        self._at += count
        return taken

    def below(self, many: int) -> int:
        """In [0, many); many <= 65536."""
        return int.from_bytes(self.take(1 if many <= 256 else 2), "little") % many

    def one_of(self, choices: Sequence[One]) -> One:
        return choices[self.below(len(choices))]

    def number(self) -> float:
        """An odd one, a small one, or any."""
        kind = self.below(4)
        if kind == 0:
            return self.one_of(ODD_NUMBERS)
        if kind == 1:
            return float(self.below(65536) - 32768)
        return float(struct.unpack("<d", self.take(8).ljust(8, b"\0"))[0])


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """A folder, in memory where there is such a place."""
    return tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").exists() else None)


def told_in_one_line(error: Exception) -> None:
    """As a person is shown it."""
    assert "\n" not in str(error)
