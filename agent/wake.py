"""Waiting for the network in a way that a new event can end."""

import select
import socket
import ssl
from contextlib import suppress

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

MOST_READS = 100
"""Packets read before the owner's turn comes."""


class Wake:
    """Ends a wait for the network from another thread."""

    def __init__(self) -> None:
        self._far, self._near = socket.socketpair()
        self._far.setblocking(False)
        self._near.setblocking(False)

    def fileno(self) -> int:
        """What `select` waits for."""
        return self._near.fileno()

    def ring(self) -> None:
        """End the wait; a bell that has been rung often enough already is not rung again."""
        with suppress(BlockingIOError):
            self._far.send(b"!")

    def quiet(self) -> None:
        """It was heard."""
        with suppress(BlockingIOError):
            self._near.recv(4096)


def serve(client: Client, wake: Wake, seconds: float) -> bool:
    """Serve the client's network until there is something to do, for at most `seconds`; False where it ended.

    The library's own `loop` cannot be woken: a new event would wait for its turn, up to a twentieth of a second. What
    has come is read together, for its receiver waits for the disk once and not for each.
    """
    for _ in range(MOST_READS):
        line = client.socket()
        if line is None:
            return False
        ready = isinstance(line, ssl.SSLSocket) and line.pending() > 0
        number = line.fileno()
        writing = [number] if client.want_write() else []
        readable, writable, _ = select.select([number, wake.fileno()], writing, [], 0 if ready else seconds)
        wake.quiet()
        if writable and client.loop_write():
            return False
        if not (ready or number in readable):
            break
        if client.loop_read():
            return False
        seconds = 0.0
    return client.loop_misc() == MQTTErrorCode.MQTT_ERR_SUCCESS
