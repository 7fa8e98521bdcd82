"""The last seconds of packets, in a folder that lives as long as the machine is up.

A window spans 2.56 s: an agent that was killed and started again would score nothing for so long, and a fall around
the kill would be cut in two. So each packet is written down before the broker hears that we have it, and what a
predecessor wrote a moment ago is taken in again. The folder is meant to be memory (`/run`, systemd's
`RuntimeDirectory=`): samples reach no disk.
"""

import logging
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec

log = logging.getLogger("veille")

SPAN_S = 4.0
"""At least so much is kept, at most twice as much: a window, a hop, and a packet that began before it."""
MAX_BYTES = 16 << 20
"""Of each of the two files."""

Arrival = tuple[str, bytes, float]
"""Topic, payload, received_s."""


class Tail:
    """Two files that take turns. Not for several threads at once.

    Args:
        folder: is there, and belongs to us alone.
    """

    def __init__(self, folder: Path) -> None:
        self._new, self._old = folder / "packets.new", folder / "packets.old"
        self._file = self._new.open("ab", buffering=0)
        self._since_s = float("-inf")
        self._failed = False

    def recall(self, now_s: float) -> list[Arrival]:
        """What arrived in the last `SPAN_S` before `now_s`, in order."""
        found = [arrival for path in (self._old, self._new) for arrival in _read(path)]
        return [arrival for arrival in found if 0 <= now_s - arrival[2] <= 2 * SPAN_S]

    def keep(self, arrival: Arrival) -> None:
        """Write one down; a folder that is full is told once, and costs nothing but this memory."""
        try:
            if not 0 <= arrival[2] - self._since_s <= SPAN_S or self._file.tell() > MAX_BYTES:
                self._turn(arrival[2])
            record = msgspec.msgpack.encode(arrival)
            self._file.write(struct.pack("<I", len(record)) + record)  # one call: whole or torn, never mixed
        except OSError as error:
            if not self._failed:
                log.warning("%s: %s; a restart will begin with no samples", self._new, error.strerror)
            self._failed = True

    def close(self) -> None:
        """The files stay, for the next start."""
        self._file.close()

    def _turn(self, now_s: float) -> None:
        self._file.close()
        self._new.replace(self._old)
        self._file = self._new.open("ab", buffering=0)
        self._since_s = now_s


def _read(path: Path) -> Iterator[Arrival]:
    """Records up to the first that is torn."""
    data = path.read_bytes() if path.exists() else b""
    start = 0
    while len(data) - start >= struct.calcsize("<I"):
        (length,) = struct.unpack_from("<I", data, start)
        start += struct.calcsize("<I") + length
        try:
            yield msgspec.msgpack.decode(data[start - length : start], type=Arrival)
        except msgspec.DecodeError:
            return
