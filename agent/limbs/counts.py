"""Activity counts by the open definition (Neishabouri et al. 2022, Scientific Reports 12:11958), one second at a time.

30 samples a second, rounded to a milli-g, go through a recursive band-pass (0.29 to 1.63 Hz), are scaled, rectified,
cut at 128, blanked below 4, averaged by threes and summed. The filter's coefficients are those of the paper. A second
of all streams is one product of matrices, and the filter's seven numbers an axis are all that is remembered, so the
result is the same whether a recording comes at once or second by second.
"""

from dataclasses import dataclass

import numpy as np

from agent.records import Floats, Integers

RATE_HZ = 30
FORWARD = np.array(
    [
        -0.009341062898525,
        -0.025470289659360,
        -0.004235264826105,
        0.044152415456420,
        0.036493718347760,
        -0.011893961934740,
        -0.022917390623150,
        -0.006788163862310,
    ]
)
BACKWARD = np.array(
    [
        1.0,
        -3.63367395910957,
        5.03689812757486,
        -3.09612247819666,
        0.50620507633883,
        0.32421701566682,
        -0.15685485875559,
        0.01949130205890,
    ]
)
GAIN = 3.0 / 4096.0 / (2.6 / 256.0) * 237.5
"""From g to the units of the first devices, in which the two limits below are given."""
BLANKED, CUT = 4.0, 128.0


@dataclass(frozen=True, slots=True)
class BlockFilter:
    """A recursive filter over a block of samples at once: out = `seen` state + `direct` block, and the next state."""

    seen: Floats
    """(block, states)"""
    direct: Floats
    """(block, block)"""
    onward: Floats
    """(states, states)"""
    taken: Floats
    """(states, block)"""
    steady: Floats
    """(states,) state after an endless run of ones."""

    def run(self, block: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Filter (..., block) from (..., states); returns the output and the next state."""
        return state @ self.seen.T + block @ self.direct.T, state @ self.onward.T + block @ self.taken.T


def block_filter(forward: Floats, backward: Floats, block: int) -> BlockFilter:
    """The filter `forward` over `backward` (`backward[0]` = 1), as matrices for `block` samples at a time."""
    states = len(forward) - 1
    step = np.eye(states, k=1)
    step[:, 0] -= backward[1:]
    enter = forward[1:] - backward[1:] * forward[0]
    powers = [np.eye(states)]
    for _ in range(block):
        powers.append(powers[-1] @ step)
    seen = np.stack([power[0] for power in powers[:-1]])
    direct = forward[0] * np.eye(block)
    for lag in range(1, block):
        direct += np.diag(np.full(block - lag, powers[lag - 1][0] @ enter), -lag)
    taken = np.stack([powers[block - 1 - n] @ enter for n in range(block)], axis=1)
    return BlockFilter(seen, direct, powers[block], taken, np.linalg.solve(np.eye(states) - step, enter))


def to_thirty(rate_hz: int) -> Floats:
    """(30, rate + 1) weights from the samples of a second and the one before it to 30 means over a thirtieth each.

    A mean over the straight lines between samples. The devices of the paper let more of the high frequencies pass at
    rates other than 30, 60 and 90 Hz, an artefact that is not copied.
    """
    if rate_hz == RATE_HZ:
        return np.eye(RATE_HZ, RATE_HZ + 1, k=1)
    fine = 60 * rate_hz
    at = (np.arange(fine) + 0.5) / fine * rate_hz
    left = np.floor(at).astype(int)
    hats = np.zeros((fine, rate_hz + 1))
    hats[np.arange(fine), left] = 1 - (at - left)
    hats[np.arange(fine), left + 1] = at - left
    means: Floats = hats.reshape(RATE_HZ, -1, rate_hz + 1).mean(axis=1)
    return means


class Counter:
    """Counts of each stream, second by second."""

    def __init__(self, rate_hz: int) -> None:
        """`rate_hz`: whole samples a second of what will come."""
        self._thirty = to_thirty(rate_hz)
        self._filter = block_filter(FORWARD, BACKWARD, RATE_HZ)
        self.memory: Floats = np.empty((0, 3, len(FORWARD) - 1))
        """(streams, 3, 7) the filter's state."""

    def count(self, samples_g: Floats, stream: Integers, begins: np.ndarray) -> Floats:
        """(m, 3) counts of one second of m different streams.

        Args:
            samples_g: (m, 3, rate + 1) the second and the sample before it, none missing.
            stream: (m,) slots, each once.
            begins: (m,) the stream starts anew: the filter settles on the first sample.
        """
        self._grow(int(stream.max(initial=-1)) + 1)
        thirty = np.round(samples_g @ self._thirty.T, 3)
        settled = thirty[..., :1] * self._filter.steady
        state = np.where(begins[:, None, None], settled, self.memory[stream])
        passed, self.memory[stream] = self._filter.run(thirty, state)
        level = np.abs(GAIN * passed)
        level = np.floor(np.where(level < BLANKED, 0.0, np.minimum(level, CUT)))
        tenths = np.floor(level.reshape(*level.shape[:2], 10, 3).sum(axis=3) / 3)
        total: Floats = tenths.sum(axis=2)
        return total

    def _grow(self, streams: int) -> None:
        new = max(streams - len(self.memory), 0)
        self.memory = np.concatenate([self.memory, np.zeros((new, *self.memory.shape[1:]))])
