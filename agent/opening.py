"""A bundle is opened beside the watching: its golden replay takes seconds on a small gateway, and no step waits for it.

A step that waited would feed the watchdog too late, and lose the time of whoever falls meanwhile. What hangs while it
is opened hangs alone.
"""

import threading
from collections.abc import Callable

from agent.players import Player

Work = Callable[[], None]
Start = Callable[[Work], None]
"""Does the work, now or beside what goes on."""
Opened = tuple[Player, str]
"""And its name on the shelf."""


def in_background(work: Work) -> None:
    """In a thread that ends with the program at the latest."""
    threading.Thread(target=work, name="opening", daemon=True).start()


class Opening:
    """One bundle on its way.

    Args:
        make: opens it; whatever it raises is kept for `take`.
        start: has that done.
        then: what is to be done with it.
    """

    def __init__(self, make: Callable[[], Opened], start: Start, then: Callable[["Opening", float], None]) -> None:
        self.then = then
        self._make, self._opened, self._error = make, list[Opened](), list[Exception]()
        start(self._work)

    @property
    def over(self) -> bool:
        """Whether `take` has an answer."""
        return bool(self._opened or self._error)

    def take(self) -> Opened:
        """It.

        Raises:
            Exception: what opening it has raised.
        """
        if self._error:
            raise self._error[0]
        return self._opened[0]

    def _work(self) -> None:
        try:
            self._opened.append(self._make())
        except Exception as error:  # noqa: BLE001 - a `BundleError`, or whatever a bundle that opens can still do
            self._error.append(error)
