"""A repository of bundles as static files, for The Update Framework: any web server can hold it.

`publish` needs the key `bundles`, which may stay offline, and `online`; `refresh` needs `online` alone. Gateways refuse
a repository whose timestamp is older than `FRESH_DAYS`, so `refresh` must run more often than that: by a timer on the
publisher's machine.
"""

import shutil
from pathlib import Path

import msgspec

from agent.bundle import Bundle, open_bundle
from agent.errors import StopError
from agent.fetch import CURRENT, NAMES, SCHEMA, Current, Offered
from agent.signature import Keyring
from export.keys import in_days, read_key

try:
    from securesystemslib.signer import Signer
    from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
except ImportError as error:
    raise StopError("publishing needs python-tuf: pip install 'veille[update]'") from error

AnyMetadata = Metadata[Targets] | Metadata[Snapshot] | Metadata[Timestamp]

FRESH_DAYS = 14.0
"""After this long without `refresh` gateways take the repository for frozen by somebody."""
TARGETS_DAYS = 365.0
KEPT = 5
"""Bundles that stay in the repository for each audience."""


def publish(bundle: Path, repository: Path, keys: Path, fresh_days: float = FRESH_DAYS) -> str:
    """Add a signed bundle, as the newest for its gateways; makes the repository where there is none.

    Args:
        bundle: its folder, signed by the same publisher.
        repository: what the web server shows.
        keys: folder of the keys `bundles` and `online`, and `root.json`.
        fresh_days: for so long gateways take it without a `refresh`.

    Returns:
        Its digest.

    Raises:
        StopError: the bundle is not signed or cannot be opened, or a key is missing.
    """
    opened = open_bundle(bundle, keyring=Keyring(keys / "root.json", required=True))
    _begin(repository, keys)
    path = _newest(repository, Targets.type)
    targets = Metadata[Targets].from_file(str(path)) if path else Metadata(Targets())
    offered = [_add(opened, repository, targets), *_offered(repository, targets)]
    current = Current(schema=SCHEMA, bundles=_kept(offered))
    _put(repository, targets, CURRENT, msgspec.json.format(msgspec.json.encode(current), indent=1))
    known = {f"bundles/{one.digest}/{name}" for one in current.bundles for name in one.files} | {CURRENT}
    for name in set(targets.signed.targets) - known:
        del targets.signed.targets[name]
    targets.signed.expires = in_days(TARGETS_DAYS)
    _write(repository, targets, read_key(keys, "bundles"))
    refresh(repository, keys, fresh_days)
    return opened.digest


def offer_nothing(repository: Path, keys: Path) -> None:
    """Take all bundles out, and sign the empty list: their signer is trusted no more."""
    path = _newest(repository, Targets.type)
    if path is None:
        return
    targets = Metadata[Targets].from_file(str(path))
    targets.signed.targets.clear()
    _put(
        repository,
        targets,
        CURRENT,
        msgspec.json.format(msgspec.json.encode(Current(schema=SCHEMA, bundles=[])), indent=1),
    )
    targets.signed.expires = in_days(TARGETS_DAYS)
    _write(repository, targets, read_key(keys, "bundles"))


def refresh(repository: Path, keys: Path, fresh_days: float = FRESH_DAYS) -> None:
    """Vouch that what lies there is current: a new snapshot and timestamp.

    Raises:
        StopError: there is no repository, or no key.
    """
    signer, path = read_key(keys, "online"), _newest(repository, Targets.type)
    if path is None:
        raise StopError(f"{repository}: no repository; make it with `python -m export publish`")
    version = Metadata[Targets].from_file(str(path)).signed.version
    path = _newest(repository, Snapshot.type)
    snapshot = Metadata[Snapshot].from_file(str(path)) if path else Metadata(Snapshot())
    snapshot.signed.meta["targets.json"] = MetaFile(version)
    snapshot.signed.expires = in_days(fresh_days)
    _write(repository, snapshot, signer)
    path = repository / "metadata" / "timestamp.json"
    timestamp = Metadata[Timestamp].from_file(str(path)) if path.exists() else Metadata(Timestamp())
    timestamp.signed.snapshot_meta = MetaFile(snapshot.signed.version)
    timestamp.signed.expires = in_days(fresh_days)
    _write(repository, timestamp, signer)


def _begin(repository: Path, keys: Path) -> None:
    (repository / "targets").mkdir(parents=True, exist_ok=True)
    (repository / "metadata").mkdir(exist_ok=True)
    root = Metadata[Root].from_file(str(keys / "root.json"))
    shutil.copy(keys / "root.json", repository / "metadata" / f"{root.signed.version}.root.json")


def _newest(repository: Path, role: str) -> Path | None:
    """The metadata of a role with the highest version."""
    found = (repository / "metadata").glob(f"*.{role}.json")
    return max(found, key=lambda path: int(path.name.split(".")[0]), default=None)


def _offered(repository: Path, targets: Metadata[Targets]) -> list[Offered]:
    info = targets.signed.targets.get(CURRENT)
    if info is None:
        return []
    path = repository / "targets" / f"{info.hashes['sha256']}.{CURRENT}"
    return msgspec.json.decode(path.read_bytes(), type=Current).bundles


def _kept(offered: list[Offered]) -> list[Offered]:
    """The newest of each audience, a bundle once."""
    kept: list[Offered] = []
    for one in offered:
        same = [other for other in kept if other.gateways == one.gateways]
        if len(same) < KEPT and all(other.digest != one.digest for other in kept):
            kept.append(one)
    return kept


def _add(bundle: Bundle, repository: Path, targets: Metadata[Targets]) -> Offered:
    names = sorted(path.name for path in bundle.path.iterdir() if path.name in NAMES)
    for name in names:
        _put(repository, targets, f"bundles/{bundle.digest}/{name}", (bundle.path / name).read_bytes())
    manifest = bundle.manifest
    return Offered(digest=bundle.digest, id=manifest.id, gateways=sorted(manifest.gateways), files=names)


def _put(repository: Path, targets: Metadata[Targets], name: str, content: bytes) -> None:
    """A file lies under its own digest, so that old and new metadata both find theirs."""
    info = TargetFile.from_data(name, content, ["sha256"])
    folder, _, last = name.rpartition("/")
    path = repository / "targets" / folder / f"{info.hashes['sha256']}.{last}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    targets.signed.targets[name] = info


def _write(
    repository: Path, metadata: Metadata[Targets] | Metadata[Snapshot] | Metadata[Timestamp], signer: Signer
) -> None:
    """Under the next version, and signed anew; the timestamp alone keeps its name."""
    signed = metadata.signed
    path = repository / "metadata" / f"{signed.type}.json"
    if metadata.signatures:
        signed.version += 1
    metadata.sign(signer)
    if not isinstance(signed, Timestamp):
        path = path.with_name(f"{signed.version}.{path.name}")
    metadata.to_file(str(path))
