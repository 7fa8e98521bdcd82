"""Events carry the gateway's time: it should be right, and something should keep it right."""

import time
from collections.abc import Iterator
from pathlib import Path

from agent.doctor.finding import Finding, Look, Machine

UNSYNCHRONISED = 5
"""TIME_ERROR of adjtimex(2)."""
EARLIEST_S = 1_767_225_600.0
"""2026-01-01: before that no agent existed."""
ZONES = Path("/usr/share/zoneinfo")


def look_at_clock(look: Look) -> Iterator[Finding]:
    """The year, and what the kernel says of its clock."""
    now_s = look.machine.now_s()
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now_s))
    if now_s < EARLIEST_S:
        mend = (
            "set the clock and keep it right, for example with chrony; a Pi without a battery clock starts in the past"
        )
        yield Finding("clock", "fail", f"{now} is in the past", mend, "clock_wrong")
        return
    state = look.machine.clock_state()
    if state == UNSYNCHRONISED:
        mend = "run chrony or systemd-timesyncd (in a container: on the host)"
        told = f"{now}, but nothing keeps it synchronised"
        yield Finding("clock", "warn", told, mend, "clock_unsynchronised")
    elif state < 0:
        mend = "look on the host, with chronyc tracking or timedatectl"
        told = f"{now}; whether it is synchronised cannot be seen from here"
        yield Finding("clock", "warn", told, mend, "clock_unsynchronised")
    else:
        yield Finding("clock", "ok", f"{now}, synchronised")


def look_at_time_zone(look: Look) -> Iterator[Finding]:
    """Events are in UTC whatever the zone, but logs and people are not; a zone that is not there reads as UTC."""
    odd = _odd_zone(look.machine)
    if odd:
        yield Finding("time_zone", "warn", odd, "timedatectl set-timezone Area/City", "time_zone_odd")
    else:
        yield Finding("time_zone", "ok", f"{_zone(look.machine) or 'UTC'}; events are in UTC")


def _zone(machine: Machine) -> str:
    """As programs see it: TZ, else where /etc/localtime points."""
    if "TZ" in machine.environment:
        return machine.environment["TZ"].lstrip(":")
    link = machine.etc / "localtime"
    return str(link.readlink()).partition("zoneinfo/")[2] if link.is_symlink() else ""


def _odd_zone(machine: Machine) -> str:
    zone, named = _zone(machine), machine.etc / "timezone"
    if zone and ZONES.is_dir() and not (ZONES / zone).is_file() and not any(sign in zone for sign in "0123456789,<"):
        return f"the time zone {zone} does not exist here, so programs take UTC"
    said = named.read_text(encoding="utf-8").strip() if named.is_file() else zone
    if zone and said and _same(zone) != _same(said) and "TZ" not in machine.environment:
        return f"{machine.etc}/localtime says {zone}, {named} says {said}"
    return ""


def _same(zone: str) -> str:
    return zone.removeprefix("Etc/").replace("UCT", "UTC").replace("Zulu", "UTC")
