"""What strangers may send to the agent's own broker: acknowledgements, and questions for explanations."""

from pathlib import Path

import numpy as np

from agent.acks import MOST_HELD, AckBox
from agent.asks import AskBox
from agent.audience import Audience
from agent.batch import packets
from agent.bundle import default_bundle_path, open_bundle
from agent.counters import Counters
from agent.events import Topics
from agent.outbox import Outbox
from agent.pipeline import Pipeline
from agent.players import Heard
from agent.settings import Delivery, Settings
from agent.simulate import simulate
from agent.whole import KEPT
from tests.fuzz.draw import scratch

TOPIC = "veille/v1/ward3/gw1/ack/ehr"


class Collected:
    """What a pipeline puts."""

    def __init__(self) -> None:
        self.rows = []

    def put(self, events) -> None:
        self.rows += events


def told() -> tuple[Pipeline, list]:
    """A pipeline that has told of a simulated fall, and its events."""
    heard, kept = Heard(), Collected()
    pipeline = Pipeline(heard, open_bundle(default_bundle_path(), examine=False), Settings(), kept, Counters())
    for packet in packets(simulate(np.random.default_rng(0))[0]):
        heard.packets = [packet]
        pipeline.step(packet.received_s)
    heard.packets = []
    pipeline.finish(packet.received_s)
    return pipeline, kept.rows


class Acks:
    """Of a consumer that is named in the settings; they reach a real outbox."""

    most_bytes = 2048
    words = ("acks", "id", "revision", "replay", "true", "1000000000", "-1", "1e9", "null", "\\ud800")

    def __init__(self) -> None:
        self._folder = scratch()
        self._outbox = Outbox.open(Path(self._folder.name) / "outbox.sqlite", 1000)
        _, rows = told()
        self._outbox.put(rows)
        self._ids = sorted({event.id for _, event in rows})
        self._counters = Counters()
        self._box = AckBox(self._outbox, Audience(Delivery(consumers=("ehr", "ward"))), self._counters)

    def seeds(self) -> list[bytes]:
        first = self._ids[0].encode()
        whole = b'{"acks": [{"id": "%s", "revision": 0}, {"id": "%s", "revision": 1}], "replay": true}' % (first, first)
        return [whole, b'{"replay": false}', b'{"acks": []}', b'{"acks": [{"id": "\\u0000", "revision": 1}]}']

    def __call__(self, content: bytes) -> None:
        replay = self._box.take(TOPIC, content)
        assert isinstance(replay, bool)
        assert self._box._many <= MOST_HELD
        self._box.settle()
        self._box.take_tally()


class Asks:
    """From anyone who may publish on `.../command/explain`; some are about an event that is kept."""

    most_bytes = 512
    words = ("id", "picture", "true", "false", "null", "\\ud800")

    def __init__(self) -> None:
        pipeline, rows = told()
        self._ids = sorted({event.id for _, event in rows})
        self._box = AskBox(pipeline.explained, Topics("ward3", "gw1"), Counters())

    def seeds(self) -> list[bytes]:
        assert len(self._ids) <= KEPT
        asked = [b'{"id": "%s", "picture": true}' % one.encode() for one in self._ids]
        return [*asked, b'{"id": "x"}']

    def __call__(self, content: bytes) -> None:
        for _ in range(2):
            self._box.take(content)
        for answer in self._box.answers():
            assert answer.payload
