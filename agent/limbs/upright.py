"""Auto-calibration to 1 g: gain and offset of each axis from moments of rest, so that one sensor is worth another.

At rest |gain * reading - offset| = 1 whatever the posture (van Hees et al. 2014, J. Appl. Physiol. 117:738). Written as
an ellipsoid on the sensor's axes the fit is linear, so what is remembered is one 6 x 6 matrix a stream, and the result
does not depend on when the moments came. A ridge keeps what the postures seen so far cannot tell at no correction;
with a single posture only the common gain moves.
"""

import numpy as np

from agent.records import Booleans, Floats, Integers

PRIOR = 5.0
"""Moments of rest that it takes to outweigh the belief that axes and offset are right."""
WORST = 0.4
"""A fit that asks for more than this is a fault of the sensor, not of its calibration: left alone."""


class Upright:
    """Running fit of every stream."""

    def __init__(self) -> None:
        self.moments: Floats = np.empty((0, 7, 7))
        """(streams, 7, 7) sums of products of (x², y², z², x, y, z, 1) over moments of rest."""

    def learn(self, rest_g: Floats, stream: Integers, resting: Booleans) -> None:
        """Add (m, 3) mean readings of moments at rest, those of `resting`, to the fits of their streams."""
        self._grow(int(stream.max(initial=-1)) + 1)
        sane = resting & (np.abs(np.linalg.norm(rest_g, axis=1) - 1) < WORST)
        rest = rest_g[sane]
        row = np.concatenate([rest**2, rest, np.ones((len(rest), 1))], axis=1)
        np.add.at(self.moments, stream[sane], row[:, :, None] * row[:, None, :])

    def gains(self, stream: Integers) -> tuple[Floats, Floats]:
        """(m, 3) gain and (m, 3) offset in g: true = gain * (reading - offset)."""
        self._grow(int(stream.max(initial=-1)) + 1)
        return fit(self.moments[stream])

    def _grow(self, streams: int) -> None:
        new = max(streams - len(self.moments), 0)
        self.moments = np.concatenate([self.moments, np.zeros((new, 7, 7))])


def fit(moments: Floats) -> tuple[Floats, Floats]:
    """Gain (m, 3) and offset (m, 3) of (m, 7, 7): first the common gain, then what the postures tell of each axis."""
    seen = moments[:, 6, 6] > 0
    common = np.where(seen, moments[:, :3, 6].sum(axis=1) / np.maximum(moments[:, 6, 6], 1), 1.0)  # mean square length
    root = np.sqrt(common)[:, None]
    # with readings scaled to mean length 1:  sum a_k x_k² + b_k x_k = 1, ridge towards a = 1, b = 0
    scale = 1 / np.concatenate([root**2] * 3 + [root] * 3, axis=1)
    normal = moments[:, :6, :6] * scale[:, :, None] * scale[:, None, :] + PRIOR * np.eye(6)
    right = moments[:, :6, 6] * scale + PRIOR * np.repeat([1.0, 0.0], 3)
    solved = np.linalg.solve(normal, right[..., None])[..., 0]
    squares, lines = np.maximum(solved[:, :3], 0.25), solved[:, 3:]
    centre = -lines / (2 * squares)
    length = 1 + (squares * centre**2).sum(axis=1, keepdims=True)
    gain, offset = np.sqrt(squares / length) / root, centre * root
    sane = (np.abs(gain - 1).max(axis=1) <= WORST) & (np.abs(offset).max(axis=1) <= WORST) & seen
    return np.where(sane[:, None], gain, 1.0), np.where(sane[:, None], offset, 0.0)
