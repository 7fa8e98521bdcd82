"""Hours, days and changes -> events."""

from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec
import numpy as np

from agent.compose import Sender
from agent.events import Estimate, Event, EventData, Kind, LimbChange, Masses, Summary, iso_time
from agent.limbs import words
from agent.limbs.change import FALSE_EVENT_DAYS, HEALTHY, HEALTHY_MEAN, Found, Interval
from agent.limbs.figures import ArmDay, arm_day
from agent.limbs.columns import AT, COLUMNS, SIDES
from agent.limbs.ledger import DAY_S, HOUR_S, Closed, Day
from agent.limbs.person import Judged, Person
from agent.records import NOISE, NORMAL, NOVELTY
from agent.settings import Person as Profile

MISPLACED = ("one_arm", "sides_swapped")


@dataclass(slots=True)
class Teller:
    """Builds events; remembers only which wearers' sensors were last told to be misplaced, and since when."""

    sender: Sender
    begins_s: float
    """Seconds after midnight UTC at which a day begins."""
    misplaced: dict[str, tuple[str, float]] = field(default_factory=dict)

    def hour(self, wearer: str, who: Profile, closed: Closed, sync_s: float, now_s: float) -> list[Event]:
        """The summary of an hour in which both wrists were worn."""
        alone = np.zeros((24, len(COLUMNS)))
        alone[closed.hour % 24] = closed.sums
        if closed.sums[AT["worn_s"]] == 0:
            return []
        figures = arm_day(Day(closed.wearer, 0, alone, np.zeros(56, np.int64)), _watched(who), sync_s)
        start_s = closed.hour * HOUR_S + self.begins_s
        plain = replace(figures, use_ratio={}, magnitude_ratio=None, bilateral_magnitude=None, variation_ratio=None)
        summary = _summary("hour", who, plain, sync_s)
        return [self._summed(wearer, summary, (start_s, start_s + HOUR_S), now_s, _hour_sentence(figures, who))]

    def day(
        self, wearer: str, who: Profile, person: Person, judged: Judged, now_s: float, *, one_wrist: bool
    ) -> list[Event]:
        """The summary of a day, what is wrong with the sensors' places, and what has changed."""
        arm = judged.arm
        start_s, end_s = self._span(arm.number)
        told = replace(arm, withheld="one_wrist") if one_wrist and arm.withheld else arm
        own = person.own()
        summary = msgspec.structs.replace(
            _summary("day", who, told, judged.sync_s),
            healthy=(round(HEALTHY[0], 4), round(HEALTHY[1], 4)),
            own=_estimate(own[0]) if own else None,
            own_days=own[1] if own else 0,
            minutes=[(_minutes(a), _minutes(b)) for a, b in zip(arm.profile, arm.profile_other, strict=True)],
        )
        events = [self._summed(wearer, summary, (start_s, end_s), now_s, _day_sentence(told, who))]
        events += self._placed(wearer, arm, (start_s, end_s), now_s)
        if judged.outside:
            events.append(self._outside(wearer, who, judged.outside, person, (start_s, end_s), now_s))
        if judged.found:
            events.append(self._changed(wearer, who, judged, judged.found, end_s, now_s))
        return events

    def _span(self, number: int) -> tuple[float, float]:
        start_s = number * DAY_S + self.begins_s
        return start_s, start_s + DAY_S

    def _summed(self, wearer: str, summary: Summary, span: tuple[float, float], now_s: float, sentence: str) -> Event:
        labels = [NORMAL]
        data = self._data("summary", wearer, span, now_s, sentence, labels)
        data = msgspec.structs.replace(data, phase="end", summary=summary)
        return self.sender.event(data, f"summary/{summary.period}", span[0])

    def _placed(self, wearer: str, arm: ArmDay, span: tuple[float, float], now_s: float) -> list[Event]:
        """`start` on the first day with misplaced sensors, `end` on the first day that can tell that they are not."""
        before = self.misplaced.get(wearer)
        if arm.withheld in MISPLACED and (before is None or before[0] != arm.withheld):
            self.misplaced[wearer] = (arm.withheld, span[0])
            sentence = f"{words.withheld(arm.withheld)}; what compares the arms is withheld until they are put right"
            data = self._data("sensor_fault", wearer, span, now_s, sentence, [NOISE])
            return [self.sender.event(data, f"limbs/{arm.withheld}", span[0])]
        if before and not arm.withheld:
            why, since_s = self.misplaced.pop(wearer)
            data = self._data(
                "sensor_fault", wearer, (since_s, span[0]), now_s, "the sensors are where they were", [NOISE]
            )
            data = msgspec.structs.replace(data, phase="end", revision=1)
            return [self.sender.event(data, f"limbs/{why}", since_s)]
        return []

    def _changed(self, wearer: str, who: Profile, judged: Judged, found: Found, end_s: float, now_s: float) -> Event:
        since_s = self._span(found.since)[0]
        side = SIDES[_watched(who)]
        change = LimbChange(
            measure="use_ratio",
            reference="own",
            watched=side,  # type: ignore[arg-type]
            size=round(found.size, 4),
            interval=(round(max(found.low, -1.0), 4), round(min(found.high, 99.0), 4)),
            value=round(float(np.exp(found.before)) * (1 + found.size), 4),
            since=iso_time(since_s),
            days=found.days,
            evidence=round(found.evidence, 2),
            false_event_days=FALSE_EVENT_DAYS,
            hours=judged.hours,
        )
        sentence = words.change(found, side, iso_time(since_s)[:10], judged.hours)
        data = self._data("arm_use_change", wearer, (since_s, end_s), now_s, sentence, [NOVELTY])
        return self.sender.event(msgspec.structs.replace(data, limbs=change), "limbs/own", since_s)

    def _outside(
        self,
        wearer: str,
        who: Profile,
        outside: Interval,
        person: Person,
        span: tuple[float, float],
        now_s: float,
    ) -> Event:
        side = SIDES[_watched(who)]
        change = LimbChange(
            measure="use_ratio",
            reference="healthy",
            watched=side,  # type: ignore[arg-type]
            size=round(outside.mean / HEALTHY_MEAN - 1, 4),
            interval=(round(outside.low / HEALTHY_MEAN - 1, 4), round(outside.high / HEALTHY_MEAN - 1, 4)),
            value=round(outside.mean, 4),
            since=iso_time(span[0]),
            days=int(person.standing.days.count),
            false_event_days=FALSE_EVENT_DAYS,
        )
        sentence = words.outside(outside, side)
        data = self._data("arm_use_change", wearer, span, now_s, sentence, [NOVELTY])
        return self.sender.event(msgspec.structs.replace(data, limbs=change), "limbs/healthy", span[0])

    def _data(
        self, kind: Kind, wearer: str, span: tuple[float, float], now_s: float, sentence: str, labels: list[int]
    ) -> EventData:
        """The frame that all of these events share: nothing here was scored by the network."""
        sender, names = self.sender, ("normal", "noise", "novelty")
        certain = {name: float(place in labels) for place, name in enumerate(names)}
        believed = certain if kind == "sensor_fault" else dict.fromkeys(names, 0.0)
        return EventData(
            kind=kind,
            phase="start",
            revision=0,
            wearer=wearer,
            start=iso_time(span[0]),
            end=iso_time(span[1]),
            verdict=[names[place] for place in labels],  # type: ignore[misc]
            sentence=sentence,
            score=None,
            p_value=None,
            p_interval=None,
            alpha=round(sender.alpha, 6),
            belief=Masses(**believed),
            plausibility=Masses(normal=1.0, noise=1.0, novelty=1.0),
            spread=None,
            promise_per_day=0.0,
            quality={},
            positions={},
            bundle=sender.bundle_id,
            bundle_digest=sender.bundle_digest,
            scored=iso_time(now_s),
        )


def _watched(who: Profile) -> int:
    return SIDES.index(who.side or "left")


def _summary(period: Literal["hour", "day"], who: Profile, arm: ArmDay, sync_s: float) -> Summary:
    return Summary(
        period=period,
        profile=who.profile,
        watched=who.side or "left",
        worn_h=round(arm.worn_h, 4),
        one_sided_h=round(arm.missing_h, 4),
        walking_h=round(arm.walking_h, 4),
        use_h={rule: (round(one, 4), round(other, 4)) for rule, (one, other) in arm.use_h.items()},
        use_ratio={
            rule: Estimate(value=round(one.value, 4), low=round(one.low, 4), high=round(one.high, 4))
            for rule, one in arm.use_ratio.items()
        },
        magnitude_ratio=_rounded(arm.magnitude_ratio),
        bilateral_magnitude=_rounded(arm.bilateral_magnitude),
        variation_ratio=_rounded(arm.variation_ratio),
        sync_s=round(sync_s, 4) if np.isfinite(sync_s) else None,
        withheld=arm.withheld if period == "day" else "",  # type: ignore[arg-type]
    )


def _estimate(interval: Interval) -> Estimate:
    return Estimate(value=round(interval.mean, 4), low=round(interval.low, 4), high=round(interval.high, 4))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _minutes(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 2)


def _hour_sentence(arm: ArmDay, who: Profile) -> str:
    one, other = arm.use_h["counts"]
    side = who.side or "left"
    used = f"{side} arm used {60 * one:.0f} min, other {60 * other:.0f} min"
    return f"both wrists worn for {60 * arm.worn_h:.0f} min: {used}"


def _day_sentence(arm: ArmDay, who: Profile) -> str:
    side, ratio = who.side or "left", arm.use_ratio.get("counts")
    if arm.withheld and ratio is None:
        return f"no figures that compare the arms: {words.withheld(arm.withheld)}"
    one, other = arm.use_h["counts"]
    used = f"{side} arm used {one:.1f} h, other {other:.1f} h in {arm.worn_h:.1f} h of wear"
    told = f"{used}; use ratio {ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]" if ratio else used
    return f"{told}; {words.withheld(arm.withheld)}" if arm.withheld else told
