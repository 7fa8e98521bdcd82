"""The bundles of a gateway on its disk: which one is in service, which came before it, and why.

    bundles/service.json     what is in service; the agent alone writes it
    bundles/offer.json       what the updater has put here to be tried; the updater alone writes it
    bundles/<digest>/        a bundle, whole and verified before it gets this name, never changed afterwards
    bundles/shadow.json      what the latest shadow run has shown

Both files are replaced in one step, so at any moment a start finds a bundle that was verified. A bundle on trial that
cannot be opened, or that dies twice in its trial, gives way to the one before at the next start; where that one is no
good either, to the bundle of the settings, or the one in the package.
"""

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from agent.audit import AuditLog
from agent.bundle import Bundle, default_bundle_path, open_bundle
from agent.clock import Clock
from agent.durable import sync, write_durably
from agent.errors import BundleError
from agent.events import iso_time
from agent.resident import forget_code
from agent.service import Offer, Refusal, Service, Switch
from agent.settings import Settings
from agent.signature import Keyring

log = logging.getLogger("veille")

MOST_STARTS = 2
"""A bundle on trial that was started this often, and never got through nor stopped cleanly, is given up."""
KEPT_HISTORY = 20

Opener = Callable[[Path | None], Bundle]
"""Opens a folder, or the bundle of the settings; raises `BundleError`."""


class Shelf:
    """One gateway's bundles.

    Args:
        folder: as above; made where something is to be written. None = no updates: only the bundle of the settings.
        open_one: opens a bundle as the settings say (runtime, keyring).
        clock: stamps.
        audit: hears of each switch.
    """

    def __init__(self, folder: Path | None, open_one: Opener, clock: Clock, audit: AuditLog) -> None:
        self._folder, self._open, self._clock, self._audit = folder, open_one, clock, audit
        self.service = self._read("service.json", Service) or Service()

    @property
    def folder(self) -> Path:
        """Where the bundles lie."""
        assert self._folder is not None, "without updates nothing is written"
        return self._folder

    def begin(self) -> tuple[Bundle, Bundle | None]:
        """Open what is in service, and while that is on trial the one before it.

        Raises:
            BundleError: none can be opened, not even that of the settings.
        """
        service = self.service
        if service.trial and service.starts >= MOST_STARTS:
            self.go_back(f"it was killed or crashed {service.starts} times in its trial")
        elif service.trial:
            self._save(starts=service.starts + 1)
        while True:
            try:
                bundle = self.open(self.service.digest)
                break
            except BundleError as error:
                if not self.service.digest:
                    raise
                self.go_back(str(error))
        return bundle, self._before() if self.service.trial else None

    def open(self, digest: str) -> Bundle:
        """Open one of them; empty = that of the settings.

        Raises:
            BundleError: it is no good, or not here.
        """
        bundle = self._open(self.folder / digest if digest else None)
        forget_code()
        if digest and bundle.digest != digest:
            raise BundleError(f"{bundle.path}: holds another bundle, {bundle.digest}")
        return bundle

    def offer(self) -> Offer | None:
        """What the updater wants to be tried, unless it is in service or was refused since."""
        offer = self._read("offer.json", Offer)
        if offer is None or offer.back or offer.digest == self.service.digest:
            return None
        refusal = self.service.refused.get(offer.digest)
        return None if refusal and refusal.at_s >= offer.at_s else offer

    def asked_back(self) -> bool:
        """Whether somebody wants the bundle in service to give way."""
        offer = self._read("offer.json", Offer)
        return offer is not None and offer.back and offer.digest == self.service.digest

    def switch(self, bundle: Bundle, reason: str) -> None:
        """`bundle` comes into service, on trial.

        Raises:
            OSError: that cannot be written down; nothing has changed.
        """
        done = self._done(bundle.id, bundle.digest, reason)
        now = msgspec.structs.replace(
            self.service, digest=bundle.digest, before=self.service.digest, trial=True, starts=1, history=done
        )
        self._write("service.json", now)
        self.service = now
        self._tell_switch()

    def settle(self, reason: str) -> None:
        """The trial is passed."""
        self._save(trial=False, starts=0)
        self._audit.write("bundle", what="trial passed", digest=self.service.digest, reason=reason)

    def go_back(self, reason: str) -> None:
        """The one before comes into service again; the one that goes is not tried again unless someone asks."""
        gone = self.service.digest
        log.warning("bundle %s gives way to the one before: %s", gone[:12], reason)
        name = f"{self.service.before[:12]}" if self.service.before else "of the settings"
        done = self._done(name, self.service.before, reason)
        self._save(digest=self.service.before, before="", trial=False, starts=0, history=done)
        self._tell_switch()
        self.refuse(gone, reason)

    def refuse(self, digest: str, reason: str, *, only_compared: bool = False) -> None:
        """Do not try it again, unless someone asks."""
        newest = sorted(self.service.refused.items(), key=lambda item: item[1].at_s)[-KEPT_HISTORY:]
        refusal = Refusal(at_s=self._clock.now_s(), reason=reason[:1000], only_compared=only_compared)
        self._save(refused=dict(newest) | {digest: refusal})
        what = "compared" if only_compared else "refused"
        self._audit.write("bundle", what=what, digest=digest, reason=reason[:1000])

    def note(self, what: str, bundle: Bundle) -> None:
        """A line in the audit log."""
        self._audit.write("bundle", what=what, bundle=bundle.id, digest=bundle.digest, origin=bundle.origin)

    def stopped(self) -> None:
        """The agent ends on purpose: the bundle on trial is not to blame."""
        if self.service.starts:
            self._save(starts=0)

    def report(self, report: dict[str, Any]) -> None:
        """Keep what a shadow run has shown, for people who ask."""
        self._write_if_it_can("shadow.json", report)

    def shadow_report(self) -> dict[str, Any] | None:
        """The latest."""
        report: dict[str, Any] | None = self._read("shadow.json", dict[str, Any])
        return report

    # --- what the updater does ----------------------------------------------------------------------------

    def put(self, incoming: Path, digest: str) -> None:
        """Give a folder that was verified its place; whatever is left over of others goes."""
        self._sweep(keep={digest})
        place = self.folder / digest
        if place.exists():  # verified by whoever asked; the same digest, but perhaps spoilt since
            shutil.rmtree(place)
        incoming.rename(place)
        sync(self.folder)

    def make_offer(self, digest: str, *, switch: bool = True, back: bool = False) -> None:
        """Ask the agent to try it, or to take it out of service."""
        self._write("offer.json", Offer(digest=digest, at_s=self._clock.now_s(), switch=switch, back=back))

    def _sweep(self, keep: set[str]) -> None:
        offer = self._read("offer.json", Offer)
        keep |= {self.service.digest, self.service.before, offer.digest if offer else ""}
        for path in list(self._folders()):
            if path.name not in keep and len(path.name) == len(hashlib.sha256().hexdigest()):
                shutil.rmtree(path, ignore_errors=True)

    def _folders(self) -> Iterator[Path]:
        return (path for path in self.folder.iterdir() if path.is_dir())

    # --- files --------------------------------------------------------------------------------------------

    def _before(self) -> Bundle | None:
        try:
            return self.open(self.service.before)
        except BundleError as error:
            log.warning("the bundle before cannot be opened: %s", error)
            return None

    def _done(self, name: str, digest: str, reason: str) -> list[Switch]:
        """The history with one switch more."""
        at, before = iso_time(self._clock.now_s()), self.service.digest
        done = Switch(time=at, bundle=name, digest=digest, before=before, reason=reason[:1000])
        return [*self.service.history, done][-KEPT_HISTORY:]

    def _tell_switch(self) -> None:
        self._audit.write("bundle", what="switch", **msgspec.to_builtins(self.service.history[-1]))

    def _save(self, **fields: Any) -> None:
        """What cannot be written now holds until the next start all the same: watching goes on."""
        self.service = msgspec.structs.replace(self.service, **fields)
        self._write_if_it_can("service.json", self.service)

    def _write_if_it_can(self, name: str, content: Any) -> None:
        try:
            self._write(name, content)
        except OSError as error:
            log.warning("%s cannot be written: %s", self.folder / name, error.strerror)

    def _write(self, name: str, content: Any) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self.folder / name, msgspec.json.format(msgspec.json.encode(content), indent=1))

    def _read(self, name: str, kind: Any) -> Any:
        if self._folder is None:
            return None
        try:
            return msgspec.json.decode((self.folder / name).read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("%s cannot be read and counts for nothing: %s", self.folder / name, error)
            return None


def bundles_folder(settings: Settings) -> Path:
    """Where the bundles of updates lie."""
    return Path(settings.state_dir) / "bundles"


def keyring_of(settings: Settings, *, update: bool = False) -> Keyring:
    """Whose bundles are taken: those of the anchor, and of the roots that updates have brought since. An update is
    always signed, whatever the settings say.
    """
    return Keyring(
        anchor=Path(settings.trust) if settings.trust else None,
        required=update or settings.require_signature,
        gateway=f"{settings.site}/{settings.gateway}",
        history=bundles_folder(settings) / "tuf" / "root_history",
    )


def shelf_of(settings: Settings, clock: Clock, audit: AuditLog) -> Shelf:
    """The bundles of this gateway; without a repository in the settings only theirs, or the package's."""
    default = Path(settings.bundle) if settings.bundle else default_bundle_path()

    def open_one(folder: Path | None) -> Bundle:
        return open_bundle(folder or default, settings.runtime, keyring_of(settings, update=folder is not None))

    return Shelf(bundles_folder(settings) if settings.update.url else None, open_one, clock, audit)
