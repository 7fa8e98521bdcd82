"""Which settings changed since the last start, for the audit log: names, not values, for a value may be a secret.

The values of `[alarms]` are told, for they decide what the wards hear.
"""

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from agent.durable import write_durably
from agent.settings import Settings

NAME = "settings.json"
TOLD = "alarms."


def settings_changes(settings: Settings, folder: Path) -> dict[str, Any] | None:
    """What to write, and remember the settings; None where nothing changed.

    Args:
        settings: those of this start.
        folder: where those of the last start lie.

    Raises:
        OSError: they cannot be remembered.
    """
    now = _flat(msgspec.json.decode(msgspec.json.encode(settings)))
    path = folder / NAME
    before = _read(path)
    changed = sorted(key for key in now.keys() | before.keys() if now.get(key) != before.get(key))
    if not changed:
        return None
    content = msgspec.json.encode(now, order="sorted")
    write_durably(path, content)
    told = {key: [before.get(key), now.get(key)] for key in changed if key.startswith(TOLD) and before}
    return {"sha256": hashlib.sha256(content).hexdigest(), "changed": changed if before else ["all"], "from_to": told}


def _read(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):  # the first start, or a file that was damaged: all counts as new
        return {}


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """`{"broker": {"host": h}}` -> `{"broker.host": h}`, one level deep."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": found for inner, found in value.items()}
        else:
            flat[key] = value
    return flat
