"""What is published of limbs -> plain sentences, in English or French. Nothing is said that is not among the numbers.

As in `agent.words`: all phrases are data (`languages`), and one set of functions puts them together, for events and for
the page of weeks alike.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

from agent.events import Estimate, Legs, LimbChange, Summary
from agent.languages import Language
from agent.limbs import change, legs
from agent.limbs.languages import phrases_of
from agent.words import joined, number

NORM = {"use_ratio": change.HEALTHY_MEAN}
"""Mean of a measure in healthy people, to which the size of a change against them is relative; of others 1."""
RANGE = {"use_ratio": change.HEALTHY}
"""Range in healthy people; of others that of the legs' times."""


def tell_change(told: LimbChange, language: Language) -> str:
    """A lasting change, against healthy people or against the wearer's own days."""
    return _against_healthy(told, language) if told.reference == "healthy" else _against_own(told, language)


def tell_changes(changes: Sequence[LimbChange], language: Language) -> list[str]:
    """Lines of a page; that there is none is said of changes from the own days."""
    lines = [f"{said[0].upper()}{said[1:]}." for said in (tell_change(one, language) for one in changes)]
    unchanged = all(one.reference == "healthy" for one in changes)
    return [*lines, phrases_of(language).unchanged] if unchanged else lines


def tell_not_compared(days: Iterable[tuple[dt.date, str]], language: Language) -> list[str]:
    """Lines of a page: days with the reason why nothing is compared."""
    phrase = phrases_of(language).not_compared
    return [phrase.format(day=day, why=withheld(why, language)) for day, why in days]


def tell_arms(summary: Summary, language: Language) -> str:
    """What the arms did in an hour or a day."""
    said, (used, other) = phrases_of(language), summary.use_h["counts"]
    arm = said.arms[summary.watched]
    if summary.period == "hour":
        minutes = {"worn": summary.worn_h, "used": used, "other": other}
        return said.hour_of_arms.format(arm=arm, **{name: f"{60 * hours:.0f}" for name, hours in minutes.items()})
    ratio, why = summary.use_ratio.get("counts"), withheld(summary.withheld, language)
    if why and ratio is None:
        return said.arms_withheld.format(why=why)
    hours = {"worn": summary.worn_h, "used": used, "other": other}
    told = said.day_of_arms.format(arm=arm, **{name: number(value, 1, language) for name, value in hours.items()})
    compared = said.use_ratio.format(ratio=_interval(ratio, 2, language)) if ratio else ""
    return joined([told, compared, why], language)


def tell_legs(told: Legs, watched: str, language: Language) -> str:
    """Steps and symmetry; empty where there is nothing to tell."""
    said, why = phrases_of(language), withheld(told.withheld, language)
    if told.steps is None:
        return said.legs_withheld.format(why=why) if why else ""
    cadence = said.cadence.format(cadence=f"{told.cadence:.0f}") if told.cadence else ""
    steps = said.steps.format(steps=f"{told.steps.value:.0f}", minutes=f"{60 * told.walking_h:.0f}", cadence=cadence)
    ratios = [f"{said.measures[one]} {_percents(ratio, language)}" for one, ratio in told.ratios.items()]
    compared = said.compared.format(leg=said.legs[watched], ratios=", ".join(ratios)) if ratios else ""
    return joined([steps, compared, why], language)


def tell_misplaced(limbs: str, why: str, language: Language) -> str:
    """Sensors of `arms` or `legs` are not where they should be."""
    said = phrases_of(language)
    return said.misplaced.format(why=withheld(why, language), limbs=said.limbs[limbs])


def tell_put_right(limbs: str, language: Language) -> str:
    """They are again."""
    said = phrases_of(language)
    return said.put_right.format(limbs=said.limbs[limbs])


def withheld(why: str, language: Language) -> str:
    """One clause; empty where nothing is withheld."""
    return phrases_of(language).withheld[why] if why else ""


def percent(share: float) -> str:
    """-0.2 -> -20 %."""
    return f"{100 * share:+.0f} %"


def _against_own(told: LimbChange, language: Language) -> str:
    said = phrases_of(language)
    low, high = told.interval
    hours = ", ".join(said.hour.format(hour=hour) for hour in sorted(told.hours))
    return said.own.format(
        shift=said.shifts[told.measure][told.size > 0].format(limb=_limb(told, language)),
        other=said.others[told.measure != "use_ratio"],
        size=said.interval.format(value=percent(told.size), low=percent(low), high=percent(high)),
        since=told.since[:10],
        days=_days(told.days, language),
        where=said.where.format(hours=hours) if hours else "",
        promise=said.promise.format(days=_days(round(told.false_event_days), language)),
    )


def _against_healthy(told: LimbChange, language: Language) -> str:
    """In shares of the other limb's, as published of healthy people."""
    said, norm = phrases_of(language), NORM.get(told.measure, 1.0)
    low, high = RANGE.get(told.measure, legs.HEALTHY)
    ends = [norm * (1 + end) for end in told.interval]
    return said.healthy.format(
        figure=said.figures[told.measure].format(limb=_limb(told, language)),
        value=_percents(Estimate(value=told.value, low=ends[0], high=ends[1]), language),
        how=said.ways[told.value > low],
        low=_percent(low),
        high=_percent(high),
    )


def _limb(told: LimbChange, language: Language) -> str:
    said = phrases_of(language)
    return (said.arms if told.measure == "use_ratio" else said.legs)[told.watched]


def _days(count: int, language: Language) -> str:
    return phrases_of(language).days[count > 1].format(count=count)


def _interval(one: Estimate, digits: int, language: Language) -> str:
    ends = {name: number(getattr(one, name), digits, language) for name in ("value", "low", "high")}
    return phrases_of(language).interval.format(**ends)


def _percents(one: Estimate, language: Language) -> str:
    ends = {name: _percent(getattr(one, name)) for name in ("value", "low", "high")}
    return phrases_of(language).interval.format(**ends)


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.0f} %"
