r"""What is known of each wearer, kept over a restart: one file a bundle, replaced whole, checked whole.

A file that was cut off, altered, or written by another version is refused with one clear line and set aside; the
wearers then start from the population again. A wrong memory would make a wrong promise, a lost one only makes a wide
one. A power cut costs what was learnt since the last save, at most `SAVE_S`.

    "veille-wearers/1\n", sha256 of the rest (32 bytes), msgpack of `Saved`

Each part of the agent that remembers wearers says what it knows as arrays, and takes them back (`Remembers`). Numbers
that belong to one bundle mean nothing under another, so the file carries the bundle's digest in its name: after a
return to the bundle before, what was known under that one is there again.
"""

import contextlib
import hashlib
import itertools
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.counters import Counters, log
from agent.durable import write_durably
from agent.errors import MemoryFileError, first_line

MAGIC = b"veille-wearers/1\n"
SAVE_S = 900.0
"""Seconds between two saves: 45 kB a wearer, so a card of flash memory lives for decades."""
LARGEST_BYTES = 1 << 30
MAP_OF_TWO = b"\x82"
MAP = struct.Struct(">BI")
"""The head of a map in msgpack: 0xdf, and how many pairs follow."""
KEPT_FILES = 3
"""Of this bundle, of the one before, and of one that runs as a shadow."""

Arrays = dict[str, NDArray[Any]]


class Remembers(Protocol):
    """A part of the agent that knows something of each wearer."""

    def state(self, wearer: int) -> Arrays:
        """All that is known of the wearer in that slot."""

    def restore(self, wearer: int, state: Arrays) -> None:
        """Take it back.

        Raises:
            KeyError, ValueError: it is not what `state` gave; nothing was taken.
        """


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """One array."""

    dtype: str
    shape: tuple[int, ...]
    content: bytes


class Saved(msgspec.Struct, frozen=True):
    """Content of the file."""

    saved_s: float
    wearers: dict[str, dict[str, dict[str, Packed]]]
    """Wearer -> part -> name of an array -> the array."""


class Memory:
    """Recalls a wearer when he is first heard, and saves all of them now and then."""

    def __init__(self, folder: Path, bundle_digest: str, parts: Mapping[str, Remembers], counters: Counters) -> None:
        self._path = folder / f"wearers-{bundle_digest[:16]}.state"
        self._parts, self._counters = parts, counters
        self._known = self._read()
        self._recalled = 0
        self._saved_s: float | None = None

    def recall(self, wearers: Sequence[str]) -> None:
        """Give the parts what is known of the wearers who have come since the last call; slot = place in the list."""
        for slot in range(self._recalled, len(wearers)):
            self._recall(slot, wearers[slot])
        self._recalled = len(wearers)

    def save(self, wearers: Sequence[str], now_s: float, *, at_once: bool = False) -> None:
        """Write the file if it is time; a failure is counted and told, and tried again when it is time again."""
        if self._saved_s is None:
            self._saved_s = now_s
        if not at_once and 0 <= now_s - self._saved_s < SAVE_S:
            return
        self._saved_s = now_s
        try:
            self._replace(wearers, now_s)
            self._forget_others()
        except OSError as error:
            self._counters.count("memory_save_errors")
            log.warning("%s: %s; what was learnt of the wearers waits in memory", self._path, error.strerror)

    def _replace(self, wearers: Sequence[str], now_s: float) -> None:
        """Wearer by wearer, once for the digest and once for the file: megabytes at once would stay with the heap."""
        digest = hashlib.sha256()
        for piece in self._pieces(wearers, now_s):
            digest.update(piece)
        start = MAGIC + digest.digest()
        # mode: less what the umask forbids
        write_durably(self._path, itertools.chain([start], self._pieces(wearers, now_s)), mode=0o666)

    def _pieces(self, wearers: Sequence[str], saved_s: float) -> Iterator[bytes]:
        """The msgpack of `Saved`, piece by piece."""
        absent = {name: parts for name, parts in self._known.items() if name not in wearers}
        encode, (when, who) = msgspec.msgpack.encode, Saved.__struct_fields__
        yield MAP_OF_TWO + encode(when) + encode(saved_s) + encode(who) + MAP.pack(0xDF, len(absent) + len(wearers))
        for name, parts in absent.items():
            yield encode(name) + encode(parts)
        for slot, name in enumerate(wearers):
            yield encode(name) + encode({part: _packed(one.state(slot)) for part, one in self._parts.items()})

    def _recall(self, slot: int, wearer: str) -> None:
        known = self._known.pop(wearer, {})
        for part, one in self._parts.items():
            if part in known:
                try:
                    one.restore(slot, {name: _unpacked(array) for name, array in known[part].items()})
                except (KeyError, TypeError, ValueError) as error:
                    self._counters.count("memory_refused")
                    log.warning("%s: %s of %s does not fit (%s)", self._path, part, wearer, first_line(error))

    def _read(self) -> dict[str, dict[str, dict[str, Packed]]]:
        try:
            return _read(self._path).wearers if self._path.exists() else {}
        except MemoryFileError as error:
            self._counters.count("memory_refused")
            log.warning("%s", error)
            with contextlib.suppress(OSError):  # a folder that cannot be written is told at the first save
                self._path.replace(self._path.with_suffix(".refused"))
            return {}

    def _forget_others(self) -> None:
        files = sorted(self._path.parent.glob("wearers-*.state"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in files[KEPT_FILES:]:
            path.unlink(missing_ok=True)


def _read(path: Path) -> Saved:
    """Raises MemoryFileError."""
    start_over = "set aside; the wearers start from the population again"
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise MemoryFileError(f"{path}: larger than {LARGEST_BYTES >> 20} MiB; {start_over}")
        content = path.read_bytes()
    except OSError as error:
        raise MemoryFileError(f"{path}: {error.strerror}; {start_over}") from error
    if not content.startswith(MAGIC):
        raise MemoryFileError(f"{path}: of another version, or no memory of Veille; {start_over}")
    digest, body = content[len(MAGIC) : len(MAGIC) + 32], memoryview(content)[len(MAGIC) + 32 :]
    if hashlib.sha256(body).digest() != digest:
        raise MemoryFileError(f"{path}: cut off or altered; {start_over}")
    try:
        return msgspec.msgpack.decode(body, type=Saved)
    except msgspec.DecodeError as error:
        raise MemoryFileError(f"{path}: {first_line(error)}; {start_over}") from error


def _packed(arrays: Arrays) -> dict[str, Packed]:
    return {name: Packed(array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items()}


def _unpacked(array: Packed) -> NDArray[Any]:
    """Raises TypeError or ValueError where it is no array of plain numbers."""
    dtype = np.dtype(array.dtype)
    if dtype.kind not in "biuf":
        raise ValueError(f"an array of {dtype}")
    return np.frombuffer(array.content, dtype).reshape(array.shape).copy()
