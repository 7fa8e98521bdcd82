"""The teacher: a patch transformer that learns normal movement without labels, for the workstation only.

It sees a window as 16 patches of eight samples and learns, from normal and distorted windows alike,

- to fill in a hidden segment, as samples and as a spectrum (masked reconstruction in time and frequency;
  TSPulse, Ekambaram et al. 2025, hides in both domains);
- whether two segments have changed places (patch order; PaAno, 2026, learns from the order of patches);
- what another limb does at the same time, told only which one (cross-position prediction);
- which fault was injected (`training.faults`).

Several heads fill in the hidden segment's description, each taught on its own bootstrap of wearers (Osband et al.
2016, "Deep exploration via bootstrapped DQN", NeurIPS: heads on one trunk as a cheap ensemble). Where they disagree,
the training data did not settle the answer: that is the spread which the student learns to foretell.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from agent.records import FAULTS
from training.model import AXES, PARTS

PATCHES = 16
BANDS = 8
"""Of the spectrum, for each axis."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the teacher says of n windows."""

    patches: Tensor
    """(n, 16, 64) features of each patch, filled in."""
    spectrum: Tensor
    """(n, 4 axes, 8 bands) log power."""
    swapped: Tensor
    """(n,) logit: two segments have changed places."""
    faults: Tensor
    """(n, 8) logits."""
    filled: Tensor
    """(n, members, segments * 4 axes * 4 parts) each head's description of each segment."""
    place: Tensor
    """(n, width) the window's own embedding."""


class Teacher(nn.Module):
    """See the module.

    Args:
        channels: of the features (8).
        samples: of a window.
        segments: parts of a window.
        families: kinds of position, to ask for another limb.
        width: of the transformer.
        depth: its layers.
        members: heads of the ensemble.
    """

    def __init__(
        self, *, channels: int, samples: int, segments: int, families: int, width: int, depth: int, members: int
    ) -> None:
        super().__init__()
        self.patch, self.segments, self.members = samples // PATCHES, segments, members
        size = channels * self.patch
        self.read = nn.Linear(size, width)
        self.hidden = nn.Parameter(torch.zeros(width))
        self.order = nn.Parameter(0.02 * torch.randn(PATCHES, width))
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, depth, nn.LayerNorm(width), enable_nested_tensor=False)
        self.write = nn.Linear(width, size)
        self.spectrum = nn.Linear(width, AXES * BANDS)
        self.swapped = nn.Linear(width, 1)
        self.faults = nn.Linear(width, len(FAULTS))
        each = PATCHES // segments
        self.fill = nn.ModuleList(
            nn.Sequential(nn.Linear(each * width, width), nn.ReLU(), nn.Linear(width, AXES * PARTS))
            for _ in range(members)
        )
        self.limb = nn.Embedding(families, width)
        self.other = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, segments * AXES * PARTS))

    def forward(self, features: Tensor, covered: Tensor) -> Lesson:
        """(n, 8, samples) features and (n, segments) True = hidden -> `Lesson`."""
        n = features.shape[0]
        tokens = self.read(self.cut(features))
        gone = covered.repeat_interleave(PATCHES // self.segments, dim=1)[..., None]
        seen = self.body(torch.where(gone, self.hidden, tokens) + self.order)  # (n, 16, width)
        whole = seen.mean(dim=1)
        by_segment = seen.reshape(n, self.segments, -1)
        return Lesson(
            patches=self.write(seen),
            spectrum=self.spectrum(whole).reshape(n, AXES, BANDS),
            swapped=self.swapped(whole)[:, 0],
            faults=self.faults(whole),
            filled=torch.stack([head(by_segment).reshape(n, -1) for head in self.fill], dim=1),
            place=whole,
        )

    def cut(self, features: Tensor) -> Tensor:
        """(n, 8, samples) -> (n, 16, 8 * samples / 16) patches."""
        n, channels, _ = features.shape
        return features.reshape(n, channels, PATCHES, self.patch).transpose(1, 2).reshape(n, PATCHES, -1)

    def of_other(self, place: Tensor, family: Tensor) -> Tensor:
        """(n, segments * 4 * 4) what the limb of (n,) `family` should be doing meanwhile."""
        said: Tensor = self.other(torch.cat([place, self.limb(family)], dim=1))
        return said
