"""The live loop of a gateway: step the pipeline, tell how we are, stop cleanly."""

import importlib.metadata
import logging
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TextIO

from agent.asks import AskBox
from agent.audit import AuditLog
from agent.changes import settings_changes
from agent.clock import Clock
from agent.clocks import FUTURE_S
from agent.contract.schemas import identities
from agent.counters import Counters, worth_a_line
from agent.durable import locked
from agent.errors import ClockError, OutboxError, SettingsError
from agent.events import Event, Topics, iso_time
from agent.languages import LANGUAGES, Language
from agent.messages import Delivery, Describe
from agent.notify import Notifier
from agent.outbox import Outbox
from agent.publish import Publisher
from agent.settings import Settings
from agent.signals import stop_on_signals
from agent.sources import Source
from agent.sources.mqtt import MqttSource
from agent.sources.tail import Tail
from agent.unended import ended
from agent.vitals import write_vitals
from agent.whole import Kept

log = logging.getLogger("veille")

STEP_S = 0.2
"""Seconds between two steps of the pipeline."""
TALLY_S = 3600.0
"""Acknowledgements are summed up in the audit log this often: one line for each would be a flood."""


class BundleName(Protocol):
    """What the gateway tells of the bundle."""

    @property
    def id(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def origin(self) -> str: ...


class Steps(Protocol):
    """What the gateway asks of the pipeline (`agent.shadow.Shadowed`)."""

    @property
    def bundle(self) -> BundleName:
        """The one that speaks now."""

    def explained(self, event_id: str) -> Kept | None:
        """What explains an event, if it is kept."""

    def step(self, now_s: float) -> list[Event]:
        """Read what has come by `now_s`, score it, put events into the outbox; returns them."""

    def close(self, now_s: float) -> list[Event]:
        """End what is open; into the outbox."""

    def health(self) -> dict[str, Any]:
        """Figures for `/health`."""

    def states(self) -> dict[str, dict[str, Any]]:
        """Wearer -> last verdict, only those that changed since the last call."""


def _memory_peak_bytes() -> int | None:
    """Largest resident set of this program; `getrusage` would count that of the program which started it too."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


@dataclass(slots=True)
class Gateway:
    """The parts of a running gateway, and when they last did what."""

    settings: Settings
    clock: Clock
    pipeline: Steps
    outbox: Outbox
    publisher: Publisher
    counters: Counters
    audit: AuditLog
    started_s: float
    notifier: Notifier
    health_due_s: float = 0.0
    tally_due_s: float = 0.0
    described: str = ""
    """Digest of the bundle that subscribers were told of."""
    latest_s: float = 0.0
    """The latest time at which a step began."""
    slowest_s: float = 0.0
    """Longest step since the last health message."""
    told: dict[str, int] = field(default_factory=dict)
    """The counters as of the last health message."""

    def keep_turning(self, stop: threading.Event) -> None:
        """Turn every `STEP_S` until `stop` is set; the watchdog is fed by nothing but a step that ended."""
        while not stop.is_set():
            self.turn()
            self.notifier.alive()
            self.clock.wait(STEP_S, stop)

    def turn(self) -> None:
        """One step of the pipeline, and what it leads to at the broker.

        Raises:
            ClockError: the clock was set back so far that what comes now would be taken for late, and left out.
        """
        began_s = self.clock.now_s()
        self._look_at_the_clock(began_s)
        try:
            self.pipeline.step(began_s)
        except OutboxError as error:  # the pipeline keeps the events and puts them again in its next step
            self._tell_put_error(error)
        for wearer, state in self.pipeline.states().items():
            self.publisher.publish_state(wearer, state)
        if self.pipeline.bundle.digest != self.described:
            self.describe()
        now_s = self.clock.now_s()
        self.slowest_s = max(self.slowest_s, now_s - began_s)
        # Also where the wall clock was set back: silence would look like death.
        if now_s >= self.health_due_s or self.health_due_s - now_s > self.settings.health_s:
            self.health_due_s = now_s + self.settings.health_s
            self._tell_health(self.health(now_s))
            self.slowest_s, self.told = 0.0, self.counters.snapshot()
        if now_s >= self.tally_due_s or self.tally_due_s - now_s > TALLY_S:
            self.tally_due_s = now_s + TALLY_S
            self.sum_up()

    def _look_at_the_clock(self, now_s: float) -> None:
        back_s = self.latest_s - now_s
        if back_s > FUTURE_S:
            self.audit.write("clock_set_back", seconds=round(back_s, 1))
            raise ClockError(
                f"the gateway's clock was set back by {back_s:.0f} s; the agent ends and must be started again, as "
                "its service is, or all that comes would be late for so long; ask `veille doctor` for the clock"
            )
        self.latest_s = max(self.latest_s, now_s)

    def _tell_health(self, health: dict[str, Any]) -> None:
        """To the broker, to the file that `veille doctor` reads, and in one line to the service manager."""
        self.publisher.publish_health(health)
        self.notifier.status(f"{health['counters'].get('windows', 0)} windows judged, {health['depth']} events wait")
        try:
            write_vitals(Path(self.settings.state_dir), health)
        except OSError:  # a full disk is told by the outbox's own counters
            self.counters.count("vitals_errors")

    def describe(self) -> None:
        """Tell which bundle speaks."""
        bundle = self.pipeline.bundle
        self.publisher.describe(describe_gateway(self.settings, bundle, self.outbox.epoch))
        self.described = bundle.digest

    def sum_up(self) -> None:
        """One line in the audit log for each consumer that has acknowledged since the last time."""
        for consumer, (many, low, high) in self.publisher.take_tally().items():
            self.audit.write("acknowledged", consumer=consumer, events=many, from_seq=low, to_seq=high)

    def health(self, now_s: float) -> dict[str, Any]:
        """Queue, losses, delay and memory; the pipeline's own figures are added.

        `recent`: what was counted since the last message; `lag_s`: longest step since then; `oldest_s`: age of the
        oldest event that waits; `behind`: events that each consumer has not acknowledged; `memory_peak_bytes`: largest
        resident set so far.
        """
        counts = self.counters.snapshot()
        return {
            "time": iso_time(now_s),
            "epoch": self.outbox.epoch,
            "uptime_s": round(now_s - self.started_s, 3),
            "depth": self.outbox.depth(),
            "oldest_s": self._told(self.outbox.oldest_s),
            "size_bytes": self.outbox.size(),
            "behind": self._told(lambda: self.outbox.behind(self.settings.delivery.consumers)),
            "dropped": self.outbox.dropped,
            "outbox_damaged": self.outbox.damaged,
            "lag_s": round(self.slowest_s, 3),
            "memory_peak_bytes": _memory_peak_bytes(),
            "counters": counts,
            "recent": {name: n - self.told.get(name, 0) for name, n in counts.items() if n > self.told.get(name, 0)},
            "latest_refusals": list(self.counters.latest),
            "audit": {
                "entries": self.audit.head.seq,
                "head": self.audit.head.digest,
                "waiting": self.audit.waiting,
                "errors": self.audit.errors,
            },
            **self.pipeline.health(),
        }

    def end(self) -> None:
        """Close the pipeline; what cannot be kept any more is told, not passed over."""
        try:
            self.pipeline.close(self.clock.now_s())
        except OutboxError:
            log.exception("%d events are lost with this stop", self.pipeline.health().get("waiting", 0))

    def _tell_put_error(self, error: OutboxError) -> None:
        """A full disk fails at every step."""
        self.counters.count("outbox_put_errors")
        seen = self.counters.counts["outbox_put_errors"]
        if worth_a_line(seen):
            log.warning("%s (%d times so far)", error, seen)

    @staticmethod
    def _told(ask: Callable[[], Any]) -> Any:
        """What the outbox says; None where it cannot."""
        try:
            answer = ask()
        except OutboxError:
            return None
        return round(answer, 3) if isinstance(answer, float) else answer


def run(
    settings: Settings,
    clock: Clock,
    audit: AuditLog,
    make_pipeline: Callable[[Source, Outbox, Counters], Steps],
    stop: threading.Event,
    notifier: Notifier | None = None,
    runtime_dir: Path | None = None,
) -> None:
    """Run until `stop` is set, or SIGTERM or SIGINT comes (in the main thread).

    Args:
        settings: of this gateway.
        clock: the wall's, but in a demonstration.
        audit: where what is done is written down.
        make_pipeline: opens the bundle, once the outbox is open and while the source connects: a start is quick.
        stop: ends the loop.
        notifier: who is told that we live; none = nobody.
        runtime_dir: a folder in memory that keeps the last seconds of packets over a restart; none = not kept.

    Raises:
        StopError: settings, bundle or outbox need a person.
        OutboxError: the outbox cannot be opened or written.
        ClockError: the clock was set back.
    """
    topics, counters, notifier = Topics(settings.site, settings.gateway), Counters(), notifier or Notifier()
    path = Path(settings.state_dir) / settings.outbox.path
    with (
        _alone(path.parent),
        closing(Outbox.open(path, settings.outbox, clock)) as outbox,
        closing(_source(settings, topics, counters, clock, runtime_dir)) as source,
    ):
        _end_what_was_left_open(outbox, LANGUAGES[settings.language], counters, clock.now_s())
        pipeline = make_pipeline(source, outbox, counters)
        describe = describe_gateway(settings, pipeline.bundle, outbox.epoch)
        asks = AskBox(pipeline.explained, topics, counters, settings.signals_in_explanations)
        publisher = Publisher(
            outbox, settings.broker, topics, clock, counters, describe=describe, delivery=settings.delivery, asks=asks
        )
        gateway = Gateway(settings, clock, pipeline, outbox, publisher, counters, audit, clock.now_s(), notifier)
        gateway.described, gateway.tally_due_s = pipeline.bundle.digest, gateway.started_s + TALLY_S
        clean = False  # anything else lets the broker tell that we are gone
        try:
            _tell_start(audit, settings, pipeline.bundle, outbox.epoch)
            publisher.start()
            stop_on_signals(stop)
            notifier.ready()
            gateway.keep_turning(stop)
            notifier.stopping()
            source.close()
            gateway.turn()  # what had come already
            gateway.end()
            clean = True
        finally:
            publisher.stop(clean)
            gateway.sum_up()
            audit.write("stop", epoch=outbox.epoch, clean=clean)


def _end_what_was_left_open(outbox: Outbox, words: Language, counters: Counters, now_s: float) -> None:
    """By an agent that died: its alarms would stand for ever."""
    ends = [(topic, ended(event, words, now_s)) for topic, event in outbox.left_open]
    if ends:
        outbox.put(ends)
        counters.count("events_ended_by_restart", len(ends))


def _tell_start(audit: AuditLog, settings: Settings, bundle: BundleName, epoch: int) -> None:
    """Who begins to watch with what; a start without a stop before it says that the last one died."""
    audit.write("start", epoch=epoch, version=_version(), bundle=bundle.id, digest=bundle.digest, origin=bundle.origin)
    try:
        changes = settings_changes(settings, Path(settings.state_dir))
    except OSError as error:
        log.warning("settings of this start cannot be remembered: %s", error.strerror)
    else:
        if changes:
            audit.write("settings", **changes)


def _source(
    settings: Settings, topics: Topics, counters: Counters, clock: Clock, runtime_dir: Path | None
) -> MqttSource:
    try:
        tail = Tail(runtime_dir) if runtime_dir else None
    except OSError as error:
        raise SettingsError(f"{runtime_dir}: {error.strerror}; mend RUNTIME_DIRECTORY, or leave it out") from error
    return MqttSource(settings.ingest, topics, counters, clock, wearers=settings.wearers, tail=tail)


def _alone(folder: Path) -> TextIO:
    """Two agents on one outbox would give the same `seq` twice: the open lock, held until it is closed."""
    try:
        return locked(folder / "agent.lock")
    except BlockingIOError as error:
        raise SettingsError(f"state_dir {folder}: another agent uses it; stop that one first") from error
    except OSError as error:
        raise SettingsError(f"state_dir {folder}: {error.strerror}; name a folder that the agent may write") from error


def describe_gateway(settings: Settings, bundle: BundleName, epoch: int) -> Describe:
    """What is retained on `.../describe`: who speaks here, with which version and model, under which contract."""
    delivery, limits = settings.delivery, settings.outbox
    return Describe(
        version=_version(),
        bundle=bundle.id,
        bundle_digest=bundle.digest,
        dataschema="urn:veille:schema:event:1",
        schemas=identities(),
        wearers=list(settings.wearers),
        health_s=settings.health_s,
        keepalive_s=settings.broker.keepalive_s,
        silence_s=settings.alarms.silence_s,
        delivery=Delivery(
            mode="end-to-end" if delivery.consumers else "broker",
            consumers=list(delivery.consumers),
            full_policy="least urgent kind first, its oldest event first; counted and told on .../dropped",
            drain_per_s=delivery.drain_per_s,
            max_bytes=limits.max_bytes,
        ),
        epoch=epoch,
    )


def _version() -> str:
    try:
        return importlib.metadata.version("veille")
    except importlib.metadata.PackageNotFoundError:  # run from a source tree
        return "unknown"
