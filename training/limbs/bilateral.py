"""One-handed actions must give the right hand's side, uncalibrated sensors must not bias it (`bmhad_bilateral`)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.batch import cut_recording
from agent.layout import POSITIONS, Layout
from agent.limbs.measure import Measurer
from agent.records import Floats
from training.datasets import open_dataset

LAYOUT = Layout(positions=POSITIONS)
WRISTS = ("left_wrist", "right_wrist")


@dataclass(frozen=True, slots=True)
class Action:
    """Counts of one action, summed over a wearer's repeats."""

    wearer: str
    action: str
    left: float
    right: float
    rest_before: float
    """|length at rest - 1| in g, mean of both wrists, as the sensors read."""
    rest_after: float
    """The same once calibrated."""

    @property
    def share_right(self) -> float:
        """Right over both."""
        return self.right / max(self.left + self.right, 1e-9)


def actions(root: Path | None) -> list[Action]:
    """All actions of all wearers; one measurer a wearer, as live."""
    by_wearer: dict[str, list[tuple[str, object]]] = {}
    for item in open_dataset("bmhad_bilateral", root):
        by_wearer.setdefault(item.recording.wearer, []).append((item.activity, item.recording))
    return [one for wearer, items in sorted(by_wearer.items()) for one in _of(wearer, items)]


def _of(wearer: str, items: list[tuple[str, object]]) -> list[Action]:
    measurer = Measurer(LAYOUT)
    sums: dict[str, Floats] = {}
    for action, recording in items:
        windows = cut_recording(recording, LAYOUT)  # type: ignore[arg-type]
        names = [name for name in recording.positions if name in LAYOUT.positions]  # type: ignore[attr-defined]
        side = np.array([WRISTS.index(name) if name in WRISTS else -1 for name in names])
        counts = np.nan_to_num(measurer.measure(windows, side).counts).sum(axis=0)
        sums[action] = sums.get(action, np.zeros(2)) + counts
    streams = np.flatnonzero(measurer.upright.moments[:, 6, 6] > 0)
    moments = measurer.upright.moments[streams]
    before = np.abs(np.sqrt(moments[:, :3, 6].sum(axis=1) / moments[:, 6, 6]) - 1)
    gain, offset = measurer.upright.gains(streams)
    squares = np.array(
        [np.diag(m)[3:6] - 2 * o * m[3:6, 6] + o**2 * m[6, 6] for m, o in zip(moments, offset, strict=True)]
    )
    after = np.abs(np.sqrt((gain**2 * squares).sum(axis=1) / moments[:, 6, 6]) - 1) if len(streams) else before
    rest = (float(before.mean()), float(after.mean())) if len(streams) else (np.nan, np.nan)
    return [Action(wearer, action, float(one[0]), float(one[1]), *rest) for action, one in sums.items()]
