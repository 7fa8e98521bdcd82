"""What a check finds, the names of all faults, and what checks ask of the machine."""

import ctypes
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from agent.settings import Settings

Level = Literal["ok", "warn", "fail"]
Fault = Literal[
    "python_old",
    "system_32_bit",
    "package_old",
    "package_foreign",
    "extra_missing",
    "settings_not_given",
    "settings_wrong",
    "permissions_open",
    "secret_unreadable",
    "bundle_refused",
    "bundle_altered",
    "bundle_too_new",
    "bundle_unsigned",
    "trust_unreadable",
    "trust_expired",
    "trust_expires_soon",
    "golden_differs",
    "provider_fell_back",
    "state_not_writable",
    "disk_low",
    "memory_low",
    "clock_wrong",
    "clock_unsynchronised",
    "time_zone_odd",
    "broker_unknown_host",
    "broker_unreachable",
    "broker_silent",
    "broker_refused",
    "broker_not_tls",
    "certificate_untrusted",
    "certificate_other_host",
    "certificate_expired",
    "certificate_expires_soon",
    "own_certificate_expired",
    "own_certificate_refused",
    "outbox_damaged",
    "outbox_schema_newer",
    "outbox_stuck",
    "outbox_filling",
    "agent_silent",
    "wearer_silent",
    "unit_mismatch",
    "rate_mismatch",
    "packets_refused",
    "check_broke",
]
"""Stable names, for machines: added, never renamed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    """Of the check."""
    level: Level
    message: str
    mend: str = ""
    """What to do; empty where nothing is wrong."""
    fault: Fault | Literal[""] = ""


def _free_bytes(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def _kernel_clock() -> int:
    """State by adjtimex(2): 5 = nothing keeps it right, below 0 = it may not be asked from here."""
    asked = ctypes.create_string_buffer(512)  # all zero = only ask
    state: int = ctypes.CDLL(None, use_errno=True).adjtimex(asked)
    return state


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the checks ask of the machine: passed in, so that each fault can be made."""

    python: tuple[int, ...] = tuple(sys.version_info[:3])
    bits: int = 64 if sys.maxsize > 2**32 else 32
    now_s: Callable[[], float] = time.time
    clock_state: Callable[[], int] = _kernel_clock
    free_bytes: Callable[[Path], int] = _free_bytes
    memory: Path = Path("/proc/meminfo")
    etc: Path = Path("/etc")
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)


@dataclass(frozen=True, slots=True)
class Look:
    """What a check is given."""

    settings: "Settings"
    machine: Machine


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())
