"""Keys of a publisher of bundles: three Ed25519 pairs, and the root file that gateways trust.

`root` says which keys hold, and stays in a safe; `bundles` signs bundles and what a repository offers; `online` vouches
every few days that the repository is still current, so it alone may lie on a server. The private keys are PKCS #8 files
that only their owner can read, encrypted where `VEILLE_KEY_PASSWORD` is set. They belong into no repository.
"""

import datetime as dt
import os
from pathlib import Path

from agent.errors import StopError

ROOT_DAYS = 3650
"""A gateway that nobody visits must be able to follow a change of keys for this long."""
ROLES = {"root": "root", "targets": "bundles", "snapshot": "online", "timestamp": "online"}
"""Role in TUF -> the key that serves it."""
MISSING = "signing needs python-tuf and securesystemslib: pip install 'veille[update]'"

try:
    from cryptography.hazmat.primitives import serialization
    from securesystemslib.signer import CryptoSigner
    from tuf.api.metadata import Metadata, Root
except ImportError as error:
    raise StopError(MISSING) from error


def make_keys(folder: Path) -> None:
    """Write `root.pem`, `bundles.pem`, `online.pem` and `root.json`.

    Raises:
        StopError: there are keys already, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        signers = {name: make_key(folder / f"{name}.pem") for name in dict.fromkeys(ROLES.values())}
    except OSError as error:
        raise StopError(f"{folder}: {error.strerror}; keys are never overwritten, name another folder") from error
    root = Metadata(Root(version=1, expires=in_days(ROOT_DAYS), consistent_snapshot=True))
    for role, name in ROLES.items():
        root.signed.add_key(signers[name].public_key, role)
    root.sign(signers["root"])
    root.to_file(str(folder / "root.json"))


def read_key(folder: Path, name: str) -> CryptoSigner:
    """The private key `name`.pem of the folder.

    Raises:
        StopError: it is not there, or needs another password.
    """
    path = folder / f"{name}.pem"
    try:
        return CryptoSigner(serialization.load_pem_private_key(path.read_bytes(), _password()))
    except OSError as error:
        raise StopError(f"{path}: {error.strerror}; make keys with `python -m export keys {folder}`") from error
    except (TypeError, ValueError) as error:
        raise StopError(f"{path}: {error}; is VEILLE_KEY_PASSWORD right?") from error


def in_days(days: float) -> dt.datetime:
    """That moment, to the second, as TUF wants it."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(days=days)


def make_key(path: Path) -> CryptoSigner:
    """A new pair; its private half is written where nothing was, for its owner only.

    Raises:
        OSError: something is there, or the folder cannot be written.
    """
    signer, password = CryptoSigner.generate_ed25519(), _password()
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    key = serialization.load_pem_private_key(signer.private_bytes, None)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    return signer


def _password() -> bytes | None:
    return os.environ.get("VEILLE_KEY_PASSWORD", "").encode() or None
