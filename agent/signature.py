"""Who made a bundle: a signed envelope around its manifest, checked against the keys of one anchor.

`signature.json` beside `bundle.json` is a DSSE envelope (Dead Simple Signing Envelope 1.0, as used by in-toto) whose
payload is `bundle.json`, byte for byte. That file names the SHA-256 of every other one, so one Ed25519 signature covers
model, calibration, thresholds and layout together. The keys are those that the anchor, a TUF root file, gives to the
role `targets`: updates rest on the same file. Roots that an update has brought are followed from the anchor on, each
signed by the one before, so keys can be changed and withdrawn.

The bundle inside the package needs no key: its digest is pinned beside it (`shipped_bundle.sha256`), and whoever can
change the pin can change this code. Its integrity is that of the installed package.
"""

import hashlib
import logging
import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from agent.errors import BundleError, SettingsError, first_line

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata, Root

log = logging.getLogger("veille")

SIGNATURE = "signature.json"
PAYLOAD_TYPE = "application/vnd.veille.bundle.v1+json"
LARGEST_ENVELOPE = 2**20
"""Bytes of an envelope or of a root file."""
SHIPPED = Path(__file__).resolve().parent / "shipped_bundle"
PIN = SHIPPED.with_suffix(".sha256")

Origin = Literal["shipped", "signed", "unverified", "unsigned"]
"""`shipped`: as pinned in the package. `signed`: by a key of the anchor. `unverified`: there is a signature, but no
anchor or no `veille[update]` to check it with. `unsigned`: there is none."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Whose bundles are taken."""

    anchor: Path | None = None
    """A TUF root file; none = no signature can be checked."""
    required: bool = False
    """Whether what is neither shipped nor signed is refused."""
    gateway: str = ""
    """`site/gateway`; empty = any gateway's bundle will do."""
    history: Path | None = None
    """Folder of later roots, `2.root.json` and so on, as updates bring them."""

    def examine(self, folder: Path, manifest: bytes) -> Origin:
        """Where the bundle comes from; called before anything is read out of the manifest.

        Raises:
            BundleError: the signature is wrong; or there is no good one, and it is required.
            SettingsError: the anchor cannot be read.
        """
        if folder.resolve() == SHIPPED:
            return _pinned(manifest)
        envelope = folder / SIGNATURE
        if not envelope.exists():
            mend = "sign it with `python -m export sign`, or say require_signature = false"
            return self._lacking("unsigned", f"{folder}: is not signed; {mend}")
        if self.anchor is None:
            return self._lacking("unverified", f"{folder}: nobody is trusted to sign; name a root file under `trust`")
        if find_spec("tuf") is None or find_spec("securesystemslib") is None:
            return self._lacking("unverified", f"{folder}: signatures cannot be checked; pip install 'veille[update]'")
        try:
            content = read_plain(envelope, LARGEST_ENVELOPE)
        except OSError as error:
            raise BundleError(f"{envelope}: {error.strerror}; copy the bundle again") from error
        payload = verified_payload(content, trusted_root(self.anchor, self.history), envelope)
        if payload != manifest:
            raise BundleError(f"{envelope}: signs another manifest than the one beside it; copy the bundle again")
        return "signed"

    def check_place(self, folder: Path, names: Collection[str], gateways: Collection[str], origin: Origin) -> None:
        """A signed bundle holds just the files that it names, and is made for this gateway.

        Raises:
            BundleError: another file, a link, a folder; or it is for other gateways.
        """
        if gateways and self.gateway and self.gateway not in gateways:
            raise BundleError(f"{folder}: is made for {', '.join(sorted(gateways)[:5])}, this is {self.gateway}")
        if origin != "signed":
            return
        entries = list(os.scandir(folder))
        if missing := sorted(set(names) - {entry.name for entry in entries}):
            raise BundleError(f"{folder}: holds no file {missing[0][:100]!r}, which it names; copy the bundle again")
        for entry in entries:
            if entry.name not in names:
                raise BundleError(f"{entry.path}: was not signed with this bundle; remove it or copy the bundle again")
            if not entry.is_file(follow_symlinks=False):
                raise BundleError(f"{entry.path}: is no plain file; copy the bundle again")

    def _lacking(self, origin: Origin, message: str) -> Origin:
        if self.required:
            raise BundleError(message)
        if self.gateway:  # elsewhere, in a replay say, nobody's alarms rest on it
            log.warning("%s", message)
        return origin


def verified_payload(envelope: bytes, root: "Metadata[Root]", where: Path) -> bytes:
    """What the envelope holds, once enough keys of the role `targets` have signed it.

    Raises:
        BundleError: no envelope, of another kind, or not signed by these keys.
    """
    from securesystemslib.dsse import Envelope

    role = root.signed.roles["targets"]
    try:
        signed = Envelope.from_dict(msgspec.json.decode(envelope, type=dict[str, Any]))
        signed.verify([root.signed.keys[name] for name in role.keyids], role.threshold)
    except Exception as error:  # whatever a library makes of bytes that others wrote
        raise BundleError(f"{where}: not signed by a key of the anchor ({first_line(error)[:200]})") from error
    if signed.payload_type != PAYLOAD_TYPE:
        raise BundleError(f"{where}: signs {signed.payload_type[:100]!r}, not a bundle")
    return signed.payload


def trusted_root(anchor: Path, history: Path | None = None) -> "Metadata[Root]":
    """The latest root that leads back to the anchor: version by version, each signed by itself and by the one before.

    Expiry is not looked at here: a gateway must start when nobody has visited it for years. Updates do look.

    Raises:
        SettingsError: the anchor is no root file.
    """
    from tuf.api.metadata import Metadata, Root

    try:
        root: Metadata[Root] = Metadata[Root].from_bytes(read_plain(anchor, LARGEST_ENVELOPE))
        root.verify_delegate(Root.type, root)
    except Exception as error:
        raise SettingsError(f"trust {anchor}: {first_line(error)}; copy root.json of the publisher there") from error
    while history and (path := history / f"{root.signed.version + 1}.root.json").exists():
        try:
            following: Metadata[Root] = Metadata[Root].from_bytes(read_plain(path, LARGEST_ENVELOPE))
            root.verify_delegate(Root.type, following)
            following.verify_delegate(Root.type, following)
        except Exception as error:  # noqa: BLE001 - it proves nothing: the roots up to here hold
            log.warning("%s is not followed: %s", path, first_line(error))
            break
        if following.signed.version != root.signed.version + 1:
            break
        root = following
    return root


def _pinned(manifest: bytes) -> Origin:
    if hashlib.sha256(manifest).hexdigest() != PIN.read_text(encoding="ascii").strip():
        raise BundleError(
            f"{SHIPPED}: is not the bundle that came with this agent; install veille again, and name a bundle of "
            "your own under `bundle` in the settings"
        )
    return "shipped"


def read_plain(path: Path, largest: int) -> bytes:
    """The content of a plain file of bounded size: a pipe would never end.

    Raises:
        BundleError: it is something else, or larger.
        OSError: it cannot be read.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BundleError(f"{path}: is no plain file; copy the bundle again")
        content = file.read(largest + 1)
    if len(content) > largest:
        raise BundleError(f"{path}: larger than {largest >> 20} MiB; not a bundle of Veille")
    return content
