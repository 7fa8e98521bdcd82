"""How like the novelties that someone has labelled: a small network on the embedding of a window and of those before.

Learnt with labels (`export.known`), from the embeddings of the quantized student; it knows falls and nothing else.
What nobody labelled is left to the open score, which stands beside it (outlier exposure without closing the set:
Hendrycks, Mazeika, Dietterich 2019, ICLR).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from agent.past import LAGS
from agent.records import Booleans, Floats, Singles

STRIDES = 8
"""Steps of the integral in `apart`."""


class Apart(NamedTuple):
    """A logit: `shares.sum() + before + alone`."""

    shares: Singles
    """(m, d) what each number of the embedding adds beyond that of the nearest normal place."""
    before: Floats
    """(m,) what the windows before add there."""
    alone: Floats
    """(m,) what the nearest normal place would give by itself."""


@dataclass(frozen=True, slots=True)
class Known:
    """Two hidden layers of ReLU, read from the bundle."""

    first: Singles
    """((1 + LAGS) * d, h1)"""
    first_bias: Singles
    second: Singles
    """(h1, h2)"""
    second_bias: Singles
    last: Singles
    """(h2,)"""
    last_bias: float

    def fits(self, width: int) -> bool:
        """Whether its arrays fit each other and embeddings of that width, and hold numbers."""
        hidden = self.first.shape[1:], self.second.shape[1:]
        shapes = self.first.shape == ((1 + LAGS) * width, *self.first_bias.shape)
        shapes &= self.second.shape == (*hidden[0], *self.second_bias.shape) and self.last.shape == hidden[1]
        arrays = (self.first, self.first_bias, self.second, self.second_bias, self.last, np.float32(self.last_bias))
        return bool(shapes) and all(bool(np.isfinite(values).all()) for values in arrays)

    def evidence(self, embedding: Singles, before: Singles, known: Booleans) -> Singles:
        """(m,) logit of a fall.

        Args:
            embedding: (m, d).
            before: (m, LAGS, d) one, two, three hops earlier.
            known: (m, LAGS) where that is known.
        """
        one = np.maximum(joined(embedding, before, known) @ self.first + self.first_bias, 0)
        return np.asarray(np.maximum(one @ self.second + self.second_bias, 0) @ self.last + self.last_bias)

    def apart(self, embedding: Singles, before: Singles, known: Booleans, normal: Singles) -> Apart:
        """The logit taken apart.

        Integrated gradients (Sundararajan, Taly, Yan 2017, ICML) along the straight line from `normal` (m, d) to the
        embedding, the windows before held fast; the sum is the difference of the logits, up to the strides' error,
        which is spread in proportion. One pass serves the strides, both ends, and the near end without the past.
        """
        away, d = embedding - normal, embedding.shape[1]
        near, far = normal @ self.first[:d], away @ self.first[:d]
        inner = near[:, None] + _STRIDES[:, None] * far[:, None]  # (m, strides + 2, h1)
        past = joined(embedding, before, known)[:, d:] @ self.first[d:]
        inputs = np.concatenate([inner + past[:, None], near[:, None]], axis=1) + self.first_bias
        one = np.maximum(inputs, 0)
        two = one @ self.second + self.second_bias
        logit = np.maximum(two, 0) @ self.last + self.last_bias
        back = ((two[:, 1:-2] > 0) * self.last) @ self.second.T * (one[:, 1:-2] > 0)
        shares = back.sum(axis=1) @ self.first[:d].T * (away / STRIDES)
        short = logit[:, -2] - logit[:, 0] - shares.sum(axis=1)
        weight = np.abs(shares) + 1e-9
        shares += (short / weight.sum(axis=1))[:, None] * weight
        return Apart(shares, (logit[:, 0] - logit[:, -1]).astype(np.float64), logit[:, -1].astype(np.float64))


_STRIDES = np.concatenate([[0.0], (np.arange(STRIDES) + 0.5) / STRIDES, [1.0]]).astype(np.float32)
"""Both ends, and the middle of each step between them."""


def joined(embedding: Singles, before: Singles, known: Booleans) -> Singles:
    """(m, (1 + LAGS) * d); what is not known is 0, the mean of normal wear."""
    past = np.where(known[..., None], before, 0.0).reshape(len(before), before.shape[1] * before.shape[2])
    return np.concatenate([embedding, past], axis=1).astype(np.float32)
