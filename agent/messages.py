"""What goes over the wire beside events: the types that its JSON Schemas are generated from.

As with events, fields are added, never removed, renamed or given another meaning; unknown fields are ignored.
"""

from typing import Annotated, Any, Literal

import msgspec

from agent.events import Why

Count = Annotated[int, msgspec.Meta(ge=0)]
MOST_ACKS = 1000
"""Acknowledgements in one message."""


class Status(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`.../status`, retained: whether the agent lives. The last will is `offline`."""

    state: Literal["online", "offline", "stopped"]
    """`stopped` = ended on purpose; `offline` = gone without a word."""
    epoch: Count
    """Start of the agent that it belongs to: an `offline` with a lower epoch than the latest `online` is old news."""
    time: str | None = None
    """When it was said; `offline` has none, for it was written beforehand."""


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """One message that a consumer has safely."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    """The event's `id`."""
    revision: Annotated[int, msgspec.Meta(ge=0, le=10**9)]
    """Its `data.revision`: each phase is acknowledged by itself."""


class Acks(msgspec.Struct, frozen=True, kw_only=True):
    """`.../ack/{consumer}`, from a consumer: what it has stored, and whether it wants to hear the rest again."""

    acks: Annotated[list[Ack], msgspec.Meta(max_length=MOST_ACKS)] = []
    replay: bool = False
    """Send me again, now, what I have not acknowledged; said after a subscription begins."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """`.../command/explain`, from anyone who may: send the whole explanation of an event."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    """The event's `id`."""
    picture: bool = False
    """With an SVG of it."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """`.../wearer/{wearer}/explanation`, on request: every share of a score; `shares` and `rest` sum to `score`."""

    id: str
    """Of the event."""
    revision: Count
    wearer: str
    time: str
    sentence: str
    score: float | None
    positions: list[str]
    axes: list[str]
    aspects: list[str]
    """In what way: four descriptors, then the bands from 3.5 to 8 Hz (trembling) and from 0.5 to 3 Hz (stepping)."""
    segment_s: float
    """Length of a segment; the last ends with the window."""
    shares: list[list[list[list[float]]]]
    """By position, axis, segment and aspect: what each added to the score."""
    rest: dict[str, float]
    """What belongs to no place: `level` (of a normal window), `echo`, `habit` (and what trembling is usual), `before`,
    `other_legs` (and the trunk), `merging`, `other_limbs`."""
    level_g: list[list[list[float]]]
    """By position, segment and axis: the mean that was measured."""
    spread_g: list[list[list[float]]]
    """The standard deviation that was measured."""
    expected_level_g: list[list[list[float]]]
    """The mean that the model expects: that of the closest normal pattern."""
    expected_spread_g: list[list[list[float]]]
    why: Why | None
    """As in the event."""
    picture: str = ""
    """SVG; empty where none was asked for."""


class Drop(msgspec.Struct, frozen=True, kw_only=True):
    """Events of one kind that were given up because disk or budget was full."""

    count: Count
    first_seq: Count
    last_seq: Count
    first: str
    last: str


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """`.../dropped`, retained: what this gateway ever gave up; these holes in `seq` will not be filled."""

    total: Count
    kinds: dict[str, Drop]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """`.../wearer/{wearer}/state`, retained: the last verdict."""

    verdict: list[Literal["normal", "noise", "novelty"]]
    cause: str
    silent: bool
    """Nothing has come of this wearer for a minute, whatever the verdict says."""
    worn: bool
    window_end: str


class AuditHead(msgspec.Struct, frozen=True, kw_only=True):
    """Where the audit log ends: keep it, and a log that was rewritten is found out (`veille audit verify --head`)."""

    entries: Count
    head: str
    """SHA-256 of the last line."""
    waiting: Count
    """Lines that the disk has not taken yet."""
    errors: Count


class BundleChange(msgspec.Struct, frozen=True, kw_only=True):
    """One bundle gave way to another."""

    time: str
    bundle: str
    digest: str
    """Empty = the bundle of the settings."""
    before: str
    reason: str


class BundleState(msgspec.Struct, frozen=True, kw_only=True):
    """Which bundle speaks, and why."""

    id: str
    digest: str
    origin: Literal["shipped", "signed", "unverified", "unsigned"]
    """Where it comes from, as far as that could be checked."""
    phase: str
    """`in service`, also with another as its shadow, or `on trial`."""
    runtime: str
    """The library that runs its network."""
    switches: list[BundleChange]
    """The latest, newest first."""
    compared: dict[str, Any] | None = None
    """Half-minutes with alarms, doubts, without scores, of the old one and the new one, while there are two."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`.../health`, every `health_s` seconds: queue, losses, delay, memory; more figures may stand beside these."""

    time: str
    epoch: Count
    uptime_s: float
    depth: Count
    """Events that wait."""
    oldest_s: float | None
    """Age of the oldest of them."""
    size_bytes: Count
    """What they take of the disk budget."""
    dropped: Count
    """Given up since the start of the agent."""
    outbox_damaged: Count
    lag_s: float
    memory_peak_bytes: int | None
    counters: dict[str, int]
    """Since the start of the agent."""
    latest_refusals: list[str]
    behind: dict[str, int] | None = None
    """Events that each consumer has not acknowledged."""
    recent: dict[str, int] = {}
    """What was counted since the last message."""
    absent: list[str] = []
    """`wearer/position` of sensors that are silent now; nothing after the `/` = never heard."""
    provider: str = ""
    """What really computes the network."""
    provider_asked: str = ""
    """What should: another one where that could not be had."""
    audit: AuditHead | None = None
    bundle: BundleState | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How events count as delivered, as told in `.../describe`."""

    mode: Literal["end-to-end", "broker"]
    consumers: list[str]
    full_policy: str
    drain_per_s: float
    max_bytes: Count


class Describe(msgspec.Struct, frozen=True, kw_only=True):
    """`.../describe`, retained: who speaks here, with which version and model, under which contract."""

    version: str
    bundle: str
    bundle_digest: str
    dataschema: str
    schemas: dict[str, str]
    """Name of each contract -> its `$id`; the documents ship in the package, `veille schema NAME` prints them."""
    wearers: list[str]
    health_s: float
    """A gateway that says nothing for three times this is in trouble."""
    keepalive_s: Count
    silence_s: float
    delivery: Delivery
    epoch: Count


def encode(message: msgspec.Struct | dict[str, Any]) -> bytes:
    """The bytes that are published."""
    return msgspec.json.encode(message)
