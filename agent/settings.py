"""`agent.toml` -> one frozen `Settings`; an unknown key or a value out of range is a clear error."""

from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from agent.errors import SettingsError
from agent.heads import Head
from agent.records import RuntimeName

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""Part of a topic: letters, digits, `_`, `-`; a pseudonym, never a person's name or number."""
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Form = TypeVar("Form", bound=msgspec.Struct)


class Broker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where events are published."""

    host: str = "localhost"
    port: Port = 1883
    username: str | None = None
    password_file: str | None = None
    """File that holds the password, so that the settings can be shown."""
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    keepalive_s: Annotated[int, msgspec.Meta(ge=5, le=1200)] = 20
    """A broker tells others of our death after one and a half times this, at the latest: 30 s by default."""


class Alarms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How strange is too strange, and how often an alarm may be wrong."""

    false_alarms_per_day: Annotated[float, msgspec.Meta(gt=0, le=2880)] = 24.0
    """Budget per wearer. One an hour by default, which the shipped calibration can promise for a waist; a wrist alone
    needs 60 a day, below that it answers with doubt."""
    false_discovery_share: Annotated[float, msgspec.Meta(gt=0, lt=1)] | None = None
    """Over all wearers of this gateway: at most this share of the last day's alarms should be false. The level then
    falls below the budget's where many wearers share few alarms, and what it cannot tell becomes doubt. None = only
    estimated, in `/health`."""
    head: Head = "interval_dominance"
    """Which rule picks the labels of a verdict: the prudent one, or `interval_criterion`, which abstains less often."""
    trigger_windows: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    """Windows in a row that rule out `normal` before an alarm starts."""
    refractory_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 30.0
    """An alarm that returns within this time is the same alarm."""
    abstentions_per_hour: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 6.0
    """Doubt is published at most this often for each wearer; the rest is counted in `/health`."""
    silence_s: Annotated[float, msgspec.Meta(ge=10, le=290)] = 120.0
    """A sensor of which nothing has come for this long is announced as silent; always within five minutes."""


class Outbox(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The durable queue between scoring and the broker."""

    path: str = "outbox.sqlite"
    """Relative to `state_dir`."""
    max_rows: Annotated[int, msgspec.Meta(ge=10)] = 1_000_000
    """At this depth the least urgent oldest row is dropped, counted and announced."""
    max_bytes: Annotated[int, msgspec.Meta(ge=1 << 20)] = 512 << 20
    """Disk budget of the rows, with the same policy; half a gigabyte holds some 250,000 events."""
    reserve_bytes: Annotated[int, msgspec.Meta(ge=0)] = 8 << 20
    """Disk held back, so that on a full disk old doubt can still be exchanged for a new alarm."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an event counts as delivered, and how fast what waited is caught up."""

    consumers: tuple[Name, ...] = ()
    """End to end: a row leaves when each of these has acknowledged it on `.../ack/{consumer}`. Empty = the broker's
    word is enough."""
    wearers: dict[Name, tuple[Name, ...]] = {}
    """Consumer -> the only wearers whose events it gets and answers for; who is not named here answers for all."""
    settle_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 1.0
    """The broker's word counts once the connection has outlived it by this long: the time in which the broker saves.
    What it took later than that before a breakdown is sent again."""
    drain_per_s: Annotated[float, msgspec.Meta(ge=1, le=100_000)] = 500.0
    """Events that waited are sent at most this fast; new ones go first, at once."""


class Update(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where newer bundles come from, and what one must show before and after it takes over."""

    url: Annotated[str, msgspec.Meta(pattern=r"^(https?://.+)?$")] = ""
    """A repository as `python -m export publish` makes it; empty = no updates, and none in service. Needs `trust`."""
    shadow_s: Annotated[float, msgspec.Meta(ge=0, le=30 * 86_400)] = 3600.0
    """A new bundle first runs beside the one in service for this long: the same packets, nothing published."""
    trial_s: Annotated[float, msgspec.Meta(ge=0, le=30 * 86_400)] = 600.0
    """Then they change places for this long, and change back if its health turns bad."""
    alarm_factor: Annotated[float, msgspec.Meta(gt=1, le=100)] = 2.0
    """Bad is an alarm rate beyond this many times that of the bundle before, or below as small a part of it."""


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What two limbs of one wearer are compared for."""

    profile: Literal["stroke", "return_to_play", "general"] = "general"
    side: Literal["left", "right"] | None = None
    """The paretic side after a stroke, the injured one on the way back to play; else the non-dominant one."""

    def __post_init__(self) -> None:
        if self.side is None and self.profile != "general":
            raise ValueError(f"profile {self.profile} needs `side`: the paretic or injured side, left or right")


class Limbs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two limbs over days; at work for whoever wears a sensor on each wrist or leg, or on the trunk."""

    wearers: dict[Name, Person] = {}
    """Who is not named here has the profile `general`, with the left side as the one that is watched."""
    forearm: Literal["x", "y", "z"] = "x"
    """Axis of the wrist sensors that lies along the forearm."""
    detector: str | None = None
    """File of a learned detector of arm use, as `python -m training limbs-detector` makes it; none = none."""
    day_begins_h: Annotated[float, msgspec.Meta(ge=0, lt=24)] = 0.0
    """Hour (UTC) at which a day begins: the local night is best."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a gateway is told; see `veille run --help` for an example file."""

    site: Name = "site"
    gateway: Name = "gateway"
    state_dir: str = "/var/lib/veille"
    bundle: str | None = None
    """Directory of the bundle; none = the one that ships inside the package."""
    trust: str | None = None
    """The publisher's `root.json`: whose signature counts, on a bundle and on a repository of updates."""
    require_signature: bool = True
    """A bundle that neither ships inside the package nor is signed by `trust` is refused."""
    runtime: RuntimeName | None = None
    """What runs the network; none = what the bundle names."""
    broker: Broker = Broker()
    ingest: Broker = Broker()
    """The local broker that wearables publish to."""
    alarms: Alarms = Alarms()
    outbox: Outbox = Outbox()
    delivery: Delivery = Delivery()
    language: Literal["en", "fr"] = "en"
    """Of the sentences in events."""
    signals_in_explanations: bool = False
    """Draw the 2.56 s of samples in the pictures that are sent on request; without it no sample leaves the gateway."""
    update: Update = Update()
    limbs: Limbs = Limbs()
    wearers: tuple[Name, ...] = ()
    """Who may send; empty = anyone, up to `max_wearers`."""
    max_wearers: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 64
    health_s: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    """Seconds between two messages on `/health`."""


def read_settings(path: Path) -> Settings:
    """Read `agent.toml`; errors as in `read_toml`."""
    return read_toml(path, Settings)


def read_toml(path: Path, form: type[Form]) -> Form:
    """Read a TOML file as the settings of one program.

    Raises:
        SettingsError: the file is missing, is not TOML, or holds a key or a value that is not allowed.
    """
    try:
        return decode_toml(path, path.read_bytes(), form)
    except OSError as error:
        raise SettingsError(f"settings {path}: {error.strerror}; give a file with --config") from error


def decode_toml(path: Path, content: bytes, form: type[Form]) -> Form:
    """What `read_toml` would make of a file at `path` with this content.

    Raises:
        SettingsError: it is not TOML, or holds a key or a value that is not allowed.
    """
    try:
        return msgspec.toml.decode(content, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # includes ValidationError
        raise SettingsError(f"settings {path}: {error}") from error
