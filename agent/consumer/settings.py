"""`consumer.toml` -> one frozen `ConsumerSettings`."""

from pathlib import Path
from typing import Annotated

import msgspec

from agent.settings import Broker, Name, read_toml

Filter = Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9_-]{1,64}|\+)$")]
"""A name, or `+` for any."""


class ConsumerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who listens, to whom, and where it is kept."""

    name: Name
    """As in `[delivery] consumers` of the gateways: what is acknowledged, is acknowledged under this name."""
    site: Filter = "+"
    gateway: Filter = "+"
    wearers: tuple[Name, ...] = ()
    """Empty = all that the broker's access list grants."""
    inbox: str = "inbox.sqlite"
    """The database; relative to the working directory."""
    worker: Name = "1"
    """Tells workers of one name apart."""
    shared: bool = False
    """Several workers share the events (`$share`); the order between them is then nobody's promise."""
    session_s: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] = 7 * 86400
    """How long the broker queues for us while we are away."""
    keep_days: Annotated[float, msgspec.Meta(gt=0)] = 90.0
    """Events older than this are forgotten, and would be taken for new."""
    broker: Broker = Broker()


def read_settings(path: Path) -> ConsumerSettings:
    """Read `consumer.toml`; errors as in `read_toml`."""
    return read_toml(path, ConsumerSettings)
