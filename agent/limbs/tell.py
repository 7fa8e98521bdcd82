"""Hours, days and changes -> events."""

from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec
import numpy as np

from agent.events import Estimate, Event, LimbChange, Summary, iso_time
from agent.limbs import tell_legs, words
from agent.limbs.change import FALSE_EVENT_DAYS, HEALTHY, HEALTHY_MEAN, Found, Interval
from agent.limbs.columns import COLUMNS, SIDES
from agent.limbs.figures import ArmDay, arm_day
from agent.limbs.frame import Frame
from agent.limbs.ledger import DAY_S, HOUR_S, Closed, Day
from agent.limbs.legs import leg_day
from agent.limbs.person import Judged, Person
from agent.limbs.walker import LegsJudged, Walker
from agent.records import NOISE, NORMAL, NOVELTY
from agent.settings import Person as Profile
from agent.words import joined

MISPLACED = ("one_arm", "one_leg", "sides_swapped")
LEAST_STRIDES_HOUR = 50
"""Strides of each leg below which an hour does not compare them."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a day is told beside."""

    person: Person
    walker: Walker
    wrists: int
    """Sensors heard on wrists."""
    legs: int
    """Sensors heard of the pair of legs."""


@dataclass(slots=True)
class Teller:
    """Builds events; remembers only which wearers' sensors were last told to be misplaced, and since when."""

    frame: Frame
    begins_s: float
    """Seconds after midnight UTC at which a day begins."""
    misplaced: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict)
    """By wearer and limbs."""

    def hour(self, wearer: str, who: Profile, closed: Closed, sync_s: tuple[float, float], now_s: float) -> list[Event]:
        """The summary of an hour in which anything was worn. `sync_s`: doubt about the clocks of wrists and of legs."""
        alone = np.zeros((24, len(COLUMNS)))
        alone[closed.hour % 24] = closed.sums
        day, watched = Day(closed.wearer, 0, alone, np.zeros(56, np.int64)), watched_side(who)
        arm, leg = arm_day(day, watched, sync_s[0]), leg_day(day, watched, sync_s[1], least=LEAST_STRIDES_HOUR)
        if arm.worn_h + leg.worn_h + leg.trunk_worn_h == 0:
            return []
        start_s = closed.hour * HOUR_S + self.begins_s
        plain = replace(arm, use_ratio={}, magnitude_ratio=None, bilateral_magnitude=None, variation_ratio=None)
        summary = _summary("hour", who, plain, sync_s[0])
        if tell_legs.heard(leg):
            summary = msgspec.structs.replace(summary, legs=tell_legs.summed(leg, sync_s[1]))
        return [self._summed(wearer, summary, (start_s, start_s + HOUR_S), now_s, arms=summary.worn_h > 0)]

    def day(
        self, wearer: str, who: Profile, judged: Judged, legs: LegsJudged, known: Known, now_s: float
    ) -> list[Event]:
        """The summary of a day, what is wrong with the sensors' places, and what has changed."""
        arm, span = judged.arm, self._span(judged.arm.number)
        if known.legs == 1:
            legs = replace(legs, leg=replace(legs.leg, withheld="one_side"))
        wrists = {0: "no_wrist", 1: "one_wrist"}.get(known.wrists)
        told = replace(arm, withheld=wrists) if wrists and arm.withheld else arm
        summary = self._day(who, told, judged, known)
        arms = known.wrists > 0 or not tell_legs.heard(legs.leg)
        if tell_legs.heard(legs.leg):
            summary = msgspec.structs.replace(summary, legs=tell_legs.summed_day(legs, known.walker))
        events = [self._summed(wearer, summary, span, now_s, arms=arms)]
        events += self._placed(wearer, "arms", arm.withheld, bool(arm.use_ratio), span, now_s)
        events += self._placed(wearer, "legs", legs.leg.withheld, bool(legs.leg.ratios), span, now_s)
        if judged.outside:
            events.append(self._outside(wearer, who, judged.outside, known.person, span, now_s))
        if judged.found:
            events.append(self._changed(wearer, who, judged, judged.found, span[1], now_s))
        return events + tell_legs.changes(self.frame, wearer, known.walker, legs, self.begins_s, span[1], now_s)

    def _day(self, who: Profile, told: ArmDay, judged: Judged, known: Known) -> Summary:
        own = known.person.own()
        return msgspec.structs.replace(
            _summary("day", who, told, judged.sync_s),
            healthy=(round(HEALTHY[0], 4), round(HEALTHY[1], 4)),
            own=_estimate(own[0]) if own else None,
            own_days=own[1] if own else 0,
            minutes=[(_minutes(a), _minutes(b)) for a, b in zip(told.profile, told.profile_other, strict=True)],
        )

    def _span(self, number: int) -> tuple[float, float]:
        start_s = number * DAY_S + self.begins_s
        return start_s, start_s + DAY_S

    def _summed(self, wearer: str, summary: Summary, span: tuple[float, float], now_s: float, *, arms: bool) -> Event:
        """`arms`: there is something to say of them."""
        said, legs = self.frame.language, summary.legs
        parts = [words.tell_arms(summary, said) if arms else ""]
        parts += [words.tell_legs(legs, summary.watched, said)] if legs else []
        sentence = joined(parts, said)
        data = self.frame.data("summary", wearer, span, now_s, sentence, NORMAL)
        data = msgspec.structs.replace(data, phase="end", summary=summary)
        return self.frame.event(data, f"summary/{summary.period}", span[0])

    def _placed(
        self, wearer: str, limbs: str, withheld: str, compared: bool, span: tuple[float, float], now_s: float
    ) -> list[Event]:
        """`start` on the first day with misplaced sensors, `end` on the first that can tell that this is over."""
        before, said = self.misplaced.get((wearer, limbs)), self.frame.language
        another = withheld in MISPLACED and (before is None or before[0] != withheld)
        events = []
        if before and (compared or another):
            why, since_s = self.misplaced.pop((wearer, limbs))
            over = words.tell_misplaced(limbs, withheld, said) if another else words.tell_put_right(limbs, said)
            data = self.frame.data("sensor_fault", wearer, (since_s, span[0]), now_s, over, NOISE)
            data = msgspec.structs.replace(data, phase="end", revision=1)
            events.append(self.frame.event(data, f"limbs/{limbs}/{why}", since_s))
        if another:
            self.misplaced[wearer, limbs] = (withheld, span[0])
            data = self.frame.data(
                "sensor_fault", wearer, span, now_s, words.tell_misplaced(limbs, withheld, said), NOISE
            )
            events.append(self.frame.event(data, f"limbs/{limbs}/{withheld}", span[0]))
        return events

    def _changed(self, wearer: str, who: Profile, judged: Judged, found: Found, end_s: float, now_s: float) -> Event:
        since_s = self._span(found.since)[0]
        side = SIDES[watched_side(who)]
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
        sentence = words.tell_change(change, self.frame.language)
        data = self.frame.data("arm_use_change", wearer, (since_s, end_s), now_s, sentence, NOVELTY)
        return self.frame.event(msgspec.structs.replace(data, limbs=change), "limbs/own", since_s)

    def _outside(
        self,
        wearer: str,
        who: Profile,
        outside: Interval,
        person: Person,
        span: tuple[float, float],
        now_s: float,
    ) -> Event:
        side = SIDES[watched_side(who)]
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
        sentence = words.tell_change(change, self.frame.language)
        data = self.frame.data("arm_use_change", wearer, span, now_s, sentence, NOVELTY)
        return self.frame.event(msgspec.structs.replace(data, limbs=change), "limbs/healthy", span[0])


def watched_side(who: Profile) -> int:
    """0 = left, 1 = right."""
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
