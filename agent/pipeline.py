"""THE MAIN PATH. Read this page first: from packets to durable events, in the order in which things happen.

    source -> ingest -> windows -> quality -> score -> calibrate -> decide -> explain -> outbox

`quality` to `decide` are one call, `Judge.judge`: they work on arrays over all windows of the tick. Only the few
windows that are not quiet go on to `Tracker` (when did it start, is it news?) and `Composer` (explain, put into
words). `publish` drains the outbox on its own. A live gateway and a replay call the same `step`.
"""

from pathlib import Path
from typing import Any, Protocol

from agent.absence import Absences
from agent.bundle import Bundle
from agent.compose import Composer, Sender
from agent.counters import Counters
from agent.decide import level
from agent.departure import Departures
from agent.errors import PacketError
from agent.events import PRIORITIES, Event, Topics
from agent.explain import Explainer
from agent.ingest import Streams
from agent.judge import Judge, Judged
from agent.languages import LANGUAGES
from agent.limbs.watch import Limbs
from agent.memory import Memory
from agent.observe import Observer
from agent.settings import Settings
from agent.sources import Source
from agent.track import Change, Tracker
from agent.whole import Explanations, Kept
from agent.windows import Cutter

MOST_WAITING = 10_000
"""Events kept in memory while the outbox cannot be written; then the least urgent oldest is dropped and counted."""


class Keeper(Protocol):
    """Where events are kept: the outbox, or a file of a replay."""

    def put(self, events: list[tuple[str, Event]]) -> Any:
        """Keep (topic, event) pairs durably, all or none."""


class Pipeline:
    """One gateway's pipeline; call `step` as often as you like."""

    def __init__(
        self,
        source: Source,
        bundle: Bundle,
        settings: Settings,
        outbox: Keeper,
        counters: Counters,
        folder: Path | None = None,
    ) -> None:
        """`folder`: where what is learnt of the wearers is kept over a restart; none = it is not."""
        layout, alpha = bundle.manifest.layout, level(settings.alarms.false_alarms_per_day)
        self._source, self._outbox, self._counters = source, outbox, counters
        self._topics = Topics(settings.site, settings.gateway)
        self._streams = Streams(layout, counters, allowed=settings.wearers, max_wearers=settings.max_wearers)
        self._cutter = Cutter(self._streams)
        alarms, self._runtime = settings.alarms, bundle.model.runtime
        self._judge = Judge(bundle.model, alpha, alarms.head, alarms.false_discovery_share)
        self._tracker = Tracker(settings.alarms, layout.hop_s, counters)
        model = bundle.model
        place, made = (settings.site, settings.gateway), (bundle.id, bundle.digest)
        sender = Sender(*place, *made, alpha, layout, model.calibration, LANGUAGES[settings.language])
        explainer = Explainer(self._judge, self._streams.recent)
        self._composer = Composer(sender, explainer, self._streams.wearers, self._streams.positions)
        self._absences = Absences(sender, self._streams, settings.wearers, settings.alarms.silence_s)
        self._departures = Departures(sender, model.prototypes, self._streams)
        self._limbs = Limbs(sender, self._streams, settings.limbs)
        prudence = self._judge.prudence
        prudence.adrift = self._departures.drift.widened
        parts = prudence.remembered() | {"drift": self._departures.drift, "limbs": self._limbs}
        self._memory = Memory(folder, bundle.digest, parts, counters) if folder else None
        self._waiting: list[tuple[str, Event]] = []
        self.observer = Observer(self._streams, counters)
        self.explanations = Explanations()

    def step(self, now_s: float) -> list[Event]:
        """Take what has come by `now_s`, judge what is due, keep the events; returns them.

        Raises:
            OutboxError: the events could not be kept; they wait in memory and are put again at the next step.
        """
        events: list[Event] = []
        for packet in self._source.read(now_s):
            try:
                self._streams.put(packet)
            except PacketError as error:
                self._counters.refuse(error)
            if self._streams.crowded:
                events += self._advance(now_s)
        events += self._advance(now_s)
        self.observer.look_for_silence(now_s)
        events += self._told(self._tracker.silence(now_s), None, now_s)
        events += self._absences.look(now_s) + self._limbs.look(now_s)
        self._keep(events)
        self._remember(now_s)
        return events

    def finish(self, now_s: float) -> list[Event]:
        """The source has ended: judge the last windows, close what is open."""
        events: list[Event] = []
        self._streams.flush()
        while self._streams.crowded:
            events += self._advance(now_s)
            self._streams.flush()
        events += self._advance(now_s)
        events += self._advance(now_s, to_the_last=True)
        events += self._told(self._tracker.finish(), None, now_s)
        events += self._absences.finish(now_s) + self._departures.finish(now_s) + self._limbs.finish(now_s)
        self._keep(events)
        return events

    def close(self, now_s: float) -> list[Event]:
        """The gateway stops: open happenings end, so that no alarm stands for ever; the next start begins anew."""
        events = self._told(self._tracker.finish(), None, now_s)
        events += self._absences.finish(now_s) + self._departures.finish(now_s)
        self._remember(now_s, at_once=True)
        self._keep(events)
        return events

    @property
    def wearers(self) -> list[str]:
        """Pseudonym of each wearer slot; grows as they are heard."""
        return self._streams.wearers

    def health(self) -> dict[str, Any]:
        """Figures for `/health`."""
        runtime = {"provider": self._runtime.provider, "provider_asked": self._runtime.asked}
        prudence = self._judge.prudence
        told = {
            "waiting": self.waiting,
            "absent": self._absences.names(),
            "calibration": prudence.health(self._streams.wearers),
            "false_share": round(prudence.discovery.share(), 3),
        }
        return self.observer.health() | self._departures.health() | runtime | told

    @property
    def waiting(self) -> int:
        """Events that could not be kept yet."""
        return len(self._waiting)

    def explained(self, event_id: str) -> Kept | None:
        """What explains an event, if it is kept."""
        return self.explanations.find(event_id)

    def states(self) -> dict[str, dict[str, Any]]:
        """Wearer -> last verdict, only those that changed since the last call."""
        return self.observer.changed_states()

    def _advance(self, now_s: float, *, to_the_last: bool = False) -> list[Event]:
        windows = self._cutter.cut(to_the_last=to_the_last)
        if len(windows.end_s) == 0:
            return []
        if self._memory:
            self._memory.recall(self._streams.wearers)
        judged = self._judge.judge(windows)
        self.observer.see(judged, now_s)
        events = self._told(self._tracker.follow(judged, now_s), judged, now_s)
        self._composer.learn(judged)
        return events + self._departures.look(judged, now_s) + self._limbs.follow(windows, now_s)

    def _told(self, changes: list[Change], judged: Judged | None, now_s: float) -> list[Event]:
        events = []
        for change in changes:
            event, why = self._composer.compose(change, judged, now_s)
            self.explanations.keep(event, why)
            self.observer.explained(event, why)
            events.append(event)
        return events

    def _remember(self, now_s: float, *, at_once: bool = False) -> None:
        if self._memory:
            self._memory.save(self._streams.wearers, now_s, at_once=at_once)

    def _keep(self, events: list[Event]) -> None:
        self._waiting += [(self._topics.of(event), event) for event in events]
        surplus = len(self._waiting) - MOST_WAITING
        if surplus > 0:
            self._counters.count("events_dropped", surplus)
            urgent_last = sorted(range(len(self._waiting)), key=lambda n: -PRIORITIES[self._waiting[n][1].data.kind])
            self._waiting = [self._waiting[n] for n in sorted(urgent_last[surplus:])]
        if self._waiting:
            self._outbox.put(self._waiting)
            self._waiting = []
