"""Disk and memory."""

import os
from collections.abc import Iterator
from pathlib import Path

from agent.doctor.finding import Fault, Finding, Look, existing

FREE_MB = {"fail": 50, "warn": 1000}
"""Free disk: an event takes about 3 kB, so 1 GB keeps some 300,000 while the broker is away."""
MEMORY_MB = {"fail": 100, "warn": 250}
"""Free memory: the agent itself takes about 100 MB, most of it the runtime's."""


def look_at_state(look: Look) -> Iterator[Finding]:
    """The outbox's directory can be written, or made."""
    folder = Path(look.settings.state_dir)
    place = existing(folder)
    if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
        yield Finding("state", "ok", f"{folder} " + ("can be written" if place == folder else "will be made"))
    else:
        mend = f"make it for the agent's user (install -d -m 700 -o veille {folder}), on a disk that may be written"
        told = f"{folder}: {place} cannot be written by this user"
        yield Finding("state", "fail", told, mend, "state_not_writable")


def look_at_disk(look: Look) -> Iterator[Finding]:
    """Room for the events of a long outage."""
    place = existing(Path(look.settings.state_dir))
    free = look.machine.free_bytes(place) >> 20
    yield _amount("disk", free, FREE_MB, f"MB free at {place}", "free some disk, or move state_dir", "disk_low")


def look_at_memory(look: Look) -> Iterator[Finding]:
    """Room for the agent, by the kernel's own estimate."""
    lines = look.machine.memory.read_text(encoding="ascii").splitlines()
    free_kb = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    mend = "stop other programs or use a larger gateway"
    yield _amount("memory", free_kb >> 10, MEMORY_MB, "MB free", mend, "memory_low")


def _amount(name: str, found: int, limits: dict[str, int], what: str, mend: str, fault: Fault) -> Finding:
    if found < limits["fail"]:
        return Finding(name, "fail", f"{found} {what}, at least {limits['fail']} are needed", mend, fault)
    if found < limits["warn"]:
        return Finding(name, "warn", f"{found} {what}, {limits['warn']} would be better", mend, fault)
    return Finding(name, "ok", f"{found} {what}")
