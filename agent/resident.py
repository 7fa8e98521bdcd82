"""Code that only a start has needed, given back: resident memory counts every page of a library that was run once.

Opening a bundle runs through the runtime's parser, its rewriting of graphs and its register of kernels: 14 MB of code,
of which scoring needs nothing. The kernel could take such pages back by itself, for they are as they are in their file,
but does so only when memory is short. What is needed after all is mapped again at once, from the kernel's cache.
"""

import ctypes
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

DONTNEED = 4
"""`MADV_DONTNEED` of Linux."""
MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ [1-9]\d* .*\n((?:[A-Z].*\n)*)", re.MULTILINE)
"""In `/proc/self/smaps`, of a file: from, to, rights, and what is known of it."""


def forget_code() -> None:
    """Let go of all code that is mapped from files and unchanged; where that cannot be had nothing happens."""
    libc = ctypes.CDLL(None)
    with suppress(OSError, AttributeError):
        for start, length in _unchanged(Path("/proc/self/smaps").read_text()):
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), DONTNEED)


def _unchanged(smaps: str) -> Iterator[tuple[int, int]]:
    """Start and length of each mapping of code without a page of our own: only such a page would be lost."""
    for start, end, rights, facts in MAPPING.findall(smaps):
        if rights == "r-xp" and re.search(r"^Anonymous: +0 kB$", facts, re.MULTILINE):
            yield int(start, 16), int(end, 16) - int(start, 16)
