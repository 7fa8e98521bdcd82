"""Plain arrays out of an `.npz`, bounded before a byte is unpacked: a small file may claim to hold a terabyte."""

import io
import math
import zipfile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from agent.errors import BundleError, first_line

LARGEST_UNPACKED = 64 * 2**20
"""Bytes of all arrays of one file; those of the shipped bundle take a third of a megabyte."""
MOST_MEMBERS = 256
NUMBERS = "biuf"
"""Kinds of array: booleans, whole and real numbers. Numpy would read a text as numbers, and half of a complex one."""
READ_HEADER = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}

Arrays = dict[str, NDArray[Any]]


def read_arrays(content: bytes, name: str) -> Arrays:
    """The arrays by name; nothing is ever unpickled.

    Args:
        content: of the file.
        name: of the file, for the message.

    Raises:
        BundleError: no such archive, damaged, too large, or it holds anything but plain arrays.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_size(archive)
            for member in archive.infolist():
                with archive.open(member) as file:
                    _check_header(file, member.file_size)
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {key: np.asarray(arrays[key]) for key in arrays.files}
    except Exception as error:  # zipfile, zlib and numpy each have errors of their own for a damaged file
        raise BundleError(f"{name}: not an archive of plain arrays ({first_line(error)})") from error


def _check_size(archive: zipfile.ZipFile) -> None:
    """Of a member no more is read than its entry says, so the entries bound what is unpacked."""
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if len(members) > MOST_MEMBERS or unpacked > LARGEST_UNPACKED:
        raise ValueError(f"{len(members)} members of {unpacked} bytes, at most {MOST_MEMBERS} of {LARGEST_UNPACKED}")
    if len({member.filename for member in members}) < len(members):
        raise ValueError("a member twice")


def _check_header(file: IO[bytes], size: int) -> None:
    """An array of the shape that its header claims must fill its member: numpy makes room before it reads."""
    version = np.lib.format.read_magic(file)
    if version not in READ_HEADER:
        raise ValueError(f"version {version} of the array format")
    shape, _, dtype = READ_HEADER[version](file)
    if dtype.hasobject:
        raise ValueError("pickled objects")
    if dtype.kind not in NUMBERS:
        raise ValueError(f"{dtype} instead of real numbers")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != size - file.tell():
        raise ValueError(f"an array of shape {shape} that is not there")
