"""What the two files of a gateway's shelf of bundles hold, `service.json` and `offer.json`."""

from typing import Annotated

import msgspec

from agent.manifest import Digest

MaybeDigest = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?$")]


class Switch(msgspec.Struct, frozen=True, kw_only=True):
    """One bundle gave way to another."""

    time: str
    bundle: str
    """Id of the one that came into service."""
    digest: str
    before: str
    """Digest of the one that went; empty = the bundle of the settings."""
    reason: str


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle that was tried and is not taken."""

    at_s: float
    reason: str
    only_compared: bool = False
    """Nothing was wrong with it; nobody asked for more."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """`service.json`."""

    digest: MaybeDigest = ""
    """Of the bundle in service; empty = that of the settings, or of the package."""
    before: MaybeDigest = ""
    """Of the one that it came after, to which it may have to give way."""
    trial: bool = False
    starts: int = 0
    """Of the agent during the trial, since it was last stopped cleanly."""
    refused: dict[str, Refusal] = {}
    """By digest, the newest."""
    history: list[Switch] = []


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """`offer.json`."""

    digest: Digest
    at_s: float
    switch: bool = True
    """False = run it as a shadow and tell, but leave the other in service."""
    back: bool = False
    """True = somebody wants this one out of service again."""
