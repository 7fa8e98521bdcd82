"""What the running agent last said of itself, and of the wearers, in `health.json` beside the outbox."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.doctor.finding import Fault, Finding, Look
from agent.vitals import read_vitals

PATIENCE = 3
"""Health messages that may stay out before the agent counts as silent."""
QUARTER_S = 900.0
"""Time zones differ by quarters of an hour."""
ZONE_SLACK_S = 60.0
REFUSALS: tuple[tuple[str, Fault, str], ...] = (
    ("unit_mismatch", "unit_mismatch", 'let the sensor send g, or say its unit in each packet ("unit": "mg")'),
    ("rate_mismatch", "rate_mismatch", "say in each packet the rate_hz at which the sensor really samples"),
)
OTHERS = (
    *("unknown_wearer", "unknown_position", "too_many_wearers", "bad_name", "bad_fields", "bad_rate", "bad_time"),
    *("bad_version", "not_json", "empty_packet", "non_finite", "time_backwards", "too_large", "too_long", "truncated"),
)
"""All further reasons of `PacketError`, see GLOSSARY.md."""


def look_at_agent(look: Look) -> Iterator[Finding]:
    """Does it run, and did it speak just now?"""
    said = _said(look)
    if said is None:
        yield Finding("agent", "ok", "it has never run here")
        return
    age_s = look.machine.now_s() - datetime.fromisoformat(said["time"]).timestamp()
    if age_s > PATIENCE * look.settings.health_s:
        mend = "systemctl status veille, then journalctl -u veille; it says there why it stopped"
        yield Finding("agent", "fail", f"it said nothing for {age_s:.0f} s", mend, "agent_silent")
    else:
        yield Finding("agent", "ok", f"it spoke {max(0.0, age_s):.0f} s ago, start number {said['epoch']}")
    if said["provider"] != said["provider_asked"]:
        told = f"it computes on {said['provider']}, though {said['provider_asked']} is asked for"
        mend = 'install an onnxruntime that has it (deploy/JETSON.md), or settle for runtime = "onnx"'
        yield Finding("agent", "warn", told, mend, "provider_fell_back")


def look_at_wearers(look: Look) -> Iterator[Finding]:
    """Who is silent, whose packets are refused, whose clock is a time zone off."""
    said = _said(look)
    if said is None:
        yield Finding("wearers", "ok", "the agent has never run here")
        return
    found = [*_silent(said), *_refused(said), *_in_local_time(said)]
    yield from found or [Finding("wearers", "ok", f"{said['wearers']} heard, none silent, nothing refused of late")]


def _said(look: Look) -> dict[str, Any] | None:
    return read_vitals(Path(look.settings.state_dir))


def _silent(said: dict[str, Any]) -> Iterator[Finding]:
    names = [name.rstrip("/") + (" (never heard)" if name.endswith("/") else "") for name in said["absent"]]
    if names:
        mend = "check battery, distance and radio, whether it is worn, and the broker under [ingest]"
        yield Finding("wearers", "warn", f"silent: {', '.join(names)}", mend, "wearer_silent")


def _refused(said: dict[str, Any]) -> Iterator[Finding]:
    recent, words = said["recent"], said["latest_refusals"]
    for reason, fault, mend in REFUSALS:
        if reason in recent:
            latest = next((text for text in reversed(words) if f": {reason}: " in text), reason)
            yield Finding("wearers", "fail", f"{recent[reason]} packets refused of late; {latest}", mend, fault)
    others = {reason: recent[reason] for reason in OTHERS if reason in recent}
    if others:
        told = ", ".join(f"{reason} {count}" for reason, count in others.items())
        latest = next((text for text in reversed(words) if any(f": {reason}: " in text for reason in others)), "")
        mend = "mend the sender, or name wearers and positions in the settings; GLOSSARY.md says what each reason means"
        yield Finding("wearers", "warn", f"refused of late: {told}; {latest}", mend, "packets_refused")


def _in_local_time(said: dict[str, Any]) -> Iterator[Finding]:
    for name, offset_s in said["clock_offsets_s"].items():
        quarters = round(offset_s / QUARTER_S)
        if 0 < abs(quarters) <= 56 and abs(offset_s - quarters * QUARTER_S) < ZONE_SLACK_S:
            told = f"{name}: its clock is {offset_s / 3600:+.2f} h off, as if it kept local time (put right here)"
            yield Finding("wearers", "warn", told, "let the sensor send Unix time, which is UTC", "time_zone_odd")
