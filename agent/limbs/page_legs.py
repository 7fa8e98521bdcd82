"""The legs' half of a wearer's page: symmetry over days with its bands, steps, load, and what they mean in words."""

import datetime as dt
from collections.abc import Callable

import numpy as np

from agent.events import Legs, LimbChange
from agent.languages import Language
from agent.limbs import words
from agent.limbs.drawing import Dot, Line, Rect, Shape, Text
from agent.limbs.languages import phrases_of
from agent.limbs.legs import HEALTHY
from agent.words import number

LEFT, RIGHT = 60, 880
RATIO_TOP, RATIO_BOTTOM = 50, 320
STEPS_TOP, STEPS_BOTTOM = 390, 580
LOWEST, HIGHEST = 0.4, 1.4
BAND, ALARM, GREY, STEPS = "#d7ecd9", "#c0392b", "#777777", "#1f5fa8"
COLOURS = {"swing_time": "#1f5fa8", "impact": "#d08a1d"}
"""What is drawn; step times are told in words, as they are withheld where clocks are apart."""
TEXTS = {
    "en": {
        "about": "The {leg} beside the other. Not a medical device, no diagnosis.",
        "days": "{days} days, {judged} of them with enough walking under both sensors; the others are left out.",
        "latest": "On {day}: {steps:.0f} steps, {walking:.0f} minutes of walking{cadence}.",
        "ratio": "{name}: {value:.0f} % of the other leg's (95 % interval {low:.0f} to {high:.0f}){healthy}.",
        "healthy": "; in healthy people 90 to 110 %",
        "even": "The trunk's steps repeat each other {even:.0f} % as well as its strides (100 %: both alike).",
        "load": "Load of the last 7 days over that of 28: {load}. This is context; it foretells no injury.",
    },
    "fr": {
        "about": "La {leg} comparée à l'autre. Ceci n'est pas un dispositif médical et ne pose aucun diagnostic.",
        "days": "{days} jours, dont {judged} avec assez de marche sous les deux capteurs ; le reste est écarté.",
        "latest": "Le {day} : {steps:.0f} pas, {walking:.0f} minutes de marche{cadence}.",
        "ratio": "{name} : {value:.0f} % de l'autre jambe (intervalle à 95 % : {low:.0f} à {high:.0f}){healthy}.",
        "healthy": " ; chez une personne en bonne santé : 90 à 110 %",
        "even": "Les pas du tronc se répètent à {even:.0f} % aussi bien que ses enjambées (100 % : gauche et droite "
        "pareilles).",
        "load": "Charge des 7 derniers jours sur celle de 28 : {load}. C'est un contexte ; cela ne prédit aucune "
        "blessure.",
    },
}
Days = list[tuple[dt.date, Legs]]
Changes = list[tuple[dt.date, LimbChange]]


def draw(days: Days, changes: Changes) -> list[Shape]:
    """Swing time and impact over days; below, the steps of each day."""
    first, last = days[0][0], days[-1][0]
    span = max((last - first).days, 1)
    wide = (RIGHT - LEFT - 30) / (span + 1)

    def x(day: dt.date) -> float:
        return LEFT + 15 + wide * ((day - first).days + 0.5)

    shapes: list[Shape] = [Text(LEFT, 26, "Symmetry of the legs, day by day (100 %: alike)", size=14)]
    shapes.append(Rect(LEFT, _y(HEALTHY[1]), RIGHT - LEFT, _y(HEALTHY[0]) - _y(HEALTHY[1]), BAND))
    for ratio in np.arange(LOWEST, HIGHEST + 0.01, 0.2):
        shapes.append(Line(LEFT, _y(ratio), RIGHT, _y(ratio), "#e6e6e6", 0.5))
        shapes.append(Text(LEFT - 8, _y(ratio) + 4, f"{100 * ratio:.0f}", GREY, "end"))
    for day, legs in days:
        shapes += _marks(x(day), legs)
    for day, change in marked(changes):
        at = x(dt.datetime.fromisoformat(change.since).date()) - wide / 2
        drop = 12 + 14 * (change.measure == "impact_symmetry") + 28 * (change.measure == "step_symmetry")
        shapes += [Line(at, RATIO_TOP, at, RATIO_BOTTOM, ALARM, 1.5), Dot(x(day), RATIO_TOP, 3, ALARM)]
        label = f"{words.percent(change.size)} {change.measure.split('_')[0]}"
        shapes.append(Text(at + 4, RATIO_TOP + drop, label, ALARM, size=11))
    for day, anchor in ((first, "start"), (last, "end")):
        shapes.append(Text(x(day), RATIO_BOTTOM + 18, day.isoformat(), GREY, anchor))
    legend = (
        "green: healthy people   blue: time in the air   orange: impact   red: a change was found   x: not compared"
    )
    shapes.append(Text(LEFT, RATIO_BOTTOM + 38, legend, GREY, size=11))
    return shapes + _steps(days, x, wide)


def marked(changes: Changes) -> Changes:
    """Those that have a beginning to be drawn: against healthy people there is none."""
    return [one for one in changes if one[1].reference == "own"]


def _marks(at: float, legs: Legs) -> list[Shape]:
    if not legs.ratios:
        return [Text(at, RATIO_BOTTOM - 6, "x", GREY, "middle")]
    shapes: list[Shape] = []
    for place, (measure, colour) in enumerate(COLOURS.items()):
        ratio = legs.ratios.get(measure)
        if ratio:
            here = at + 4 * place - 2
            shapes.append(Line(here, _y(ratio.low), here, _y(ratio.high), colour, 1))
            shapes.append(Dot(here, _y(ratio.value), 3.5, colour))
    return shapes


def _steps(days: Days, x: Callable[[dt.date], float], wide: float) -> list[Shape]:
    most = max([legs.steps.value for _, legs in days if legs.steps] or [1000.0])
    top = 1000 * np.ceil(most / 1000)
    shapes: list[Shape] = [Text(LEFT, STEPS_TOP - 14, "Steps of each day while the sensors were worn", size=14)]
    shapes.append(Line(LEFT, STEPS_BOTTOM, RIGHT, STEPS_BOTTOM, GREY))
    for share in (0.5, 1.0):
        at = STEPS_BOTTOM - (STEPS_BOTTOM - STEPS_TOP) * share
        shapes += [Line(LEFT, at, RIGHT, at, "#e6e6e6", 0.5), Text(LEFT - 8, at + 4, f"{share * top:.0f}", GREY, "end")]
    for day, legs in days:
        if legs.steps:
            high = (STEPS_BOTTOM - STEPS_TOP) * legs.steps.value / top
            shapes.append(Rect(x(day) - 0.35 * wide, STEPS_BOTTOM - high, 0.7 * wide, high, STEPS))
    return shapes


def _y(ratio: float) -> float:
    share = (float(np.clip(ratio, LOWEST, HIGHEST)) - LOWEST) / (HIGHEST - LOWEST)
    return RATIO_BOTTOM - (RATIO_BOTTOM - RATIO_TOP) * share


def sentences(days: Days, changes: Changes, side: str, language: Language) -> list[str]:
    """What the drawing shows, in plain words."""
    texts, said = TEXTS[language.name], phrases_of(language)
    judged = [(day, legs) for day, legs in days if legs.ratios]
    lines = [texts["about"].format(leg=said.legs[side]), texts["days"].format(days=len(days), judged=len(judged))]
    day, legs = judged[-1] if judged else days[-1]
    if legs.steps:
        cadence = said.cadence.format(cadence=f"{legs.cadence:.0f}") if legs.cadence else ""
        lines.append(
            texts["latest"].format(day=day, steps=legs.steps.value, walking=60 * legs.walking_h, cadence=cadence)
        )
    for measure, ratio in legs.ratios.items():
        figures = {key: 100 * getattr(ratio, key) for key in ("value", "low", "high")}
        title = said.measures[measure]
        healthy = "" if measure == "impact" else texts["healthy"]
        lines.append(texts["ratio"].format(name=title[0].upper() + title[1:], healthy=healthy, **figures))
    if legs.evenness is not None:
        lines.append(texts["even"].format(even=100 * legs.evenness))
    if legs.acute_chronic is not None:
        lines.append(texts["load"].format(load=number(legs.acute_chronic, 2, language)))
    lines += words.tell_changes([change for _, change in changes], language)
    recent = [(day, legs.withheld) for day, legs in days[-14:] if legs.withheld and not legs.ratios]
    return lines + words.tell_not_compared(recent, language)
