"""Which families a bundle can serve: those that someone trained on and someone else calibrated on.

A position of any other family is unknown to the bundle, and the agent refuses its packets by name: better than a score
that nothing backs.
"""

from dataclasses import replace

import msgspec
import numpy as np

from agent.calibrate import BLOCK_S
from agent.layout import Layout
from training.errors import TrainingError
from training.windows import NormalWindows, some

FEWEST_WINDOWS = 8
"""To place prototypes in."""


def served(layout: Layout, train: NormalWindows, held_out: NormalWindows) -> tuple[Layout, dict[str, str]]:
    """The layout with the families that can be served alone, and why each other one cannot.

    Raises:
        TrainingError: there is none.
    """
    why = {name: _lacks(layout, index, train, held_out) for index, name in enumerate(layout.families)}
    left_out = {name: reason for name, reason in why.items() if reason}
    families = tuple(name for name in layout.families if name not in left_out)
    if not families:
        told = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise TrainingError(f"no family of positions can be calibrated ({told}); record more normal wear")
    positions = {position: family for position, family in layout.positions.items() if family in families}
    return msgspec.structs.replace(layout, families=families, positions=positions), left_out


def _lacks(layout: Layout, index: int, train: NormalWindows, held_out: NormalWindows) -> str:
    """What a family lacks; empty = nothing."""
    if not (trained := int((train.family == index).sum())):
        return "nobody who trains wears it"
    if trained < FEWEST_WINDOWS:
        return f"{trained} windows to train on"
    own = held_out.wearer[held_out.family == index]
    if not len(own):
        return "nobody who calibrates wears it"
    longest = int(np.unique(own, return_counts=True)[1].max())
    return "" if 2 * longest >= round(BLOCK_S / layout.hop_s) else "less than half a half-minute to calibrate on"


def of_families(windows: NormalWindows, before: Layout, after: Layout) -> NormalWindows:
    """The windows of the families in `after`, numbered as there."""
    number = np.array([after.families.index(name) if name in after.families else -1 for name in before.families])
    kept = some(windows, number[windows.family] >= 0)
    return replace(kept, family=number[kept.family])
