"""What legs and trunk did, and what has changed between the legs -> parts of summaries, and events."""

import msgspec
import numpy as np

from agent.events import Estimate, Event, Legs, LimbChange, iso_time
from agent.limbs import words
from agent.limbs.change import FALSE_EVENT_DAYS, Found, Interval
from agent.limbs.columns import SIDES
from agent.limbs.figures import Ratio
from agent.limbs.frame import Frame
from agent.limbs.legs import HEALTHY, LegDay
from agent.limbs.walker import LegsJudged, Walker
from agent.records import NOVELTY

SYMMETRY = {"step_time": "step_symmetry", "swing_time": "swing_symmetry", "impact": "impact_symmetry"}
"""Measure of a day -> what its change is called."""


def heard(leg: LegDay) -> bool:
    """A sensor on a leg or the trunk was worn."""
    return leg.worn_h + leg.missing_h + leg.trunk_worn_h > 0


def summed(leg: LegDay, sync_s: float) -> Legs:
    """The part of a summary."""
    return Legs(
        worn_h=round(leg.worn_h, 4),
        one_sided_h=round(leg.missing_h, 4),
        walking_h=round(leg.walking_h, 4),
        steps=_estimate(leg.steps, 0) if leg.steps else None,
        cadence=_rounded(leg.cadence),
        stride_s=_rounded(leg.stride_s),
        stride_variation=_rounded(leg.stride_variation),
        ratios={measure: _estimate(ratio) for measure, ratio in leg.ratios.items()},
        impact_g=(round(leg.impact_g[0], 4), round(leg.impact_g[1], 4)) if leg.impact_g else None,
        load={who: round(load, 2) for who, load in leg.load.items()},
        trunk_worn_h=round(leg.trunk_worn_h, 4),
        evenness=_rounded(leg.evenness),
        sync_s=round(sync_s, 4) if np.isfinite(sync_s) else None,
        withheld=leg.withheld,  # type: ignore[arg-type]
    )


def summed_day(judged: LegsJudged, walker: Walker) -> Legs:
    """The part of a day's summary, with what it is held against."""
    own = walker.own()
    return msgspec.structs.replace(
        summed(judged.leg, judged.sync_s),
        acute_chronic=_rounded(judged.acute_chronic),
        healthy=HEALTHY,
        own={measure: _estimate(interval) for measure, (interval, _) in own.items()},
        own_days=min((days for _, days in own.values()), default=0),
    )


def changes(
    frame: Frame, wearer: str, walker: Walker, judged: LegsJudged, begins_s: float, end_s: float, now_s: float
) -> list[Event]:
    """One event for each measure that has changed. `begins_s` = seconds after midnight at which a day begins."""
    watched = walker.watched
    outside = [_outside(frame, wearer, walker, judged.outside, end_s, now_s)] if judged.outside else []
    return outside + [
        _changed(frame, wearer, watched, measure, found, hours, (found.since * 86_400.0 + begins_s, end_s), now_s)
        for measure, (found, hours) in judged.found.items()
    ]


def _changed(
    frame: Frame,
    wearer: str,
    watched: int,
    measure: str,
    found: Found,
    hours: list[int],
    span: tuple[float, float],
    now_s: float,
) -> Event:
    change = LimbChange(
        measure=SYMMETRY[measure],  # type: ignore[arg-type]
        reference="own",
        watched=SIDES[watched],  # type: ignore[arg-type]
        size=round(found.size, 4),
        interval=(round(max(found.low, -1.0), 4), round(min(found.high, 99.0), 4)),
        value=round(float(np.exp(found.before)) * (1 + found.size), 4),
        since=iso_time(span[0]),
        days=found.days,
        evidence=round(found.evidence, 2),
        false_event_days=FALSE_EVENT_DAYS,
        hours=hours,
    )
    sentence = words.tell_change(change, frame.language)
    data = frame.data("asymmetry_change", wearer, span, now_s, sentence, NOVELTY)
    return frame.event(msgspec.structs.replace(data, limbs=change), f"limbs/{change.measure}", span[0])


def _outside(frame: Frame, wearer: str, walker: Walker, outside: Interval, end_s: float, now_s: float) -> Event:
    """The swing times have left the healthy range; `size` is relative to legs alike."""
    span = end_s - 86_400.0, end_s
    side = SIDES[walker.watched]
    change = LimbChange(
        measure="swing_symmetry",
        reference="healthy",
        watched=side,  # type: ignore[arg-type]
        size=round(outside.mean - 1, 4),
        interval=(round(outside.low - 1, 4), round(outside.high - 1, 4)),
        value=round(outside.mean, 4),
        since=iso_time(span[0]),
        days=int(walker.standing.days.count),
        false_event_days=FALSE_EVENT_DAYS,
    )
    sentence = words.tell_change(change, frame.language)
    data = frame.data("asymmetry_change", wearer, span, now_s, sentence, NOVELTY)
    return frame.event(msgspec.structs.replace(data, limbs=change), "limbs/legs/healthy", span[0])


def _estimate(one: Ratio | Interval, digits: int = 4) -> Estimate:
    value = one.value if isinstance(one, Ratio) else one.mean
    return Estimate(value=round(value, digits), low=round(one.low, digits), high=round(one.high, digits))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
