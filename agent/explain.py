"""Verdicts -> explanations: which limb, which axis, when, and in what way, as shares that add up to the score.

The shares come from `agent.attribute`; a part of the embedding sees only its own axis around its own segment
(`training.model`), so they are local. Some may be negative: they lowered the score, and are not told. The positions
that did not set the score contribute nothing to it; their own scores stand beside it in the event.
"""

from collections.abc import Sequence

import numpy as np

from agent.records import AXES, Explanation, Singles

DESCRIPTOR_WORDS = (
    ("another posture than usual", "another posture than usual"),
    ("stronger movement than usual", "weaker movement than usual"),
    ("more abrupt than usual", "smoother than usual"),
    ("a wider span than usual, as in an impact", "a narrower span than usual"),
)
"""Words for each descriptor above and below the nearest normal pattern."""


def explain(
    *,
    positions: Sequence[str],
    leading: int,
    shares: Singles,
    above: Singles,
    offset: float,
    window_s: float,
) -> Explanation:
    """Explain one window.

    Args:
        positions: positions heard.
        leading: index in `positions` of the one that set the score.
        shares: (4 axes, segments, 4 descriptors) contributions of that position, see `attribute.contributions`.
        above: (4 axes, segments, 4 descriptors) embedding minus nearest prototype: sign = above or below normal.
        offset: the part of the score that belongs to no place, see `attribute`.
        window_s: length of the window in seconds.
    """
    placed = np.zeros((len(positions), *shares.shape[:2]), np.float32)
    placed[leading] = shares.sum(axis=2)
    segment_s = window_s / shares.shape[1]
    sentence = _sentence(positions[leading], shares, above, segment_s)
    return Explanation(tuple(positions), placed, offset, segment_s, sentence)


def strongest(explanation: Explanation, count: int = 3) -> list[tuple[str, str, float, float, float]]:
    """The places that raised the score most: (position, axis, start_s, end_s, share), times before the window's end.

    `share`: of all that raised it; what lowered it is left out.
    """
    total = float(np.maximum(explanation.contributions, 0).sum())
    order = np.argsort(explanation.contributions, axis=None)[::-1][:count]
    found = []
    for position, axis, segment in zip(*np.unravel_index(order, explanation.contributions.shape), strict=True):
        share = float(explanation.contributions[position, axis, segment]) / max(total, 1e-9)
        if share <= 0:
            break
        start = (int(segment) - explanation.contributions.shape[2]) * explanation.segment_s
        end = start + explanation.segment_s
        found.append((explanation.positions[position], AXES[axis], round(start, 3), round(end, 3), round(share, 4)))
    return found


def _sentence(position: str, shares: Singles, above: Singles, segment_s: float) -> str:
    """`left wrist, mostly along y (62 %), 1.3 to 0.6 s before the window's end: stronger movement than usual`."""
    total = max(float(np.maximum(shares.sum(axis=2), 0).sum()), 1e-9)  # over places, as `strongest`
    segment = int(shares.sum(axis=(0, 2)).argmax())
    axes = shares[:, segment].sum(axis=1)
    axis = int(axes.argmax())
    descriptor = int(shares[:, segment].sum(axis=0).argmax())
    lower = float(above[:, segment, descriptor].sum()) < 0
    begin = (shares.shape[1] - segment) * segment_s
    where = "over all axes" if axis == AXES.index("magnitude") else f"mostly along {AXES[axis]}"
    where += f" ({axes[axis] / total:.0%})"
    when = f"{begin:.1f} to {max(begin - segment_s, 0):.1f} s before the window's end"
    words = DESCRIPTOR_WORDS[descriptor][int(lower)]
    return f"{position.replace('_', ' ')}, {where}, {when}: {words}"
