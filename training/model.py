"""The student: a small 1-D convolutional network that gives every window a place made of named parts.

One model serves any subset of positions: it looks at one position at a time (the batch runs over positions and
wearers alike), and the positions of a wearer are merged after calibration, by a rule that stays valid when they
depend on each other (`agent.calibrate`). So a wrist alone, a waist alone or both wrists need no other weights.

Every axis goes through the same small encoder on its own, and every segment is pooled on its own, so a part of
the embedding sees nothing but its own axis around its own segment. That locality is what makes the explanation
("the wrist's x axis, 0.6 s before the end") a fact about the computation and not a guess.
"""

import torch
from torch import Tensor, nn

AXES = 4
PARTS = 4
"""Numbers for each axis in each segment."""
LARGEST = 4.0
"""The embedding is cut off at this many standard deviations: one broken number must not drown fifteen sound ones, and
the 8-bit form cuts off thereabouts anyway."""


class Student(nn.Module):
    """Features -> embedding, and what the embedding should be by its context.

    Args:
        segments: parts of a window (4).
        width: channels of the encoder.
        context: hidden units of each segment's context predictor.
    """

    def __init__(self, *, segments: int = 4, width: int = 24, context: int = 64) -> None:
        super().__init__()
        self.segments, self.context = segments, context
        self.encoder = nn.Sequential(  # (axes of all rows, 2, samples)
            nn.Conv1d(2, width, 7, stride=2, padding=3),
            nn.ReLU(),
            nn.Conv1d(width, width, 5, padding=2),
            nn.ReLU(),
            nn.Conv1d(width, 2 * width, 3, padding=1),
            nn.ReLU(),
        )
        self.describe = nn.Sequential(  # (axes of all rows, 2 * width, segments)
            nn.Conv1d(2 * width, 2 * width, 1), nn.ReLU(), nn.Conv1d(2 * width, PARTS, 1)
        )
        self.gain = nn.Parameter(torch.ones(1, AXES, PARTS, 1))
        self.shift = nn.Parameter(torch.zeros(1, AXES, PARTS, 1))
        size = AXES * PARTS
        self.look = nn.Linear(segments * size, segments * context)
        self.think = nn.Conv1d(segments * context, segments * context, 1, groups=segments)
        self.expect = nn.Conv1d(segments * context, segments * 2 * size, 1, groups=segments)
        blind = torch.ones(segments, context, segments, size)  # a segment's predictor does not see that segment
        for segment in range(segments):
            blind[segment, :, segment] = 0
        self.blind: Tensor
        self.register_buffer("blind", blind.reshape(segments * context, segments * size))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n, 8, samples) -> embedding, expected embedding, log-variance; each (n, segments * 4 axes * 4 parts)."""
        n, samples = features.shape[0], features.shape[2]
        hidden = self.encoder(features.reshape(n * AXES, 2, samples))  # (n * 4, 2 * width, samples / 2)
        pooled = nn.functional.avg_pool1d(hidden, hidden.shape[2] // self.segments)  # (n * 4, 2 * width, segments)
        parts = self.describe(pooled).reshape(n, AXES, PARTS, self.segments) * self.gain + self.shift
        embedding = parts.permute(0, 3, 1, 2).reshape(n, self.segments * AXES * PARTS)
        if not self.training:  # a cut would stop the gradient
            embedding = embedding.clamp(-LARGEST, LARGEST)
        expected, log_variance = self._from_context(embedding)
        return embedding, expected, log_variance

    def _from_context(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """What each segment should be, from the other segments alone."""
        n, size = embedding.shape[0], AXES * PARTS
        seen = torch.relu(nn.functional.linear(embedding, self.look.weight * self.blind, self.look.bias))
        thought = torch.relu(self.think(seen.reshape(n, self.segments * self.context, 1)))
        said = self.expect(thought).reshape(n, self.segments, 2, size)
        expected = said[:, :, 0].reshape(n, -1)
        if not self.training:
            expected = expected.clamp(-LARGEST, LARGEST)
        return expected, said[:, :, 1].reshape(n, -1).clamp(-6.0, 4.0)
