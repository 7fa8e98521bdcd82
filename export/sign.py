"""Sign a bundle: its manifest into an envelope (`agent.signature`), its digest into the package's pin."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from agent.bundle import open_bundle
from agent.manifest import MANIFEST
from agent.signature import PAYLOAD_TYPE, PIN, SHIPPED, SIGNATURE
from export.pack import present


def sign(folder: Path, keys: Path, gateways: Sequence[str] = ()) -> None:
    """Sign the bundle in `folder`, after it has been opened and examined as a gateway would.

    Args:
        folder: the bundle; a signature that is there is replaced.
        keys: folder of the private keys.
        gateways: `site/gateway` of those it is for; goes into the manifest. None = as the manifest says.

    Raises:
        BundleError: no bundle that a gateway would open.
        StopError: the key cannot be read, or a file lies there that belongs to no bundle.
    """
    from securesystemslib.dsse import Envelope

    from export.keys import read_key

    signer = read_key(keys, "bundles")
    bundle = open_bundle(folder)
    if gateways:
        manifest = msgspec.structs.replace(bundle.manifest, gateways=sorted(gateways))
        (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    foreign = {entry.name for entry in folder.iterdir()} - {MANIFEST, SIGNATURE, *present(folder)}
    for name in sorted(foreign):
        print(f"not signed, and refused by gateways beside a signed bundle: {folder / name}")
    envelope = Envelope((folder / MANIFEST).read_bytes(), PAYLOAD_TYPE, {})
    envelope.sign(signer)
    (folder / SIGNATURE).write_text(json.dumps(envelope.to_dict(), indent=1) + "\n", encoding="ascii")


def pin() -> str:
    """Pin the bundle that lies in the package; returns its digest. Its own integrity is that of the package."""
    digest = hashlib.sha256((SHIPPED / MANIFEST).read_bytes()).hexdigest()
    PIN.write_text(f"{digest}\n", encoding="ascii")
    return digest
