"""A change and what is known of its window -> the event that subscribers receive."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from agent.attribute import contributions
from agent.calibrate import BLOCK_S, BLOCKS_PER_DAY, Calibration
from agent.events import Basis, Contribution, Event, EventData, Masses, Part, Spread, event_id, iso_time
from agent.explain import explain, strongest
from agent.judge import Judged
from agent.layout import Layout
from agent.quality import CERTAIN
from agent.records import CAUSES, FAULTS, LABELS, LEAST_BELIEF, PARTS, Explanation, Quality
from agent.regime import REGIMES
from agent.score import Prototypes
from agent.track import Change

FAULT_WORDS = {
    "stuck": "the sensor repeats one value; check that it runs and is not frozen",
    "clipped": "the tops of the signal are cut off; the sensor's range is too small for this movement",
    "spikes": "single samples leap as no body can; check the radio and the cable",
    "gravity": "at rest it does not measure 1 g; check its calibration",
    "dropout": "samples are missing; check distance, radio and battery",
}
"""What a fault means and what to do."""

LEARNT_WORDS = {
    "rotation": "it seems to have turned; check its strap and which way it sits",
    "gain": "its readings seem too large or too small; check its calibration",
    "offset": "its readings seem shifted; check its calibration",
    "dropout": "samples seem to be missing or made up; check distance, radio and battery",
    "clipping": "the tops seem cut off; its range may be too small for this movement",
    "stuck": "it seems to repeat values; check that it runs and is not frozen",
    "noise": "it shakes as no body does; check its battery and cable",
    "jitter": "its samples seem out of their time; check its clock and the radio",
}
"""The same where no law of physics is broken, but what is seen is like faults that were made on purpose."""

DOUBT_WORDS = {
    "ambiguous": "a fault of the sensor and an unusual movement both fit; it is decided when the signal is clean again",
    "too_little_calibration": "unusual, but too close to call: the interval [{low:.4f}, {high:.4f}] holds the level "
    "{alpha:.4f}; {remedy}",
    "unlike_anything_seen": "nothing like it was ever seen, falls included; check the sensor, look at the person",
    "poor_signal": "the signal is too poor to tell normal from a fault; it is decided when the sensor delivers again",
}

LIKENESS = {
    "": "",
    "fall": "; like the falls it has learnt",
    "freezing": "; trembling in place rather than stepping, as in freezing of gait",
}
"""Ends of sentences."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who tells: the same in every event of a gateway."""

    site: str
    gateway: str
    bundle_id: str
    bundle_digest: str
    alpha: float
    layout: Layout
    prototypes: Prototypes
    calibration: Calibration

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


class Composer:
    """Builds events; the only thing it remembers is what was last said of an open happening."""

    def __init__(self, sender: Sender, wearers: Sequence[str], positions: Sequence[str]) -> None:
        self._sender = sender
        self._wearers = wearers
        self._positions = positions

    def compose(self, change: Change, judged: Judged | None, now_s: float) -> Event:
        """The event of one change; `judged` holds its window (None where it ended without one)."""
        happening = change.happening
        if change.window >= 0 and judged is not None:
            happening.said = self._data(change, judged, now_s)
        said = happening.said
        if not isinstance(said, EventData):
            raise TypeError("a happening ended that never started")
        data = msgspec.structs.replace(said, phase=change.phase, revision=change.revision, end=iso_time(change.at_s))
        return self._sender.event(data, happening.kind, happening.start_s)

    def _data(self, change: Change, judged: Judged, now_s: float) -> EventData:
        data = self._facts(change, judged, now_s)
        if data.kind != "sensor_fault":
            return data
        rows = judged.windows.owner == change.window
        return _about_the_sensor(data, float(judged.trust.wrong[rows].max()))

    def _facts(self, change: Change, judged: Judged, now_s: float) -> EventData:
        window, happening = change.window, change.happening
        rows = np.flatnonzero(judged.windows.owner == window)
        names = [self._positions[slot] for slot in judged.windows.stream[rows]]
        surprise, verdicts = judged.surprise, judged.verdicts
        leading = int(surprise.leading_row[window])
        explanation = self._explain(judged, leading, rows, names) if leading >= 0 else None
        parts = self._parts(judged, leading)
        scored = not np.isnan(surprise.p_value[window])
        return EventData(
            kind=happening.kind,
            phase=change.phase,
            revision=change.revision,
            wearer=self._wearers[change.wearer],
            start=iso_time(happening.start_s),
            end=iso_time(change.at_s),
            verdict=[label for label, kept in zip(LABELS, verdicts.labels[window], strict=True) if kept],  # type: ignore[misc]
            cause=CAUSES[int(verdicts.cause[window])],  # type: ignore[arg-type]
            sentence=self._sentence(change, judged, rows, names, explanation) + _likeness(happening.kind, parts),
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
            positions={name: _rounded(judged.scores.score[row]) for name, row in zip(names, rows, strict=True)},
            parts=parts,
            resembles=_resembles(parts),  # type: ignore[arg-type]
            contributions=_contributions(explanation),
            bundle=self._sender.bundle_id,
            bundle_digest=self._sender.bundle_digest,
            scored=iso_time(now_s),
        )

    def _explain(self, judged: Judged, leading: int, rows: np.ndarray, names: Sequence[str]) -> Explanation:
        sender, one = self._sender, slice(leading, leading + 1)
        anatomy, family = judged.anatomy.of(one), judged.windows.family[one]
        shares = contributions(anatomy, family, sender.prototypes)[0]
        return explain(
            positions=names,
            leading=int(np.flatnonzero(rows == leading)[0]),
            shares=shares,
            above=anatomy.from_prototype[0].transpose(1, 0, 2),
            offset=float(judged.scores.score[leading] - shares.sum(dtype=np.float64)),
            window_s=sender.layout.window_s,
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

    def _sentence(
        self,
        change: Change,
        judged: Judged,
        rows: np.ndarray,
        names: Sequence[str],
        explanation: Explanation | None,
    ) -> str:
        kind, window = change.happening.kind, change.window
        if kind == "sensor_fault":
            return _fault_sentence(judged, rows, names)
        if kind == "abstention":
            return self._doubt_sentence(judged, window, explanation)
        p = float(judged.surprise.p_value[window])
        rarity = f"at most 1 normal half-minute in {int(1 / p)} is as strange" if p < 1 else "as strange as normal"
        return f"{explanation.sentence if explanation else 'unusual'}; {rarity}"

    def _doubt_sentence(self, judged: Judged, window: int, explanation: Explanation | None) -> str:
        surprise = judged.surprise
        facts = {
            "low": surprise.p_low[window],
            "high": surprise.p_high[window],
            "alpha": judged.verdicts.alpha[window],
            "remedy": _remedy(judged.standing.needed[window], REGIMES[judged.standing.regime[window]]),
        }
        doubt = DOUBT_WORDS[CAUSES[int(judged.verdicts.cause[window])]].format(**facts)
        return f"cannot tell: {doubt}" + (f" ({explanation.sentence})" if explanation else "")


def _remedy(needed: float, regime: str) -> str:
    """What would resolve too little calibration."""
    if needed == 0:
        return "more normal wear narrows it"
    if np.isinf(needed):
        return "no amount of wear can promise this budget; allow more false alarms a day"
    return f"{needed * BLOCK_S / 60:.0f} more minutes of normal wear of this kind ({regime}) let it promise the budget"


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
    )


def _fault_sentence(judged: Judged, rows: np.ndarray, names: Sequence[str]) -> str:
    faults, wrong = judged.quality.faults()[rows], judged.trust.wrong[rows]  # (positions, 5), (positions,)
    if faults.max() < CERTAIN and wrong.max() >= LEAST_BELIEF:  # no law of physics is broken
        position = int(wrong.argmax())
        name = FAULTS[int(judged.scores.faults[rows[position]].argmax())]
        where = names[position].replace("_", " ")
        return f"{where}: like a faulty sensor ({wrong.max():.2f}), most of all {name}: {LEARNT_WORDS[name]}"
    position, fault = divmod(int(faults.argmax()), faults.shape[1])
    name = Quality.FAULTS[fault]
    certain = [n for n, strength in zip(names, faults.max(axis=1), strict=True) if strength >= CERTAIN]
    where = ", ".join(certain or [names[position]]).replace("_", " ")
    return f"{where}: {name} ({faults.max():.2f}): {FAULT_WORDS[name]}"


def _contributions(explanation: Explanation | None) -> list[Contribution]:
    if explanation is None:
        return []
    return [
        Contribution(position=position, axis=axis, start_s=start, end_s=end, share=share)  # type: ignore[arg-type]
        for position, axis, start, end, share in strongest(explanation)
    ]


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
    strength = {name: part.score for name, part in parts.items() if name in LIKENESS and part.score >= 1}
    return max(strength, key=strength.__getitem__, default="")


def _likeness(kind: str, parts: dict[str, Part]) -> str:
    """End of the sentence; a fault resembles nothing that a person does."""
    return "" if kind == "sensor_fault" else LIKENESS[_resembles(parts)]


def _quality(quality: Quality, rows: np.ndarray) -> dict[str, float]:
    return {name: _exact(getattr(quality, name)[rows].max()) for name in (*Quality.FAULTS, "non_wear")}


def _masses(values: np.ndarray) -> Masses:
    return Masses(**{label: _exact(value) for label, value in zip(LABELS, values, strict=True)})


def _exact(value: float) -> float:
    """Six digits are more than any figure here holds, and keep an event small."""
    return round(float(value), 6)


def _rounded(value: float, digits: int = 4) -> float | None:
    return None if np.isnan(value) else round(float(value), digits)
