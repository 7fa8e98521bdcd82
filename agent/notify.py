"""Tell the service manager how we are: ready, alive, stopping; sd_notify(3) over its datagram socket.

Where nobody asked to be told (`NOTIFY_SOCKET` is not set) nothing is sent.
"""

import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger("veille")


class Notifier:
    """Sends datagrams to the socket at `address`; empty = to nobody. A leading `@` stands for the abstract namespace.

    It never blocks and never raises: a service manager that does not listen must not stop the watch.
    """

    def __init__(self, address: str = "") -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        self._failed = False

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> "Notifier":
        """As systemd asks for it in the environment of a service with `Type=notify`."""
        return cls(environment.get("NOTIFY_SOCKET", ""))

    def ready(self) -> None:
        """All parts stand: the service is up, and its watchdog begins to wait for `alive`."""
        self._send("READY=1")

    def alive(self) -> None:
        """The pipeline has taken one more step; when this stays out for `WatchdogSec=`, we are restarted."""
        self._send("WATCHDOG=1")

    def status(self, words: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={words}")

    def stopping(self) -> None:
        """A clean stop has begun."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(message.encode(), socket.MSG_DONTWAIT, self._address)
            self._failed = False
        except OSError as error:
            if not self._failed:  # once, not five times a second
                log.warning("the service manager cannot be told %s: %s", message, error.strerror)
            self._failed = True
