"""What the network eats: the grid, the window, and which positions belong to which family."""

from typing import Annotated

import msgspec

Positive = Annotated[int, msgspec.Meta(gt=0)]


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a bundle that ingest, windows and training share."""

    rate_hz: Annotated[float, msgspec.Meta(gt=0)] = 50.0
    window_samples: Positive = 128
    hop_samples: Positive = 25
    segments: Positive = 4
    """Equal parts of a window; the finest time that an explanation names."""
    families: tuple[str, ...] = ("wrist", "waist", "chest", "thigh", "ankle")
    """Kinds of place on the body; each has prototypes and a calibration of its own."""
    positions: dict[str, str] = {}
    """Position -> family, for every position that the bundle accepts."""

    @property
    def window_s(self) -> float:
        return self.window_samples / self.rate_hz

    @property
    def hop_s(self) -> float:
        return self.hop_samples / self.rate_hz

    def family_index(self, position: str) -> int | None:
        """Index in `families` of a position; None where the bundle does not know it."""
        family = self.positions.get(position)
        return None if family is None else self.families.index(family)


POSITIONS = {
    **{f"{side}wrist": "wrist" for side in ("", "left_", "right_")},
    **dict.fromkeys(("waist", "lumbar", "hip", "left_hip", "right_hip", "lower_back"), "waist"),
    **dict.fromkeys(("chest", "trunk"), "chest"),
    **dict.fromkeys(("thigh", "left_thigh", "right_thigh", "pocket"), "thigh"),
    **{f"{side}{part}": "ankle" for side in ("", "left_", "right_") for part in ("ankle", "shank")},
}
"""Families of the shipped bundle. Feet and head are left out: nothing that may ship was recorded there."""
