"""The student: a small convolutional network that gives every window a place made of named parts.

One model serves any subset of positions: it looks at one position at a time (the batch runs over positions and
wearers alike), and the positions of a wearer are merged after calibration, by a rule that stays valid when they
depend on each other (`agent.calibrate`). So a wrist alone, a waist alone or both wrists need no other weights.

Every axis goes through the same small encoder on its own (the axes are the height of an image, and no kernel of the
encoder is higher than one axis), so a part of the embedding sees nothing but its own axis, from a third of a second
before its own segment to a third of a second after it. That locality is what makes the explanation ("the wrist's x
axis, 0.6 s before the end") a fact about the computation and not a guess. What needs all axes at once, the teachers'
spread and the fault logits, comes from a trunk beside it.

Shaped for 8 bits on one thread: strided convolutions instead of pooling, ReLU, plain linear layers with masks, widths
in multiples of 16; the description is a linear layer too, so that its order costs nothing.
"""

import torch
from torch import Tensor, nn

from agent.records import FAULTS
from agent.score import LARGEST

AXES = 4
PARTS = 4
"""Numbers for each axis in each segment."""
FREE = 32
"""Size of the free embedding."""
STEPS = 32
"""Time steps after the stem."""


class Block(nn.Module):
    """Depthwise convolution in time, then a mix of the channels, beside a shortcut."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.along = nn.Conv2d(width, width, (1, 3), padding=(0, dilation), dilation=(1, dilation), groups=width)
        self.across = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.across(torch.relu(self.along(x)))
        return torch.relu(x + mixed)


class Masked(nn.Linear):
    """A linear layer of which only the weights where `mask` is 1 exist."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask)
        reach = mask.sum(dim=1, keepdim=True).rsqrt()  # begin as wide as the weights that exist, not as all
        nn.init.uniform_(self.weight, -1.0, 1.0).data.mul_(reach)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 # torch's own name
        return nn.functional.linear(input, self.weight * self.mask, self.bias)


class Student(nn.Module):
    """Features -> embedding, what it should be by its context, and what the trunk says.

    Args:
        segments: parts of a window (4).
        width: channels of the encoder.
        context: hidden units of each segment's context predictor.
    """

    def __init__(self, *, segments: int = 4, width: int = 32, context: int = 64) -> None:
        super().__init__()
        self.segments = segments
        stride = STEPS // segments
        self.stem = nn.Conv2d(1, width, (2, 8), stride=(2, 4), padding=(0, 2))
        self.blocks = nn.Sequential(*(Block(width, dilation) for dilation in (1, 1, 2)))
        self.gather = nn.Conv2d(width, 2 * width, (1, stride), stride=(1, stride))
        place = torch.arange(segments * AXES)  # of the embedding: segment by segment, axis by axis
        cell = place % AXES * segments + place // AXES  # where the gathered picture holds it
        own = (cell.repeat_interleave(PARTS)[:, None] == torch.arange(segments * AXES)[None]).float()
        self.describe = Masked(own.repeat(1, 2 * width))
        size, hidden = segments * AXES * PARTS, segments * context
        owner, unit = torch.arange(size) // (AXES * PARTS), torch.arange(hidden) // context
        blind = (unit[:, None] != owner[None]).float()  # a segment's predictor does not see that segment
        among = (unit[:, None] == unit[None]).float()
        to_own = (owner[:, None] == unit[None]).float()
        self.look, self.think = Masked(blind), Masked(among)
        self.expect, self.doubt = Masked(to_own), Masked(to_own)
        self.trunk = nn.Sequential(
            nn.Conv2d(width, 32, (AXES, stride), stride=(1, stride)), nn.ReLU(), nn.Flatten(),
            nn.Linear(32 * segments, 64), nn.ReLU(),
        )  # fmt: skip
        self.free = nn.Linear(64, FREE)
        self.say = nn.Linear(64, 1 + len(FAULTS))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(n, 8, samples) -> what a window is and what its context makes of it; this is what ships.

        Returns:
            embedding, expected embedding, log-variance (n, segments * 4 axes * 4 parts each); and (n, 1 + 8) the log of
            the teachers' spread, then the fault logits.
        """
        return self.study(features)[:4]

    def study(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """The same and a free embedding (n, 32), in which the student learns which windows are alike."""
        hidden = self.blocks(torch.relu(self.stem(features.unsqueeze(1))))  # (n, width, 4 axes, 32 steps)
        embedding = self.describe(torch.relu(self.gather(hidden)).flatten(1))  # from (n, 2 * width, 4 axes, segments)
        seen = embedding if self.training else embedding.clamp(-LARGEST, LARGEST)  # a cut would stop the gradient
        thought = torch.relu(self.think(torch.relu(self.look(seen))))
        whole = self.trunk(hidden)
        return seen, self.expect(thought), self.doubt(thought), self.say(whole), self.free(whole)
