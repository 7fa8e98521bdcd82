"""A watch over simulated weeks, without a network."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from agent.compose import Sender
from agent.counters import Counters
from agent.ingest import Streams
from agent.languages import LANGUAGES
from agent.layout import POSITIONS, Layout
from agent.limbs.watch import Limbs
from agent.settings import Limbs as Settings
from agent.settings import Person as Profile

Watch = Callable[..., Limbs]


@pytest.fixture
def watch(packet) -> Watch:
    """Limbs of one wearer `anna` with both wrists heard."""

    def make(side="left", positions=("left_wrist", "right_wrist"), profile="stroke", language="en"):
        layout = Layout(positions=POSITIONS)
        streams = Streams(layout, Counters())
        for position in positions:
            for minute in range(8):
                streams.put(packet(60.0 * minute, wearer="anna", position=position))
        sender = Sender("site", "gateway", "bundle", "0" * 64, 0.01, layout, SimpleNamespace(), LANGUAGES[language])
        return Limbs(sender, streams, Settings(wearers={"anna": Profile(profile=profile, side=side)}))

    return make


@pytest.fixture
def stepping():
    """A sensor on a leg: quiet while it stands, loud while it swings, a shock at each contact."""

    def make(times_s, contacts_s, swing_s=0.42, shock_g=2.5, seed=0):
        samples = np.tile([0.1, -0.2, 0.97], (len(times_s), 1)) + np.random.default_rng(seed).normal(
            0, 0.004, (len(times_s), 3)
        )
        for contact_s in contacts_s:
            in_air = (times_s > contact_s - swing_s) & (times_s < contact_s)
            phase = (times_s[in_air] - contact_s) / swing_s
            samples[in_air, 0] += 0.9 * np.sin(2 * np.pi * phase)
            samples[in_air, 2] += 0.5 * np.sin(2 * np.pi * 1.5 * phase)
            since_s = times_s - contact_s
            ringing = (since_s >= 0) & (since_s < 0.12)
            samples[ringing, 2] += shock_g * np.exp(-since_s[ringing] / 0.03) * np.cos(60 * since_s[ringing])
        return samples.astype(np.float32)

    return make
