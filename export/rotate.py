"""Change keys, or renew the root: the next `root.json`, which gateways follow from the one that they trust.

The old root key signs it, and where that key itself is changed the new one too; so a gateway that has slept over any
number of changes follows them one by one, and whoever holds only a withdrawn key has nothing.
"""

import copy
from collections.abc import Collection
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, Root

from agent.errors import StopError
from export.keys import ROLES, ROOT_DAYS, in_days, make_key, read_key
from export.publish import offer_nothing, refresh


def rotate(repository: Path, keys: Path, changed: Collection[str]) -> int:
    """Make the next root; what a changed key has signed in the repository is signed anew, or taken out of it.

    A bundle that the old key `bundles` has signed is good for nothing afterwards, on gateways either: sign and publish
    it again. The old private keys stay beside the new ones, as `NAME.VERSION.pem`: destroy them.

    Args:
        repository: what the web server shows; gateways find the new root there.
        keys: folder of `root.json` and of the keys; `root` is always needed, `online` too.
        changed: of `root`, `bundles`, `online`, those that get a new pair; none = the root is only renewed.

    Returns:
        The version of the new root.

    Raises:
        StopError: a key is missing, or `root.pem` is not the root key of `root.json`.
    """
    try:
        before: Metadata[Root] = Metadata[Root].from_file(str(keys / "root.json"))
    except Exception as error:
        raise StopError(f"{keys / 'root.json'}: {error}; make keys with `python -m export keys {keys}`") from error
    signers = {name: read_key(keys, name) for name in ROLES.values()}
    made = {name: make_key(keys / f"{name}.next.pem") for name in changed}
    after = _following(before, made)
    after.sign(signers["root"])
    if "root" in made:
        after.sign(made["root"], append=True)
    try:
        before.verify_delegate(Root.type, after)
    except UnsignedMetadataError as error:
        for name in made:
            (keys / f"{name}.next.pem").unlink()
        raise StopError(
            f"{keys / 'root.pem'}: is not the key that {keys / 'root.json'} names; take that one"
        ) from error
    for name in made:
        (keys / f"{name}.pem").rename(keys / f"{name}.{before.signed.version}.pem")
        (keys / f"{name}.next.pem").rename(keys / f"{name}.pem")
    after.to_file(str(keys / "root.json"))
    after.to_file(str(repository / "metadata" / f"{after.signed.version}.root.json"))
    if "bundles" in made:
        offer_nothing(repository, keys)
    refresh(repository, keys)
    return after.signed.version


def _following(before: Metadata[Root], made: dict[str, CryptoSigner]) -> Metadata[Root]:
    """The next version, not signed yet."""
    after = Metadata(copy.deepcopy(before.signed))
    for role, name in ROLES.items():
        if name in made:
            for key in list(after.signed.roles[role].keyids):
                after.signed.revoke_key(key, role)
            after.signed.add_key(made[name].public_key, role)
    after.signed.version += 1
    after.signed.expires = in_days(ROOT_DAYS)
    return after
