"""Windows through the network."""

import numpy as np

from agent.features import extract
from agent.layout import Layout
from agent.records import Singles
from agent.runtime import LARGEST_BATCH, Runtime


def embed(runtime: Runtime, layout: Layout, samples_g: Singles) -> Singles:
    """(m, d) embeddings of (m, 3, samples), a batch at a time."""
    parts = (samples_g[start : start + LARGEST_BATCH] for start in range(0, len(samples_g), LARGEST_BATCH))
    return np.concatenate([runtime.run(extract(part, layout.segments)).embedding for part in parts])
