"""What each stream usually shows: a slow mean of its own past, drawn towards 0 while little of it is known.

One sum and one weight a stream. A window counts for less with every window that moves after it, so that after hours the
mean is of the last `FORGET` of them, and a new shoe or a new dose of a drug is followed.
"""

import numpy as np

from agent.lasting import in_rounds
from agent.records import Booleans, Floats, Integers

DRAWN = 240.0
"""Windows of 0 that every stream begins with: two minutes."""
FORGET = 7200.0
"""Windows that the mean reaches back, in the end: an hour of movement."""
KEPT = 1 - 1 / FORGET


class Usual:
    """Grows with the streams, two numbers for each."""

    def __init__(self) -> None:
        self._sum: Floats = np.zeros(0)
        self._weight: Floats = np.zeros(0)

    def recall(self, stream: Integers, end_s: Floats, value: Floats, counted: Booleans) -> Floats:
        """What was usual before each of these windows, and learn from them.

        Args:
            stream: (m,) slot of each row's stream.
            end_s: (m,) end of its window.
            value: (m,) what it shows.
            counted: (m,) rows to learn from.

        Returns:
            (m,) the mean of what the stream showed before.
        """
        self._make_room(int(stream.max(initial=-1)) + 1)
        usual = np.zeros(len(stream))
        order = np.argsort(end_s, kind="stable")
        for rows in (order[turn] for turn in in_rounds(stream[order])):
            slots = stream[rows]
            usual[rows] = self._sum[slots] / (DRAWN + self._weight[slots])
            learnt = rows[counted[rows]]
            slots = stream[learnt]
            self._sum[slots] = KEPT * self._sum[slots] + value[learnt]
            self._weight[slots] = KEPT * self._weight[slots] + 1
        return usual

    def _make_room(self, streams: int) -> None:
        more = max(streams - len(self._sum), 0)
        if more:
            more = max(more, len(self._sum))  # doubling: cheap in the long run
            self._sum, self._weight = np.pad(self._sum, (0, more)), np.pad(self._weight, (0, more))
