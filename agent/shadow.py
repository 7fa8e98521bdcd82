"""A new bundle does not take over unseen: it is a shadow first, then on trial, and gives way if it turns out ill.

As a shadow it is a whole pipeline of its own that gets every packet the speaking one gets, and whose events nobody
gets. If nothing is wrong with it after `shadow_s`, the two change places for `trial_s`, and the one before is the
shadow: warm, so that it can take over again within one step. Ill is an exception, too much computing, windows that it
cannot score, or an alarm rate out of bounds (`agent.compare`); looked at every `LOOK_S`, an exception is seen at once.
An alarm that stands when the two change places ends, and begins anew under the other bundle.

The cost is bounded: at most one shadow, which doubles time and memory of the pipeline; where both together compute for
more than four fifths of the time the new one goes. Without an update there is no shadow and no cost.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from agent.bundle import Bundle
from agent.compare import NEW
from agent.counters import Counters
from agent.errors import BundleError, OutboxError, first_line
from agent.events import Event, iso_time
from agent.opening import Opened, Opening, Start, in_background
from agent.pipeline import Keeper
from agent.players import Duet, Heard, Player
from agent.service import Offer
from agent.settings import Settings
from agent.shelf import Shelf
from agent.sources import Source
from agent.whole import Kept

log = logging.getLogger("veille")

LOOK_S = 30.0
"""Health is looked at this often: it is bad for a minute at most before the one before is back."""
OFFER_S = 2.0
"""The updater's offer is looked for this often."""
ASKED = "somebody asked for it"
TOLD_SWITCHES = 5
"""In `/health`; the rest is in the audit log."""


class Shadowed:
    """What the gateway steps (`agent.gateway.Steps`).

    Args:
        source: of packets.
        outbox: of events.
        counters: of the gateway.
        settings: of the gateway.
        shelf: its bundles.
        timer: seconds of a clock that does not jump, for runs and their cost.
        start: has another bundle opened.

    Raises:
        BundleError: no bundle can be opened.
    """

    def __init__(
        self,
        source: Source,
        outbox: Keeper,
        counters: Counters,
        settings: Settings,
        shelf: Shelf,
        timer: Callable[[], float] = time.perf_counter,
        start: Start = in_background,
    ) -> None:
        self._source, self._outbox, self._counters = source, outbox, counters
        self._settings, self._shelf, self._timer, self._start = settings, shelf, timer, start
        self._heard, self._offer_due_s = Heard(), 0.0
        self._duet: Duet | None = None
        self._opening: Opening | None = None
        bundle, before = shelf.begin()
        self._speaker = Player.of(bundle, self._heard, settings)
        self._speaker.speak(outbox, counters)
        if before:
            self._pair(Player.of(before, self._heard, settings), self._speaker, switch=True, trial=True)
        elif shelf.service.trial:
            shelf.settle("there is no bundle to go back to")

    @property
    def bundle(self) -> Bundle:
        """The one that speaks."""
        return self._speaker.bundle

    def explained(self, event_id: str) -> Kept | None:
        """By the one that speaks; what the one before explained is gone with it."""
        return self._speaker.pipeline.explained(event_id)

    def step(self, now_s: float) -> list[Event]:
        """One step of both on the same packets; returns the events of the one that speaks.

        Raises:
            OutboxError: see `Pipeline.step`; the shadow has done its step all the same.
        """
        self._heard.packets = self._source.read(now_s)
        self._look_for_offer(now_s)
        duet = self._duet
        if duet is None:
            return self._speaker.pipeline.step(now_s)
        refused: OutboxError | None = None
        events: list[Event] = []
        try:
            events = self._speaker_step(duet, now_s)
        except OutboxError as error:
            refused = error
        self._shadow_step(duet, now_s)
        if refused:
            raise refused
        if self._duet:
            self._decide(duet, now_s)
        return events

    def close(self, now_s: float) -> list[Event]:
        """The gateway stops."""
        self._shelf.stopped()
        if self._duet:
            with suppress(Exception):  # nobody hears it, but what it has learnt of the wearers is kept
                self._silent(self._duet).pipeline.close(now_s)
        return self._speaker.pipeline.close(now_s)

    def health(self) -> dict[str, Any]:
        """Figures for `/health`."""
        return self._speaker.pipeline.health() | {"bundle": self._told()}

    def states(self) -> dict[str, dict[str, Any]]:
        """See `Pipeline.states`."""
        return self._speaker.pipeline.states()

    # --- one step -----------------------------------------------------------------------------------------

    def _speaker_step(self, duet: Duet, now_s: float) -> list[Event]:
        """An exception of a bundle on trial is its last: the one before hears the same packets in the same step."""
        began = self._timer()
        try:
            return self._speaker.pipeline.step(now_s)
        except OutboxError:
            raise
        except Exception as error:
            if not duet.trial:
                raise
            log.exception("bundle %s", self.bundle.id)
            self._give_up(duet, f"exception: {_words(error)}", now_s)
            return self._speaker.pipeline.step(now_s)
        finally:
            duet.comparison.shares[duet.side(self._speaker)].busy_s += self._timer() - began

    def _shadow_step(self, duet: Duet, now_s: float) -> None:
        if self._duet is None:
            return
        shadow = self._silent(duet)
        began = self._timer()
        try:
            shadow.pipeline.step(now_s)
        except Exception as error:
            log.exception("bundle %s, as a shadow", shadow.bundle.id)
            if duet.trial:  # the one before is ill: nothing is left to go back to
                self._shelf.settle(f"the bundle before fails: {_words(error)}")
                self._part(duet)
            else:
                self._give_up(duet, f"exception in the shadow run: {_words(error)}", now_s)
        duet.comparison.shares[duet.side(shadow)].busy_s += self._timer() - began

    @staticmethod
    def _silent(duet: Duet) -> Player:
        return duet.old if duet.trial else duet.new

    # --- what becomes of the new one ----------------------------------------------------------------------

    def _decide(self, duet: Duet, now_s: float) -> None:
        clock_s, update = self._timer(), self._settings.update
        elapsed_s, lasted_s = clock_s - duet.looked_s, clock_s - duet.began_s
        over = lasted_s >= (update.trial_s if duet.trial else update.shadow_s)
        over &= duet.trial or bool(duet.comparison.verdicts[NEW])  # a run in which nobody was heard has shown nothing
        if not over and elapsed_s < LOOK_S:
            return
        duet.looked_s = clock_s
        fault = duet.crowded(elapsed_s) or duet.comparison.look(elapsed_s) or duet.comparison.fault()
        self._shelf.report(self._report(duet, fault, now_s))
        if fault:
            self._give_up(duet, fault, now_s)
        elif over and duet.trial:
            self._shelf.settle(f"{lasted_s:.0f} s without a fault; {duet.found()}")
            self._part(duet)
        elif over:
            self._take_over(duet, f"shadow run of {lasted_s:.0f} s: {duet.found()}", now_s)

    def _take_over(self, duet: Duet, reason: str, now_s: float) -> None:
        """The shadow has shown nothing bad: what is open ends under the old one, and the new one begins anew.

        Raises:
            OutboxError: the ends cannot be kept now; the next step tries again.
        """
        if not duet.switch:
            self._shelf.refuse(duet.new.bundle.digest, reason, only_compared=True)
            self._part(duet)
            return
        duet.old.pipeline.close(now_s)
        try:
            self._shelf.switch(duet.new.bundle, reason)
        except OSError as error:
            log.warning("no switch, for it cannot be written down: %s; the shadow run goes on", error.strerror)
            duet.began_s = self._timer()
            return
        self._give_voice(duet.new, now_s)
        duet.trial, duet.began_s = True, self._timer()

    def _give_up(self, duet: Duet, reason: str, now_s: float) -> None:
        """The one before speaks again, or still."""
        log.warning("bundle %s is given up: %s", duet.new.bundle.id, reason)
        if duet.trial:
            with suppress(Exception):  # it is ill; what it still has open is told as far as it can be
                duet.new.pipeline.close(now_s)
            self._counters.count("events_dropped", duet.new.pipeline.waiting)
            self._give_voice(duet.old, now_s)
            self._shelf.go_back(reason)
        else:
            self._shelf.refuse(duet.new.bundle.digest, reason)
        self._part(duet)

    def _give_voice(self, player: Player, now_s: float) -> None:
        player.pipeline.close(now_s)  # into nowhere, for the starts were never told
        self._speaker.hush()
        player.speak(self._outbox, self._counters)
        self._speaker = player

    # --- what the updater wants ---------------------------------------------------------------------------

    def _look_for_offer(self, now_s: float) -> None:
        if self._opening:
            if self._opening.over:
                opening, self._opening = self._opening, None
                opening.then(opening, now_s)
        elif not 0 <= self._offer_due_s - now_s <= OFFER_S:
            self._offer_due_s = now_s + OFFER_S
            if self._shelf.asked_back():
                self._go_back(now_s)
            elif self._duet is None and (offer := self._shelf.offer()):
                self._open((offer.digest,), lambda opening, _: self._begin(offer, opening))

    def _open(self, digests: Sequence[str], then: Callable[[Opening, float], None]) -> None:
        """The first of these that can be opened, beside the watching."""
        self._opening = Opening(lambda: self._first_of(digests), self._start, then)

    def _first_of(self, digests: Sequence[str]) -> Opened:
        *others, last = digests
        for digest in others:
            with suppress(BundleError):
                return Player.of(self._shelf.open(digest), self._heard, self._settings), digest
        return Player.of(self._shelf.open(last), self._heard, self._settings), last

    def _go_back(self, now_s: float) -> None:
        """Somebody wants the one before; outside of a trial it begins cold, three seconds pass until it judges."""
        if self._duet:
            self._give_up(self._duet, ASKED, now_s)
        if self._shelf.asked_back():
            self._open((self._shelf.service.before, ""), self._back)

    def _back(self, opening: Opening, now_s: float) -> None:
        try:
            player, digest = opening.take()
        except Exception:
            log.exception("no other bundle can be opened; the one in service stays")
            return
        if not self._shelf.asked_back():
            return
        self._speaker.pipeline.close(now_s)
        self._shelf.go_back(ASKED)
        if digest != self._shelf.service.digest:
            self._shelf.go_back("it cannot be opened")
        self._give_voice(player, now_s)

    def _begin(self, offer: Offer, opening: Opening) -> None:
        try:
            new, _ = opening.take()
        except Exception as error:  # noqa: BLE001 - see `Opening`
            self._shelf.refuse(offer.digest, _words(error))
        else:
            self._shelf.note("shadow run begins", new.bundle)
            self._pair(self._speaker, new, switch=offer.switch, trial=False)

    def _pair(self, old: Player, new: Player, *, switch: bool, trial: bool) -> None:
        factor = self._settings.update.alarm_factor
        self._duet = Duet.of(old, new, factor, self._timer(), switch=switch, trial=trial)

    def _part(self, duet: Duet) -> None:
        duet.end()
        self._duet = None

    # --- what is told -------------------------------------------------------------------------------------

    def _told(self) -> dict[str, Any]:
        service, duet = self._shelf.service, self._duet
        switches = [msgspec.to_builtins(one) for one in reversed(service.history[-TOLD_SWITCHES:])]
        phase = "in service" if duet is None else "on trial" if duet.trial else "in service, another is its shadow"
        return {
            "id": self.bundle.id,
            "digest": self.bundle.digest,
            "origin": self.bundle.origin,
            "phase": phase,
            "runtime": self.bundle.model.runtime.package,
            "switches": switches,
            "compared": None if duet is None else duet.comparison.told() | {"new": duet.new.bundle.digest},
        }

    def _report(self, duet: Duet, fault: str, now_s: float) -> dict[str, Any]:
        lasted_s = self._timer() - duet.began_s
        return {
            "time": iso_time(now_s),
            "old": duet.old.bundle.digest,
            "new": duet.new.bundle.digest,
            "phase": "trial" if duet.trial else "shadow run",
            "began": iso_time(now_s - lasted_s),
            "lasted_s": round(lasted_s, 3),
            "fault": fault,
            "compared": duet.comparison.told(),
        }


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}"
