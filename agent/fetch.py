"""Fetch a bundle from a repository of static files, by The Update Framework (TUF).

python-tuf does the work: it follows the keys from the anchor on, and refuses a repository that shows older metadata
than was seen before (rollback), that nobody has vouched for of late (freeze), or whose files belong to different states
of it (mix and match). A bundle lies there file by file, so nothing is ever unpacked; the names are those we know.

    metadata/             root, targets, snapshot, timestamp
    targets/current.json  what is offered, to whom, newest first
    targets/bundles/<digest>/...
"""

import hashlib
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from agent.bundle import LARGEST_FILE
from agent.durable import sync
from agent.errors import UpdateError, first_line
from agent.manifest import FILES, FURTHER, MANIFEST, Digest
from agent.signature import SIGNATURE

if TYPE_CHECKING:
    pass

log = logging.getLogger("veille")

CURRENT = "current.json"
SCHEMA = "veille-repository/1"
NAMES = frozenset({MANIFEST, SIGNATURE, *FILES, *FURTHER})
"""Files that a bundle may have."""
LARGEST_LIST = 1 << 20
"""Bytes of `current.json`."""


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """One bundle of the repository."""

    digest: Digest
    id: str
    gateways: list[str] = []
    """`site/gateway` of those it is for; empty = all."""
    files: list[str]


class Current(msgspec.Struct, frozen=True, kw_only=True):
    """`current.json`."""

    schema: str
    bundles: list[Offered]
    """Newest first; a gateway takes the first that is for it."""


class Repository:
    """A repository as one gateway sees it.

    Args:
        url: its address.
        anchor: the root file that is trusted.
        folder: where metadata is remembered (`tuf`), and where bundles come in.

    Raises:
        UpdateError: the extra is missing, or the anchor is none.
    """

    def __init__(self, url: str, anchor: Path, folder: Path) -> None:
        try:
            from tuf.ngclient import Updater, UpdaterConfig
        except ImportError as error:
            raise UpdateError("updates need python-tuf: pip install 'veille[update]'") from error
        self._url, self._folder = url.rstrip("/"), folder
        self._metadata, self._incoming = folder / "tuf", folder / "incoming"
        shutil.rmtree(self._incoming, ignore_errors=True)  # of an updater that was cut off
        for path in (self._metadata, self._incoming):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._tuf: Updater = Updater(
                str(self._metadata),
                f"{self._url}/metadata/",
                str(self._incoming),
                f"{self._url}/targets/",
                config=UpdaterConfig(app_user_agent="veille"),
                bootstrap=anchor.read_bytes(),
            )
        except Exception as error:
            raise UpdateError(f"trust {anchor}: {_why(error)}; copy the publisher's root.json there") from error

    def newest(self, gateway: str) -> Offered | None:
        """What the repository offers this gateway; None = nothing.

        Raises:
            UpdateError: it cannot be reached, or is not to be trusted now.
        """
        try:
            self._tuf.refresh()
            self._remember()
            path = self._download(CURRENT, self._incoming / CURRENT, LARGEST_LIST)
            current = msgspec.json.decode(path.read_bytes(), type=Current)
        except UpdateError:
            raise
        except Exception as error:
            raise UpdateError(f"{self._url}: {_why(error)}; the bundle in service stays") from error
        if current.schema != SCHEMA:
            raise UpdateError(f"{self._url}: {current.schema!r}, this agent reads {SCHEMA!r}; update the agent")
        return next((one for one in current.bundles if not one.gateways or gateway in one.gateways), None)

    def fetch(self, offered: Offered) -> Path:
        """Download the bundle, force it to the disk, and let go of the copy in memory, so that what is read next is
        what was written. Not yet opened.

        Raises:
            UpdateError: a file is missing, too large, not as the metadata say, or has a name that no bundle has.
        """
        place = self._incoming / "bundle"
        try:
            place.mkdir(mode=0o700)
            if foreign := set(offered.files) - NAMES:
                raise UpdateError(f"{self._url}: a file {min(foreign)[:100]!r} that belongs to no bundle")
            for name in offered.files:
                self._download(f"bundles/{offered.digest}/{name}", place / name, LARGEST_FILE)
                _settle(place / name)
            sync(place)
            if hashlib.sha256((place / MANIFEST).read_bytes()).hexdigest() != offered.digest:
                raise UpdateError(f"{self._url}: what is offered as {offered.digest[:12]} is another bundle")
        except UpdateError:
            raise
        except Exception as error:
            raise UpdateError(f"{self._url}: {_why(error)}; the bundle in service stays") from error
        return place

    def _download(self, target: str, path: Path, largest: int) -> Path:
        info = self._tuf.get_targetinfo(target)
        if info is None:
            raise UpdateError(f"{self._url}: holds no {target}")
        if info.length > largest:
            raise UpdateError(f"{self._url}: {target} has {info.length} bytes, {largest} at most")
        self._tuf.download_target(info, str(path))
        return path

    def _remember(self) -> None:
        """The metadata are the memory against rollback: they too must outlive a power cut."""
        for path in (*self._metadata.rglob("*"), self._metadata):
            if not path.is_symlink():
                sync(path)


def _settle(path: Path) -> None:
    """To the disk, and out of the page cache."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


def _why(error: Exception) -> str:
    """What a library says, with what lies behind it: the kind of a refusal is in its name."""
    behind = f" ({first_line(error.__cause__)[:200]})" if isinstance(error.__cause__, Exception) else ""
    return f"{type(error).__name__}: {first_line(error)[:300]}{behind}"
