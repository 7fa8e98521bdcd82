"""What a subscriber receives: the CloudEvents envelope, the kinds of event, their topics and identities.

The JSON Schema (`veille schema`) is generated from these types, so the types are the contract:
within `veille/v1` fields are added, never removed, renamed or given another meaning.
"""

import datetime as dt
import uuid
from typing import Annotated, Any, Literal

import msgspec

NAMESPACE = uuid.UUID("5a3f5a58-7d4c-5c1e-9b38-0d5c7d3e6a10")
"""Root of the event identities (UUIDv5)."""

Kind = Literal[
    "novelty", "sensor_fault", "abstention", "silence", "drift", "arm_use_change", "asymmetry_change", "summary"
]
Phase = Literal["start", "update", "end"]
Unit = Annotated[float, msgspec.Meta(ge=0, le=1)]

PRIORITIES: dict[str, int] = {
    "novelty": 0,
    "arm_use_change": 1,
    "asymmetry_change": 1,
    "sensor_fault": 1,
    "silence": 1,
    "drift": 2,
    "abstention": 3,
    "summary": 4,
}
"""Order in which a full outbox gives up rows: the highest number goes first. Telemetry (`health`, `state`) never enters
it: of each topic only the latest message is kept, in memory."""


RETAINED = "/summary/day"
"""End of the topics whose latest event the broker keeps for who comes later."""


class Masses(msgspec.Struct, frozen=True, kw_only=True):
    """One number for each label."""

    normal: Unit
    noise: Unit
    novelty: Unit


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """A share of the score that belongs to one place in the window."""

    position: str
    axis: Literal["x", "y", "z", "magnitude"]
    start_s: float
    """Seconds before the end of the window (negative) at which the segment starts."""
    end_s: float
    share: float
    """Contribution divided by the sum of all positive contributions."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a score."""

    score: float
    """0 = a median normal window, 1 = what nine normal half-minutes in ten stay below."""
    p_value: Unit | None = None
    """Share of normal half-minutes at least as high."""


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Where the doubt comes from."""

    aleatoric: Annotated[float, msgspec.Meta(ge=0)]
    """Spread that the model expects of this kind of movement."""
    epistemic: Unit
    """Share of the open score that is distance to everything seen in training."""
    disagreement: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """How far an ensemble of teachers would disagree on such a window, as the student foretells."""


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """What the p-value and its promise rest on."""

    regime: Literal["still", "moving", "vigorous"]
    """What the wearer was doing just before; half-minutes are compared with their own kind."""
    own_half_minutes: Annotated[int, msgspec.Meta(ge=0)]
    """Half-minutes of the wearer's own normal wear of this kind that `p_value` rests on, beside the population's."""
    p_population: Unit | None
    """p-value by the population alone: what it would be had nothing been learnt from this wearer."""
    at_most_per_day: Annotated[float, msgspec.Meta(ge=0)]
    """False alarms a day below which this wearer's rate lies with 95 %, by all that was counted so far."""
    hours_to_budget: Annotated[float, msgspec.Meta(ge=0)] | None
    """Hours of wear of this kind until the budget can be promised; 0 = now, null = never with this much memory."""


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """How far a wearer has left what was normal on the first day of wear.

    In standard deviations of that day, among stretches with as much movement.
    """

    direction: Literal["stranger", "less_strange"]
    """To the network, than on the first day."""
    size: float
    """Recent mean, over half an hour at the most; positive = stranger."""
    interval: tuple[float, float]
    """95 % interval of `size`, errors of the reference included. At the start it is a little too far out."""
    since: str
    """When it began, as far as can be told."""
    units: Annotated[int, msgspec.Meta(ge=0)]
    """Undisturbed stretches of wear seen since then, `unit_s` long each."""
    unit_s: float
    statistic: float
    """Evidence of the bets when it was raised."""
    threshold: float
    """What it had to reach: units of wear to a false drift, on average, at the least."""
    habit: bool = False
    """It has lasted a day of wear."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of one position's signal, in seconds before the window's end (negative)."""

    position: str
    start_s: float
    end_s: float


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Where and in what way: the numbers that the sentence is made from."""

    position: str
    axis: Literal["x", "y", "z"]
    axis_share: Unit
    """Of the energy that the three axes have beyond, or short of, what is expected; where it is small, the sentence
    names no axis."""
    start_s: float
    """Seconds before the end of the window (negative)."""
    end_s: float
    aspect: Literal["posture", "movement", "abruptness", "span", "trembling", "stepping", "echo"]
    """What differs; `echo`: what was strange just before still counts."""
    difference: float
    """From the closest normal pattern in standard deviations of normal wear; above = positive."""
    truth: Unit = 1.0
    """How truly the words of the sentence describe these numbers."""


class Closest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The normal pattern that is most like it."""

    distance: Annotated[float, msgspec.Meta(ge=0)]
    """Root mean square, in standard deviations of normal wear."""
    time: str | None = None
    """End of the window of the wearer's own normal wear; absent = none is known yet, and that of others stands in."""


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fewest stretches that, replaced by what the model expects, would have let `normal` stand: tried, by scoring
    it again. A fact about the model, not about the person.
    """

    places: list[Place]
    verdict: list[Literal["normal", "noise", "novelty"]]
    """What the verdict would have been."""
    p_value: Unit


class Resolution(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What would leave one label of an abstention: tried, by judging it again."""

    needs: Literal["signal", "wear", "readings", "budget"]
    """A clean signal of `position`; `minutes` more of normal wear; to know whether it was measured right; to allow
    `per_day` false alarms a day."""
    verdict: list[Literal["normal", "noise", "novelty"]]
    """What it would be; of `readings`, if it was measured right."""
    otherwise: list[Literal["normal", "noise", "novelty"]] = []
    """Of `readings`: if it was measured wrong."""
    position: str = ""
    fault: str = ""
    """What is wrong there, one of the names in `quality`."""
    minutes: Annotated[float, msgspec.Meta(ge=0)] | None = None
    per_day: Annotated[float, msgspec.Meta(ge=0)] | None = None


class Why(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The explanation in numbers; the whole of it is sent on request, see `.../command/explain`."""

    account: Account | None = None
    closest: Closest | None = None
    change: Change | None = None
    """Of an alarm; absent = no replacement within these seconds changes it."""
    resolution: Resolution | None = None
    """Of an abstention."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


class LimbChange(msgspec.Struct, frozen=True, kw_only=True):
    """What has changed between two limbs."""

    measure: Literal["use_ratio", "step_symmetry", "swing_symmetry", "impact_symmetry"]
    """Use of the watched arm over that of the other; step time, time in the air, or peak at the contact, of the watched
    leg over that of the other."""
    reference: Literal["healthy", "own"]
    """Against healthy people, or against the wearer's own days before."""
    watched: Literal["left", "right"]
    """The paretic or injured side, or the one that is compared with the other."""
    size: float
    """Relative to the reference: -0.2 = a fifth less."""
    interval: tuple[float, float]
    """95 % interval of `size`."""
    value: float
    """The measure now: mean over the days since."""
    since: str
    """When it began, as far as can be told."""
    days: Annotated[int, msgspec.Meta(ge=1)]
    """Judged days since then."""
    evidence: float | None = None
    """e-value of the sequential test; null against healthy people, where the interval on all days decides."""
    false_event_days: float
    """At most one false event in so many judged days on average, as long as days without change are alike."""
    hours: list[Annotated[int, msgspec.Meta(ge=0, le=23)]] = []
    """Hours of the gateway's day in which the watched limb's share fell or rose most, strongest first."""


class Legs(msgspec.Struct, frozen=True, kw_only=True):
    """What legs and trunk did in an hour or a day. Ratios: the watched leg's over the other's; null = not heard."""

    worn_h: float
    """Hours in which both legs' sensors were surely worn; all but the trunk's figures are of these hours."""
    one_sided_h: float
    walking_h: float
    steps: Estimate | None
    """Upper end: had the waking hours without wear been like those worn."""
    cadence: float | None
    """Steps a minute of walking."""
    stride_s: float | None
    stride_variation: float | None
    """Standard deviation over mean."""
    ratios: dict[str, Estimate] = {}
    """`step_time` (other foot's contact to own), `swing_time` (foot in the air), `impact` (peak at the contact)."""
    impact_g: tuple[float, float] | None = None
    """Mean peak at the contact, watched and other."""
    load: dict[str, float] = {}
    """PlayerLoad of `watched`, `other`, `trunk`."""
    acute_chronic: float | None = None
    """Load of 7 days over that of 28: context, never an alarm."""
    trunk_worn_h: float
    evenness: float | None
    """Of the trunk: step regularity over stride regularity; 1 = left and right steps alike."""
    sync_s: float | None = None
    withheld: Literal[
        "", "too_little_wear", "too_little_walking", "clocks_apart", "one_leg", "sides_swapped", "one_side"
    ] = ""
    """Why ratios are missing; `clocks_apart`: only that of the step times is."""
    healthy: tuple[float, float] | None = None
    """Range of the ratios of times in healthy people."""
    own: dict[str, Estimate] = {}
    """By measure: the wearer's own mean ratio since the last change."""
    own_days: Annotated[int, msgspec.Meta(ge=0)] = 0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What the arms did in an hour or a day, and under `legs` what legs and trunk did.

    Pairs are (watched, other); null = withheld or not heard.
    """

    period: Literal["hour", "day"]
    profile: Literal["stroke", "return_to_play", "general"]
    watched: Literal["left", "right"]
    worn_h: float
    """Hours in which both sensors were surely worn; all other figures are of these hours."""
    one_sided_h: float
    """Hours in which only one was: left out for both arms, never taken for an arm at rest."""
    walking_h: float
    use_h: dict[str, tuple[float, float]]
    """By rule (`counts`, `gross`, `both`; `free` = counts while not walking; `learned`, where the settings name a
    detector): hours of use of each arm."""
    use_ratio: dict[str, Estimate] = {}
    magnitude_ratio: float | None = None
    bilateral_magnitude: float | None = None
    variation_ratio: float | None = None
    sync_s: float | None = None
    """Doubt about the clocks of the pair; null = not known."""
    withheld: Literal[
        "", "too_little_wear", "too_little_use", "clocks_apart", "one_arm", "sides_swapped", "one_wrist", "no_wrist"
    ] = ""
    """Why figures are missing."""
    healthy: tuple[float, float] | None = None
    """Range of the use ratio in healthy people."""
    own: Estimate | None = None
    """The wearer's own mean use ratio (rule `free`) since the last change, with its interval."""
    own_days: Annotated[int, msgspec.Meta(ge=0)] = 0
    minutes: list[tuple[float | None, float | None]] = []
    """Of a day: minutes of use of each arm in each hour of the gateway's day."""
    legs: Legs | msgspec.UnsetType = msgspec.UNSET
    """Left out where no sensor on a leg or the trunk was worn."""


class EventData(msgspec.Struct, frozen=True, kw_only=True):
    """The `data` of an event. Times are ISO 8601 in UTC; scores: higher = stranger."""

    kind: Kind
    phase: Phase
    revision: Annotated[int, msgspec.Meta(ge=0)]
    """0 for `start`, then counting up; the highest revision of an `id` is the one that holds."""
    wearer: str
    start: str
    """End of the first window of the event."""
    end: str
    """End of the latest window of the event."""
    verdict: list[Literal["normal", "noise", "novelty"]]
    """The labels that cannot be ruled out; one = decided, several = abstention."""
    cause: Literal["", "ambiguous", "too_little_calibration", "unlike_anything_seen", "poor_signal"] = ""
    """Why the verdict abstains; empty where it does not."""
    ended: str | msgspec.UnsetType = msgspec.UNSET
    """Of an `end`, why it is one where it is not over as far as was seen: `restart` = the agent died and was started
    again; what has happened since `end` is not known. Left out elsewhere."""
    sentence: str
    score: float | None
    p_value: Unit | None
    """Share of normal half-minutes at least as strange; null where nothing could be scored."""
    p_interval: tuple[Unit, Unit] | None
    """95 % interval of `p_value` that follows from the finite calibration set."""
    alpha: Unit
    """Level at which `normal` is ruled out: follows from the budget, and is halved at most where alarms exceed it."""
    belief: Masses
    plausibility: Masses
    spread: Spread | None
    promise_per_day: float
    """False alarms a day that the calibration can honestly promise, at the best."""
    quality: dict[str, Unit]
    """Strongest evidence of each sensor fault (stuck, clipped, spikes, gravity, dropout, white, left), and
    `non_wear`."""
    positions: dict[str, float | None]
    """Score of each position heard."""
    parts: dict[str, Part] = {}
    """What the score of the leading position is made of: `open` (unlike anything normal), `fall` (like falls that were
    labelled), `freezing` (trembling in place)."""
    basis: Basis | None = None
    """What `p_value` and `promise_per_day` rest on."""
    resembles: Literal["", "fall", "freezing"] = ""
    """The known novelty that it resembles most, if any."""
    contributions: list[Contribution] = []
    """The places that raised the score most, strongest first."""
    shift: Shift | msgspec.UnsetType = msgspec.UNSET
    """Of a drift: how far, which way, since when; left out in other events, like the next two."""
    why: Why | None = None
    """Why, in numbers: what `sentence` says."""
    limbs: LimbChange | msgspec.UnsetType = msgspec.UNSET
    """Of `arm_use_change` and `asymmetry_change`."""
    summary: Summary | msgspec.UnsetType = msgspec.UNSET
    """Of `summary`."""
    bundle: str
    """Identity of the model bundle."""
    bundle_digest: str
    scored: str
    """Gateway time at which the latest window was scored."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """CloudEvents 1.0, structured JSON."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    """Same for the same happening: over its phases, when sent again, and when scored again."""
    source: str
    """`veille/{site}/{gateway}`."""
    type: str
    """`org.veille.event.{kind}.v1`."""
    subject: str
    """The wearer's pseudonym."""
    time: str
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str = "urn:veille:schema:event:1"
    seq: int = 0
    """Counts up by one for each event of this gateway; a hole = not yet arrived."""
    epoch: int = 0
    """Counts the starts of the agent on this gateway."""
    historical: bool = False
    """True where the event was published late (the broker was away)."""
    data: EventData


def event_id(gateway: str, wearer: str, bundle_digest: str, kind: str, start_s: float) -> str:
    """Identity of an event: UUIDv5 of who, what and when (start rounded to the millisecond)."""
    return str(uuid.uuid5(NAMESPACE, f"{gateway}\n{wearer}\n{bundle_digest}\n{kind}\n{start_s:.3f}"))


def iso_time(seconds: float) -> str:
    """`seconds` since the epoch as ISO 8601 in UTC with milliseconds."""
    moment = dt.datetime.fromtimestamp(round(seconds, 3), tz=dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(event: Event) -> bytes:
    """The bytes that are published; floats in full, keys in the order of the type."""
    return msgspec.json.encode(event)


def decode(payload: bytes) -> Event:
    """Read an event; unknown fields are ignored, so old consumers read newer events.

    Raises:
        msgspec.ValidationError: a field is missing or of the wrong type.
    """
    return msgspec.json.decode(payload, type=Event)


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of the envelope with its data."""
    (schema,), components = msgspec.json.schema_components([Event], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:veille:schema:event:1",
        **schema,
        "$defs": components,
    }


class Topics(msgspec.Struct, frozen=True):
    """The topic tree of one gateway, `veille/v1/{site}/{gateway}/...`."""

    site: str
    gateway: str

    @property
    def root(self) -> str:
        return f"veille/v1/{self.site}/{self.gateway}"

    @property
    def status(self) -> str:
        return f"{self.root}/status"

    @property
    def describe(self) -> str:
        return f"{self.root}/describe"

    @property
    def health(self) -> str:
        return f"{self.root}/health"

    @property
    def dropped(self) -> str:
        return f"{self.root}/dropped"

    def ack(self, consumer: str = "+") -> str:
        return f"{self.root}/ack/{consumer}"

    @property
    def ask(self) -> str:
        return f"{self.root}/command/explain"

    def explanation(self, wearer: str) -> str:
        return f"{self.root}/wearer/{wearer}/explanation"

    def event(self, wearer: str, kind: str) -> str:
        return f"{self.root}/wearer/{wearer}/event/{kind}"

    def summary(self, wearer: str, period: str) -> str:
        return f"{self.root}/wearer/{wearer}/summary/{period}"

    def of(self, event: Event) -> str:
        """Where an event goes."""
        data = event.data
        if data.summary:
            return self.summary(data.wearer, data.summary.period)
        return self.event(data.wearer, data.kind)

    def state(self, wearer: str) -> str:
        return f"{self.root}/wearer/{wearer}/state"

    def ingest(self, wearer: str = "+", position: str = "+") -> str:
        return f"{self.root}/ingest/{wearer}/{position}"
