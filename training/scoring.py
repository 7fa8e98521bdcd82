"""Windows of many recordings through the agent's own scorer, all at once."""

import numpy as np

from agent.layout import Layout
from agent.records import Integers, Scores
from agent.runtime import Runtime
from agent.score import Prototypes, Rows, Scorer
from training.windows import NormalWindows


def score_windows(
    runtime: Runtime, prototypes: Prototypes, layout: Layout, windows: NormalWindows, *, agreeing: bool = True
) -> Scores:
    """Scores of m rows; not `agreeing` = what each limb says is not made more or less by the others."""
    scorer = Scorer(runtime, prototypes, layout.segments, layout.rate_hz, layout.hop_s)
    return scorer.score(rows(windows, agreeing=agreeing))[0]


def rows(windows: NormalWindows, *, agreeing: bool = True) -> Rows:
    """What the agent's scorer takes; no row is certainly wrong, see `normal_windows`."""
    return Rows(
        samples_g=windows.samples_g,
        family=windows.family,
        stream=streams(windows),
        owner=windows.window,
        end_s=windows.end_s,
        missing=np.isnan(windows.samples_g[:, 0]).mean(axis=1),
        heard=np.full(len(windows.end_s), agreeing),
    )


def streams(windows: NormalWindows) -> Integers:
    """(m,) a slot for each session, so that windows find those before them."""
    _, slot = np.unique(windows.session, return_inverse=True)
    return np.asarray(slot, dtype=np.int64)
