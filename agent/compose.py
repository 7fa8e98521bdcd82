"""A change and what is known of its window -> the event that subscribers receive."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from agent import events, words
from agent.calibrate import BLOCK_S, BLOCKS_PER_DAY, Calibration
from agent.events import Basis, Contribution, Event, EventData, Masses, Part, Spread, event_id, iso_time
from agent.explain import Explainer, Why, strongest
from agent.judge import Judged
from agent.languages import LANGUAGES, Language
from agent.layout import Layout
from agent.quality import CERTAIN
from agent.records import AXES, CAUSES, FAULTS, LABELS, LEAST_BELIEF, PARTS, Quality
from agent.regime import REGIMES
from agent.track import Change

LIGHT_BYTES = 2048
"""An event is no larger where names are of ordinary length: its contributions go first, the weakest before others."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who tells: the same in every event of a gateway."""

    site: str
    gateway: str
    bundle_id: str
    bundle_digest: str
    alpha: float
    layout: Layout
    calibration: Calibration
    words: Language = LANGUAGES["en"]

    def event(self, data: EventData, happening: str, start_s: float) -> Event:
        """What has happened, in its envelope; `happening` and `start_s` tell it from others of the wearer."""
        return Event(
            id=event_id(self.gateway, data.wearer, self.bundle_digest, happening, start_s),
            source=f"veille/{self.site}/{self.gateway}",
            type=f"org.veille.event.{data.kind}.v1",
            subject=data.wearer,
            time=data.end,
            data=data,
        )


@dataclass(frozen=True, slots=True)
class Said:
    """What was last said of an open happening, and the explanation behind it."""

    data: EventData
    why: Why


class Composer:
    """Builds events; the only thing it remembers is what was last said of an open happening."""

    def __init__(self, sender: Sender, explainer: Explainer, wearers: Sequence[str], positions: Sequence[str]) -> None:
        self._sender, self._explainer = sender, explainer
        self._wearers, self._positions = wearers, positions

    def compose(self, change: Change, judged: Judged | None, now_s: float) -> tuple[Event, Why]:
        """The event of one change, and all that explains it; `judged` holds its window (None: it ended without one)."""
        happening = change.happening
        if change.window >= 0 and judged is not None:
            happening.said = self._said(change, judged, now_s)
        said = happening.said
        if not isinstance(said, Said):
            raise TypeError("a happening ended that never started")
        phase = {"phase": change.phase, "revision": change.revision, "end": iso_time(change.at_s)}
        data = msgspec.structs.replace(said.data, **phase)
        return light(self._sender.event(data, happening.kind, happening.start_s)), said.why

    def learn(self, judged: Judged) -> None:
        """All of a tick has been told: its normal wear is known from now on."""
        self._explainer.familiar.learn(judged)

    def _said(self, change: Change, judged: Judged, now_s: float) -> Said:
        rows = np.flatnonzero(judged.windows.owner == change.window)
        names = [self._positions[slot] for slot in judged.windows.stream[rows]]
        why = self._explainer.explain(judged, change.window, names)
        data = self._facts(change, judged, why, now_s)
        if data.kind == "sensor_fault":
            data = _about_the_sensor(data, float(judged.trust.wrong[rows].max()))
            why = why.of_a_fault([names[row] for row in _faulty(judged, rows)])
        sentence = self._sentence(data, judged, change.window, names)
        return Said(msgspec.structs.replace(data, sentence=sentence), why)

    def _facts(self, change: Change, judged: Judged, why: Why, now_s: float) -> EventData:
        """All but the sentence."""
        window, happening = change.window, change.happening
        rows = np.flatnonzero(judged.windows.owner == window)
        surprise, verdicts = judged.surprise, judged.verdicts
        leading = int(surprise.leading_row[window])
        parts = self._parts(judged, leading)
        scored = not np.isnan(surprise.p_value[window])
        return EventData(
            kind=happening.kind,
            phase=change.phase,
            revision=change.revision,
            wearer=self._wearers[change.wearer],
            start=iso_time(happening.start_s),
            end=iso_time(change.at_s),
            verdict=_labels(verdicts.labels[window]),
            cause=CAUSES[int(verdicts.cause[window])],  # type: ignore[arg-type]
            sentence="",
            score=_rounded(surprise.score[window]),
            p_value=_rounded(surprise.p_value[window], 6),
            p_interval=(_exact(surprise.p_low[window]), _exact(surprise.p_high[window])) if scored else None,
            alpha=_exact(verdicts.alpha[window]),
            belief=_masses(verdicts.belief[window]),
            plausibility=_masses(verdicts.plausibility[window]),
            spread=_spread(judged, leading),
            promise_per_day=_exact(surprise.smallest_p[window] * BLOCKS_PER_DAY),
            basis=_basis(judged, window),
            quality=_quality(judged.quality, rows),
            positions={name: _rounded(judged.scores.score[row]) for name, row in zip(why.positions, rows, strict=True)},
            parts=parts,
            resembles=_resembles(parts),  # type: ignore[arg-type]
            contributions=_contributions(why),
            why=_why(why),
            bundle=self._sender.bundle_id,
            bundle_digest=self._sender.bundle_digest,
            scored=iso_time(now_s),
        )

    def _parts(self, judged: Judged, leading: int) -> dict[str, Part]:
        """The parts of the leading row's score, those that it has."""
        if leading < 0:
            return {}
        values = judged.scores.parts[leading]
        p_values = self._sender.calibration.p_of_parts(values, int(judged.windows.family[leading]))
        return {
            name: Part(score=_exact(value), p_value=_rounded(p, 6))
            for name, value, p in zip(PARTS, values, p_values, strict=True)
            if np.isfinite(value)
        }

    def _sentence(self, data: EventData, judged: Judged, window: int, names: Sequence[str]) -> str:
        said, why = self._sender.words, data.why or events.Why()
        if data.kind == "sensor_fault":
            return _fault_sentence(judged, window, names, said)
        account = "" if why.account is None else words.tell_account(why.account, said)
        end_s = float(judged.windows.end_s[window])
        likeness, closest = said.likeness[data.resembles], words.tell_closest(why.closest, end_s, said)
        if data.kind == "abstention":
            doubt = _doubt(data, said)
            resolution = words.tell_resolution(why.resolution, REGIMES[judged.standing.regime[window]], said)
            return words.joined([doubt, resolution, account, likeness], said)
        rarity = words.tell_rarity(float(judged.surprise.p_value[window]), said)
        return words.joined([account, rarity, likeness, closest, words.tell_change(why.change, said)], said)


def light(event: Event) -> Event:
    """The event with as many contributions as `LIGHT_BYTES` leaves room for; `why` tells of the strongest place."""
    data = event.data
    while data.contributions and len(events.encode(event)) + SEQUENCE_BYTES > LIGHT_BYTES:
        data = msgspec.structs.replace(data, contributions=data.contributions[:-1])
        event = msgspec.structs.replace(event, data=data)
    return event


SEQUENCE_BYTES = 24
"""What the digits of `seq`, `epoch`, `revision` and `historical` may still take."""


def _doubt(data: EventData, said: Language) -> str:
    low, high = data.p_interval or (0.0, 1.0)
    numbers = {"low": low, "high": high, "alpha": data.alpha}
    phrase = said.doubts[data.cause].format(**{name: words.number(value, 4, said) for name, value in numbers.items()})
    return f"{said.cannot_tell}: {phrase}" if said.decimal == "." else f"{said.cannot_tell} : {phrase}"


def _why(why: Why) -> events.Why:
    """The numbers of it that travel in the event."""
    account = None
    if why.account is not None:
        account = events.Account(**{name: getattr(why.account, name) for name in why.account.__dataclass_fields__})
        account = msgspec.structs.replace(account, truth=round(words.truth_of(account), 4))
    scored = why.decomposition is not None
    return events.Why(
        account=account,
        closest=_closest(why) if scored else None,
        change=_change(why),
        resolution=_resolution(why),
    )


def _closest(why: Why) -> events.Closest:
    if why.closest is None:
        return events.Closest(distance=round(why.away, 2))
    return events.Closest(distance=round(why.closest.distance, 2), time=iso_time(why.closest.end_s))


def _change(why: Why) -> events.Change | None:
    found = why.intervention
    if found is None:
        return None
    return events.Change(places=_places(why), verdict=_labels(found.labels), p_value=_exact(found.p_value))


def _places(why: Why) -> list[events.Place]:
    """What was replaced, neighbouring segments as one."""
    told: list[events.Place] = []
    for position, segment in sorted(why.intervention.places if why.intervention else ()):
        name, (start, end) = why.positions[position], why.when(segment)
        if told and told[-1].position == name and told[-1].end_s == start:
            told[-1] = msgspec.structs.replace(told[-1], end_s=end)
        else:
            told.append(events.Place(position=name, start_s=start, end_s=end))
    return told


def _resolution(why: Why) -> events.Resolution | None:
    found = why.resolution
    if found is None:
        return None
    return events.Resolution(
        needs=found.needs,
        verdict=_labels(found.labels),
        otherwise=[] if found.otherwise is None else _labels(found.otherwise),
        position=why.positions[found.row] if found.row >= 0 else "",
        fault=found.fault,
        minutes=round(found.minutes, 1) if found.needs == "wear" else None,
        per_day=round(found.per_day, 2) if found.needs == "budget" else None,
    )


def _labels(kept: np.ndarray) -> list[Any]:
    return [label for label, one in zip(LABELS, kept, strict=True) if one]


def _basis(judged: Judged, window: int) -> Basis:
    standing, surprise = judged.standing, judged.surprise
    hours = standing.needed[window] * BLOCK_S / 3600
    return Basis(
        regime=REGIMES[standing.regime[window]],  # type: ignore[arg-type]
        own_half_minutes=int(surprise.own[window]),
        p_population=_rounded(surprise.p_population[window], 6),
        at_most_per_day=round(float(standing.at_most_per_day[window]), 2),
        hours_to_budget=None if np.isinf(hours) else round(float(hours), 2),
    )


def _about_the_sensor(data: EventData, wrong: float) -> EventData:
    """The verdict of a fault is on the faulty measurement; what other positions see of the person is no part of it.

    `wrong`: see `Trust`; physics may know better than the row that was asked.
    """
    fault = _exact(max(wrong, *(strength for name, strength in data.quality.items() if name != "non_wear")))
    rest = _exact(1 - fault)
    return msgspec.structs.replace(
        data,
        verdict=["noise"],
        cause="",
        score=None,
        p_value=None,
        p_interval=None,
        belief=Masses(normal=0.0, noise=fault, novelty=0.0),
        plausibility=Masses(normal=rest, noise=1.0, novelty=rest),
        spread=None,
        parts={},
        resembles="",
        contributions=[],
        why=None,
    )


def _lawful(judged: Judged, rows: np.ndarray) -> bool:
    """Whether no law of physics is broken: then it is only like a fault."""
    return bool(judged.quality.faults()[rows].max() < CERTAIN and judged.trust.wrong[rows].max() >= LEAST_BELIEF)


def _faulty(judged: Judged, rows: np.ndarray) -> list[int]:
    """Which of a window's rows are told as faulty: those that are certain, else the worst."""
    if _lawful(judged, rows):
        return [int(judged.trust.wrong[rows].argmax())]
    strength = judged.quality.faults()[rows].max(axis=1)
    return np.flatnonzero(strength >= CERTAIN).tolist() or [int(strength.argmax())]


def _fault_sentence(judged: Judged, window: int, names: Sequence[str], said: Language) -> str:
    rows = np.flatnonzero(judged.windows.owner == window)
    told = [names[row] for row in _faulty(judged, rows)]
    if _lawful(judged, rows):
        wrong = judged.trust.wrong[rows]
        name = FAULTS[int(judged.scores.faults[rows[int(wrong.argmax())]].argmax())]
        return words.tell_likeness_to_a_fault(told[0], name, float(wrong.max()), said)
    faults = judged.quality.faults()[rows]  # (positions, 5)
    fault = int(faults.argmax()) % faults.shape[1]
    return words.tell_fault(told, Quality.FAULTS[fault], float(faults.max()), said)


def _contributions(why: Why) -> list[Contribution]:
    if why.decomposition is None:
        return []
    told = []
    for position, axis, segment, share in strongest(why.decomposition.by_place):
        start, end = why.when(segment)
        told.append(
            Contribution(
                position=why.positions[position],
                axis=AXES[axis],  # type: ignore[arg-type]
                start_s=start,
                end_s=end,
                share=round(share, 4),
            )
        )
    return told


def _spread(judged: Judged, leading: int) -> Spread | None:
    if leading < 0:
        return None
    scores = judged.scores
    return Spread(
        aleatoric=_exact(scores.aleatoric[leading]),
        epistemic=_exact(scores.epistemic[leading]),
        disagreement=_exact(scores.disagreement[leading]),
    )


def _resembles(parts: dict[str, Part]) -> str:
    """The known novelty that is stronger than in nine normal half-minutes of ten; of several the strongest."""
    strength = {name: part.score for name, part in parts.items() if name in RESEMBLED and part.score >= 1}
    return max(strength, key=strength.__getitem__, default="")


RESEMBLED = ("fall", "freezing")
"""Parts that know what they are like."""


def _quality(quality: Quality, rows: np.ndarray) -> dict[str, float]:
    return {name: _exact(getattr(quality, name)[rows].max()) for name in (*Quality.FAULTS, "non_wear")}


def _masses(values: np.ndarray) -> Masses:
    return Masses(**{label: _exact(value) for label, value in zip(LABELS, values, strict=True)})


def _exact(value: float) -> float:
    """Six digits are more than any figure here holds, and keep an event small."""
    return round(float(value), 6)


def _rounded(value: float, digits: int = 4) -> float | None:
    return None if np.isnan(value) else round(float(value), digits)
