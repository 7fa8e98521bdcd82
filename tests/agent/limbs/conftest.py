"""A watch over simulated weeks, without a network."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from agent.compose import Sender
from agent.counters import Counters
from agent.ingest import Streams
from agent.languages import LANGUAGES
from agent.layout import POSITIONS, Layout
from agent.limbs.watch import Limbs
from agent.settings import Limbs as Settings
from agent.settings import Person as Profile
from tests.statistical import limb_packets

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
    return limb_packets.stepping
