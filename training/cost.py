"""What an explanation costs: process time when all is warm, beside a peer in the same run."""

import time
from collections.abc import Callable, Sequence

from agent.attribute import decompose
from agent.explain import Explainer
from agent.judge import Judged

REPEATS = 5
"""Of what is timed; the least is taken, for others work on the same machine."""
PEER = "one row read by the network"
"""Features, the network, the nearest prototype."""
ALONE = "the decomposition alone"


def costs_ms(
    kind: str, explainer: Explainer, judged: Judged, window: int, positions: Sequence[str]
) -> dict[str, float]:
    """Of one window: what -> milliseconds; `kind` names what is explained."""
    retrial = explainer.retrial(judged, window)
    scorer, prototypes = retrial.judge.scorer, retrial.judge.model.prototypes
    samples, family = judged.windows.samples_g[retrial.rows[:1]], retrial.family[:1]
    taken = {
        f"explaining {kind}": least_ms(lambda: explainer.explain(judged, window, positions)),
        PEER: least_ms(lambda: scorer.read(samples, family)),
    }
    if retrial.leading >= 0:
        taken[ALONE] = least_ms(lambda: decompose(retrial.anatomy, retrial.family, retrial.leading, prototypes))
    return taken


def least_ms(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """The least of so many calls in a row, in process time."""
    took = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        took.append(1000 * (time.process_time() - began))
    return min(took)
