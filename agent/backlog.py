"""Which of the waiting rows may go now, and how many: a bounded rate, in order of `seq`, one pass after the other.

New events do not come through here, they are sent at once. Where the broker's word is enough, one pass follows each
new connection. End to end, a pass follows also while consumers have not acknowledged: after `AGAIN_S`, then ever more
rarely, and never more than `WINDOW` rows without an answer, so that a consumer that is gone for days costs little.
Times are of the monotonic clock and are passed in.
"""

import math
from dataclasses import dataclass

AGAIN_S = (30.0, 3600.0)
"""First and longest pause before unanswered rows are sent again."""
WINDOW = 500
"""Rows of a pass sent without an acknowledgement."""
ASKED_S = 5.0
"""Shortest time between two passes that consumers ask for."""
BURST_S = 0.1


@dataclass(slots=True)
class Backlog:
    """The pass under way: rows with `after` < seq <= `until` are still to be sent."""

    per_s: float
    repeats: bool
    """End to end: pass again until all is acknowledged."""
    after: int = 0
    until: int = 0
    _tokens: float = 0.0
    _filled_s: float = -math.inf
    _unanswered: int = 0
    _progressed: bool = True
    _pause_s: float = AGAIN_S[0]
    _next_s: float = math.inf
    _mark: int = 0
    """Rows up to this one were sent when the next pass was planned: that one may send them again."""
    _asked: bool = False
    _asked_s: float = -math.inf

    @property
    def done(self) -> bool:
        """Whether the pass has reached its end."""
        return self.after >= self.until

    @property
    def stalled(self) -> bool:
        """Whether the pass waits for an acknowledgement."""
        return self.repeats and self._unanswered >= WINDOW

    def begin(self, until: int, now_s: float) -> None:
        """A new connection: all rows up to `until` are sent."""
        self._pause_s = AGAIN_S[0]
        self._start(until, until, now_s)

    def extend(self, after: int, until: int) -> None:
        """New rows beyond `after` have grown old before there was room for them: they wait here now, up to `until`."""
        if self.done:
            self.after = after
        self.until = until

    def ask(self) -> None:
        """A consumer wants to hear again what it has not acknowledged."""
        self._asked = True

    def progress(self, seqs: list[int]) -> None:
        """These rows were acknowledged."""
        if any(seq <= self.until for seq in seqs):
            self._unanswered, self._progressed = 0, True

    def allowance(self, live: int, now_s: float) -> int:
        """How many rows may be sent now; `live` = the newest row that was sent as it came."""
        self._perhaps_again(live, now_s)
        burst = max(1.0, self.per_s * BURST_S)
        self._tokens = min(burst, self._tokens + self.per_s * min(now_s - self._filled_s, BURST_S))
        self._filled_s = now_s
        room = WINDOW - self._unanswered if self.repeats else WINDOW
        return 0 if self.done else min(int(self._tokens), room)

    def sent(self, seqs: list[int], asked_for: int, now_s: float) -> None:
        """`seqs` are on their way; fewer than asked for = the pass is at its end."""
        self._tokens -= len(seqs)
        self._unanswered += len(seqs)
        self.after = seqs[-1] if len(seqs) == asked_for else self.until
        self._next_s = now_s + self._pause_s

    def _perhaps_again(self, live: int, now_s: float) -> None:
        if self._asked and now_s >= self._asked_s + ASKED_S:
            self._asked, self._asked_s, self._pause_s = False, now_s, AGAIN_S[0]
            self._start(live, live, now_s)
        elif self.repeats and now_s >= self._next_s and (self.done or self.stalled):
            answered = self._progressed or self._unanswered == 0
            self._pause_s = AGAIN_S[0] if answered else min(2 * self._pause_s, AGAIN_S[1])
            self._start(self._mark, live, now_s)

    def _start(self, until: int, mark: int, now_s: float) -> None:
        self.after, self.until, self._mark = 0, until, mark
        self._unanswered, self._progressed = 0, False
        self._next_s = now_s + self._pause_s
