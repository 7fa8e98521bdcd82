"""A wearer's weeks on one page: days and changes as they were published -> HTML with a drawing."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape

import numpy as np

from agent.errors import StopError
from agent.events import Event, Summary
from agent.languages import ENGLISH, LANGUAGES, Language
from agent.limbs import page_legs, words
from agent.limbs.drawing import Dot, Line, Rect, Shape, Text, lowered, svg
from agent.limbs.languages import phrases_of
from agent.words import number

WIDTH, HALF = 900, 620
"""Of the drawing, and the height of each of its halves: arms, legs."""
LEFT, RIGHT = 60, 880
RATIO_TOP, RATIO_BOTTOM = 50, 320
HOURS_TOP, HOURS_BOTTOM = 390, 580
HEALTHY, OWN, WATCHED, OTHER, ALARM, GREY = "#d7ecd9", "#9db8d9", "#1f5fa8", "#b9b9b9", "#c0392b", "#777777"
MOST_DAYS = 90
TEXTS = {
    "en": {
        "title": "{wearer}",
        "arms": "Arms",
        "legs": "Legs",
        "about": "The {arm} beside the other. Not a medical device, no diagnosis.",
        "days": "{days} days, {judged} of them with enough wear of both sensors; the others are left out, never "
        "counted as rest.",
        "latest": "On {day} the {arm} was used {one} h, the other {other} h: for each hour of the other "
        "arm {minutes:.0f} minutes (95 % interval {low:.0f} to {high:.0f}). In healthy people it is 50 to 64 minutes.",
        "ratio": "Use ratio, day by day (1: both arms alike)",
        "hours": "Minutes of use in each hour, mean of the last 7 judged days ({arm} blue, other grey)",
        "legend": "green: healthy people   blue dots: this wearer, walking left out   red: a change was found   "
        "x: too little wear",
    },
    "fr": {
        "title": "{wearer}",
        "arms": "Bras",
        "legs": "Jambes",
        "about": "Le {arm} comparé à l'autre. Ceci n'est pas un dispositif médical et ne pose aucun diagnostic.",
        "days": "{days} jours, dont {judged} où les deux capteurs ont été assez portés ; le reste est écarté, et non "
        "compté comme du repos.",
        "latest": "Le {day}, le {arm} a servi {one} h, l'autre {other} h : pour une heure de l'autre, "
        "{minutes:.0f} minutes (intervalle à 95 % : {low:.0f} à {high:.0f}). Chez une personne en bonne santé : "
        "50 à 64.",
    },
}


@dataclass(frozen=True, slots=True)
class Story:
    """What was published of a wearer, in order of time."""

    wearer: str
    days: list[tuple[dt.date, Summary]]
    changes: page_legs.Changes
    """By the day on which they were told."""

    @property
    def side(self) -> str:
        return self.days[-1][1].watched

    @property
    def arms(self) -> bool:
        """A wrist was worn, or nothing else was."""
        return any(one.worn_h + one.one_sided_h > 0 for _, one in self.days) or not self.legs

    @property
    def legs(self) -> page_legs.Days:
        """The days on which legs or trunk wore a sensor."""
        return [(day, one.legs) for day, one in self.days if one.legs]

    @property
    def height(self) -> int:
        """Of the drawing."""
        return HALF * (self.arms + bool(self.legs))

    def of(self, *, legs: bool) -> page_legs.Changes:
        """The changes of the legs, or of the arms."""
        return [one for one in self.changes if (one[1].measure != "use_ratio") == legs]


def story(events: Iterable[Event], wearer: str) -> Story:
    """Pick out a wearer's latest `MOST_DAYS` days; of a day told again the latest holds.

    Raises:
        StopError: none of the events is a day of this wearer.
    """
    days: dict[dt.date, Summary] = {}
    changes = []
    for event in events:
        data = event.data
        if data.wearer == wearer and data.summary and data.summary.period == "day":
            days[_date(data.start)] = data.summary
        if data.wearer == wearer and data.limbs:
            changes.append((_date(data.end) - dt.timedelta(days=1), data.limbs))  # ends at midnight
    if not days:
        raise StopError(
            f"no day of {wearer} among these events; give the file that holds .../wearer/{wearer}/summary/day"
        )
    kept = sorted(days.items())[-MOST_DAYS:]
    return Story(wearer, kept, sorted((one for one in changes if one[0] >= kept[0][0]), key=lambda one: one[0]))


def _date(time: str) -> dt.date:
    return dt.datetime.fromisoformat(time).date()


def draw(told: Story) -> list[Shape]:
    """Of the arms: ratio over days with its bands and changes, hours of the last week; of the legs: symmetry, steps."""
    shapes: list[Shape] = [Rect(0, 0, WIDTH, told.height, "#ffffff")]
    shapes += [*_ratios(told), *_hours(told)] if told.arms else []
    legs = page_legs.draw(told.legs, told.of(legs=True)) if told.legs else []
    return shapes + lowered(legs, HALF * told.arms)


def _ratios(told: Story) -> list[Shape]:
    first, last = told.days[0][0], told.days[-1][0]
    span = max((last - first).days, 1)

    def x(day: dt.date) -> float:
        return LEFT + 15 + (RIGHT - LEFT - 30) * (day - first).days / span

    def y(ratio: float) -> float:
        return RATIO_BOTTOM - (RATIO_BOTTOM - RATIO_TOP) * float(np.clip(ratio, 0, 1.2)) / 1.2

    shapes: list[Shape] = [Text(LEFT, 26, TEXTS["en"]["ratio"], size=14)]
    healthy = told.days[-1][1].healthy
    if healthy:
        shapes.append(Rect(LEFT, y(healthy[1]), RIGHT - LEFT, y(healthy[0]) - y(healthy[1]), HEALTHY))
    shapes += _axis(y)
    for day, summary in told.days:
        ratio = summary.use_ratio.get("free")
        if ratio is None:
            shapes.append(Text(x(day), RATIO_BOTTOM - 6, "x", GREY, "middle"))
            continue
        shapes.append(Line(x(day), y(ratio.low), x(day), y(ratio.high), OWN, 2))
        shapes.append(Dot(x(day), y(ratio.value), 4, WATCHED))
    for day, change in page_legs.marked(told.of(legs=False)):
        at = x(_date(change.since))
        shapes.append(Line(at, RATIO_TOP, at, RATIO_BOTTOM, ALARM, 1.5))
        shapes.append(Text(at + 4, RATIO_TOP + 12, words.percent(change.size), ALARM))
        shapes.append(Dot(x(day), RATIO_TOP, 3, ALARM))
    for day, anchor in ((first, "start"), (last, "end")):
        shapes.append(Text(x(day), RATIO_BOTTOM + 18, day.isoformat(), GREY, anchor))
    return [*shapes, Text(LEFT, RATIO_BOTTOM + 38, TEXTS["en"]["legend"], GREY, size=11)]


def _axis(y: Callable[[float], float]) -> list[Shape]:
    shapes: list[Shape] = []
    for ratio in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2):
        shapes.append(Line(LEFT, y(ratio), RIGHT, y(ratio), "#e6e6e6", 0.5))
        shapes.append(Text(LEFT - 8, y(ratio) + 4, f"{ratio:.1f}", GREY, "end"))
    return shapes


def _hours(told: Story) -> list[Shape]:
    judged = [summary.minutes for _, summary in told.days if summary.use_ratio and summary.minutes][-7:]
    shapes: list[Shape] = [
        Text(LEFT, HOURS_TOP - 14, TEXTS["en"]["hours"].format(arm=phrases_of(ENGLISH).arms[told.side]), size=14)
    ]
    shapes.append(Line(LEFT, HOURS_BOTTOM, RIGHT, HOURS_BOTTOM, GREY))
    step = (RIGHT - LEFT) / 24
    for hour in range(24):
        for place, (arm, colour) in enumerate(((0, WATCHED), (1, OTHER))):
            heard = [used for day in judged if (used := day[hour][arm]) is not None]
            height = (HOURS_BOTTOM - HOURS_TOP) * min(sum(heard) / len(heard), 60.0) / 60 if heard else 0.0
            left = LEFT + step * (hour + 0.12 + 0.38 * place)
            shapes.append(Rect(left, HOURS_BOTTOM - height, 0.36 * step, height, colour))
        if hour % 3 == 0:
            shapes.append(Text(LEFT + step * (hour + 0.5), HOURS_BOTTOM + 18, f"{hour}:00", GREY, "middle"))
    for minutes in (30, 60):
        at = HOURS_BOTTOM - (HOURS_BOTTOM - HOURS_TOP) * minutes / 60
        shapes += [Line(LEFT, at, RIGHT, at, "#e6e6e6", 0.5), Text(LEFT - 8, at + 4, str(minutes), GREY, "end")]
    return shapes


def sentences(told: Story, language: Language) -> list[str]:
    """What the drawing shows, in plain words."""
    texts, arm = TEXTS[language.name], phrases_of(language).arms[told.side]
    judged = [(day, summary) for day, summary in told.days if summary.use_ratio]
    lines = [texts["about"].format(arm=arm), texts["days"].format(days=len(told.days), judged=len(judged))]
    if judged:
        day, summary = judged[-1]
        ratio, (one, other) = summary.use_ratio["counts"], (number(h, 1, language) for h in summary.use_h["counts"])
        figures = {"minutes": 60 * ratio.value, "low": 60 * ratio.low, "high": 60 * ratio.high}
        lines.append(texts["latest"].format(day=day, arm=arm, one=one, other=other, **figures))
    lines += words.tell_changes([change for _, change in told.of(legs=False)], language)
    recent = [(day, summary.withheld) for day, summary in told.days[-14:] if summary.withheld and not summary.use_ratio]
    return lines + words.tell_not_compared(recent, language)


def html(told: Story) -> str:
    """The whole page; nothing is loaded from elsewhere."""
    title = TEXTS["en"]["title"].format(wearer=told.wearer)
    parts = []
    for name, language in LANGUAGES.items():
        lines = {"arms": sentences(told, language)} if told.arms else {}
        if told.legs:
            lines["legs"] = page_legs.sentences(told.legs, told.of(legs=True), told.side, language)
        for limbs, said in lines.items():
            items = "".join(f"<li>{escape(line)}</li>" for line in said)
            head = escape(f"{TEXTS[name][limbs]}: {told.wearer}")
            parts.append(f'<section lang="{name}"><h2>{head}</h2><ul>{items}</ul></section>')
    style = "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    picture = svg(draw(told), WIDTH, told.height, title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{style}</style></head>\n<body>\n{picture}\n{''.join(parts)}\n</body></html>\n"
    )
