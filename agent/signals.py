"""SIGTERM and Ctrl-C ask a program to stop; it ends in good order by itself."""

import signal
import threading


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` at SIGTERM or SIGINT; without effect outside the main thread, where Python allows no handler."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
