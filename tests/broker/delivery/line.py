"""A network line between two programs that can be made slow, mute or torn: `line.py` is a small TCP proxy."""

import select
import socket
import threading


class Line:
    """Passes bytes on to `port`, as its attributes say at the moment.

    Attributes:
        bytes_per_s: none = as fast as it goes.
        mute: True = nothing passes, and nobody is told (half-open).
        cut_after: bytes toward the broker after which the line is torn, in the middle of a packet; none = never.
    """

    def __init__(self, port: int) -> None:
        self.bytes_per_s: float | None = None
        self.mute = False
        self.cut_after: int | None = None
        self.cuts = 0
        self._behind = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(0.1)
        self.port = self._listening.getsockname()[1]
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(10)
        self._listening.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                near, _ = self._listening.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._serve, args=(near,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(("127.0.0.1", self._behind), timeout=5)
        except OSError:
            near.close()
            return
        with near, far:
            try:
                self._pass(near, far)
            except OSError:
                return

    def _pass(self, near: socket.socket, far: socket.socket) -> None:
        upward = 0
        while not self._stop.is_set():
            if self.mute:
                self._stop.wait(0.05)
                continue
            for side in select.select([near, far], [], [], 0.05)[0]:
                content = side.recv(1024 if self.bytes_per_s else 65536)
                if not content:
                    return
                if side is near and self.cut_after is not None and upward + len(content) > self.cut_after:
                    far.sendall(content[: self.cut_after - upward])
                    self.cuts += 1
                    return
                upward += len(content) if side is near else 0
                (far if side is near else near).sendall(content)
                if self.bytes_per_s:
                    self._stop.wait(len(content) / self.bytes_per_s)
