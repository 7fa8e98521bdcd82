"""All checks that need settings, in order of need."""

from collections.abc import Callable, Iterator

from agent.doctor.brokers import look_at_events_broker, look_at_ingest_broker
from agent.doctor.finding import Finding, Look
from agent.doctor.installation import look_at_runtime_package
from agent.doctor.model import look_at_bundle, look_at_provider, look_at_trust
from agent.doctor.outbox import look_at_outbox
from agent.doctor.permissions import look_at_permissions
from agent.doctor.resources import look_at_disk, look_at_memory, look_at_state
from agent.doctor.running import look_at_agent, look_at_wearers
from agent.doctor.timekeeping import look_at_clock, look_at_time_zone

CHECKS: dict[str, Callable[[Look], Iterator[Finding]]] = {
    "extra": look_at_runtime_package,
    "permissions": look_at_permissions,
    "bundle": look_at_bundle,
    "trust": look_at_trust,
    "provider": look_at_provider,
    "state": look_at_state,
    "disk": look_at_disk,
    "memory": look_at_memory,
    "clock": look_at_clock,
    "time_zone": look_at_time_zone,
    "broker": look_at_events_broker,
    "ingest": look_at_ingest_broker,
    "outbox": look_at_outbox,
    "agent": look_at_agent,
    "wearers": look_at_wearers,
}
"""Name of the check, which its findings carry -> the check."""
