"""Windows through the network, and as the rows that the agent scores."""

import numpy as np

from agent.features import extract
from agent.layout import Layout
from agent.records import Integers, Singles
from agent.runtime import LARGEST_BATCH, Runtime
from agent.score import Rows
from training.windows import NormalWindows


def embed(runtime: Runtime, layout: Layout, samples_g: Singles) -> Singles:
    """(m, d) embeddings of (m, 3, samples), a batch at a time."""
    parts = (samples_g[start : start + LARGEST_BATCH] for start in range(0, len(samples_g), LARGEST_BATCH))
    return np.concatenate([runtime.run(extract(part, layout.segments)).embedding for part in parts])


def streams(windows: NormalWindows) -> Integers:
    """(m,) a slot for each session, so that windows find those before them."""
    _, slot = np.unique(windows.session, return_inverse=True)
    return np.asarray(slot, dtype=np.int64)


def rows(windows: NormalWindows) -> Rows:
    """What the agent's scorer takes."""
    return Rows(
        samples_g=windows.samples_g,
        family=windows.family,
        stream=streams(windows),
        owner=windows.window,
        end_s=windows.end_s,
        missing=np.isnan(windows.samples_g[:, 0]).mean(axis=1),
    )
