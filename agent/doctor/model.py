"""The bundle and what computes it."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from agent.bundle import default_bundle_path, open_bundle, open_runtime
from agent.doctor.finding import Fault, Finding, Look
from agent.errors import AgentError
from agent.shelf import keyring_of
from agent.signature import trusted_root

SIGN = "have the bundle signed, and name its publisher's root.json under trust (deploy/updates.md)"
RENEW = "the publisher renews it (`python -m export rotate`); is this gateway's clock right?"
SOON_DAYS = 60
REFUSALS: tuple[tuple[str, Fault, str], ...] = (
    ("update the agent", "bundle_too_new", "update the agent, or take a bundle of its generation"),
    ("golden", "golden_differs", "choose another runtime; the numbers that were tested are not these: report it"),
    ("digest", "bundle_altered", "install the bundle again from where it was made"),
    ("is not signed|trusted to sign|signatures cannot|key of the anchor|signs another", "bundle_unsigned", SIGN),
)
"""Pattern of the refusal -> fault and mend; any other refusal is `bundle_refused`."""


def look_at_bundle(look: Look) -> Iterator[Finding]:
    """The model is whole, from those whom the settings trust, and gives here what it gave where it was made."""
    try:
        bundle = open_bundle(_path(look), look.settings.runtime, keyring_of(look.settings))
    except AgentError as error:
        yield _refused("bundle", str(error))
        return
    told = f"{bundle.id} ({bundle.origin}): digests match, the golden stream gives what it should"
    if bundle.origin in ("unsigned", "unverified"):
        yield Finding("bundle", "warn", told, SIGN, "bundle_unsigned")
    else:
        yield Finding("bundle", "ok", told)


def look_at_trust(look: Look) -> Iterator[Finding]:
    """The root that updates rest on holds today: where it has expired, bundles start, and none can be fetched."""
    if not look.settings.trust or find_spec("tuf") is None:
        yield Finding("trust", "ok", "no publisher's root to look at: only the bundle of the package is taken")
        return
    keyring = keyring_of(look.settings)
    try:
        root = trusted_root(Path(look.settings.trust), keyring.history).signed
    except AgentError as error:
        yield Finding("trust", "fail", str(error), "copy the publisher's root.json there again", "trust_unreadable")
        return
    left_days = (root.expires.timestamp() - look.machine.now_s()) / 86_400
    told = f"root {root.version} of the publisher, until {root.expires:%Y-%m-%d}"
    if left_days < 0:
        yield Finding("trust", "fail", f"{told}: expired; no update is taken", RENEW, "trust_expired")
    elif left_days < SOON_DAYS:
        yield Finding("trust", "warn", f"{told}: {left_days:.0f} days", RENEW, "trust_expires_soon")
    else:
        yield Finding("trust", "ok", told)


def look_at_provider(look: Look) -> Iterator[Finding]:
    """What really computes: onnxruntime falls back to the CPU without an error."""
    try:
        runtime = open_runtime(_path(look), look.settings.runtime)
    except AgentError as error:
        yield _refused("provider", str(error))
        return
    shown = f"{runtime.package}, {runtime.provider}"
    if runtime.provider == runtime.asked:
        yield Finding("provider", "ok", f"{shown}, one thread")
    else:
        mend = 'install an onnxruntime that has it (deploy/JETSON.md), or settle for runtime = "onnx"'
        yield Finding("provider", "warn", f"{shown}, though {runtime.asked} is asked for", mend, "provider_fell_back")


def _path(look: Look) -> Path:
    return Path(look.settings.bundle) if look.settings.bundle else default_bundle_path()


def _refused(name: str, told: str) -> Finding:
    for words, fault, mend in REFUSALS:
        if re.search(words, told):
            return Finding(name, "fail", told, mend, fault)
    mend = "name the right directory, install the bundle again, or choose another runtime"
    return Finding(name, "fail", told, mend, "bundle_refused")
