"""A progress bar, for people only: nothing is drawn where stderr is not a terminal."""

import sys
import time
from types import TracebackType
from typing import Self

WIDTH = 30


class Progress:
    """`with Progress("replay") as progress: progress.show(done, total)`; wipes itself out at the end."""

    def __init__(self, name: str) -> None:
        self._name, self._drawn_s = name, 0.0
        self._on = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._on:
            sys.stderr.write("\r\x1b[K")

    def show(self, done: int, total: int) -> None:
        """Draw at most ten times a second."""
        now_s = time.monotonic()
        if not self._on or (done < total and now_s - self._drawn_s < 0.1):
            return
        self._drawn_s = now_s
        full = WIDTH * done // max(total, 1)
        sys.stderr.write(f"\r{self._name} [{'#' * full}{'.' * (WIDTH - full)}] {100 * done // max(total, 1):3d} %")
        sys.stderr.flush()
