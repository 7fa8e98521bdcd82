"""A consumer as it might have been written for the first release, frozen: an event on its standard input.

It looks at `type` first, and leaves alone what it does not know. Of the fields it knows it is strict.
"""

import sys
from typing import Literal

import msgspec


class Masses(msgspec.Struct):
    normal: float
    noise: float
    novelty: float


class Contribution(msgspec.Struct):
    position: str
    axis: Literal["x", "y", "z", "magnitude"]
    start_s: float
    end_s: float
    share: float


class Spread(msgspec.Struct):
    aleatoric: float
    epistemic: float


class Data(msgspec.Struct):
    kind: Literal["novelty", "sensor_fault", "abstention"]
    phase: Literal["start", "update", "end"]
    revision: int
    wearer: str
    start: str
    end: str
    verdict: list[Literal["normal", "noise", "novelty"]]
    cause: Literal["", "ambiguous", "too_little_calibration", "unlike_anything_seen", "poor_signal"]
    sentence: str
    score: float | None
    p_value: float | None
    p_interval: tuple[float, float] | None
    alpha: float
    belief: Masses
    plausibility: Masses
    spread: Spread | None
    promise_per_day: float
    quality: dict[str, float]
    positions: dict[str, float | None]
    contributions: list[Contribution]
    bundle: str
    bundle_digest: str
    scored: str


class Head(msgspec.Struct):
    type: str


class Event(msgspec.Struct):
    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: Literal["application/json"]
    dataschema: str
    seq: int
    epoch: int
    historical: bool
    data: Data


KNOWN = {f"org.veille.event.{kind}.v1" for kind in ("novelty", "sensor_fault", "abstention")}
payload = sys.stdin.buffer.read()
head = msgspec.json.decode(payload, type=Head)
if head.type not in KNOWN:
    print(msgspec.json.encode({"unknown": head.type}).decode())
else:
    event = msgspec.json.decode(payload, type=Event)
    print(msgspec.json.encode({"kind": event.data.kind, "sentence": event.data.sentence}).decode())
