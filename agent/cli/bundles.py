"""What `run` and `update` share: how the settings say that bundles are opened."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.audit import AuditLog
    from agent.clock import Clock
    from agent.settings import Settings
    from agent.shelf import Shelf
    from agent.signature import Trust


def bundles_folder(settings: "Settings") -> Path:
    """Where the bundles of updates lie."""
    return Path(settings.state_dir) / "bundles"


def trust_of(settings: "Settings") -> "Trust":
    """Whose bundles are taken: those of the anchor, and of the roots that updates have brought since."""
    from agent.signature import Trust

    return Trust(
        anchor=Path(settings.trust) if settings.trust else None,
        required=settings.require_signature,
        gateway=f"{settings.site}/{settings.gateway}",
        history=bundles_folder(settings) / "tuf" / "root_history",
    )


def shelf_of(settings: "Settings", clock: "Clock", audit: "AuditLog") -> "Shelf":
    """The bundles of this gateway; without a repository in the settings only theirs, or the package's."""
    from agent.bundle import default_bundle_path
    from agent.shelf import Shelf, opener

    default = Path(settings.bundle) if settings.bundle else default_bundle_path()
    open_one = opener(default, runtime=settings.runtime, trust=trust_of(settings))
    return Shelf(bundles_folder(settings) if settings.update.url else None, open_one, clock, audit)
