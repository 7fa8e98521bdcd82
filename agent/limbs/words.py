"""Plain words for what two limbs do, in English and French."""

from typing import Literal

from agent.limbs.change import FALSE_EVENT_DAYS, HEALTHY, Found, Interval

Language = Literal["en", "fr"]
SIDE = {"en": {"left": "left", "right": "right"}, "fr": {"left": "gauche", "right": "droit"}}
SIDE_OF_LEG = {"left": "gauche", "right": "droite"}
"""French: a leg is feminine, an arm is not."""
WITHHELD = {
    "too_little_wear": (
        "both sensors were worn for less than four hours",
        "les deux capteurs ont été portés ensemble moins de quatre heures",
    ),
    "too_little_use": (
        "the other arm was used for less than a quarter of an hour",
        "l'autre bras a servi moins d'un quart d'heure",
    ),
    "clocks_apart": (
        "the clocks of the two sensors cannot be held together closely enough",
        "les horloges des deux capteurs ne s'accordent pas assez",
    ),
    "one_arm": (
        "both sensors move as one: they seem to sit on the same arm",
        "les deux capteurs bougent ensemble : ils semblent être sur le même bras",
    ),
    "sides_swapped": (
        "left and right sensor seem to be exchanged",
        "les capteurs gauche et droit semblent inversés",
    ),
    "one_side": ("only one leg has a sensor", "une seule jambe porte un capteur"),
    "one_wrist": ("only one wrist has a sensor", "un seul poignet porte un capteur"),
    "no_wrist": ("no wrist has a sensor", "aucun poignet ne porte de capteur"),
    "too_little_walking": (
        "too few strides were taken while both legs' sensors were worn",
        "trop peu de pas ont été faits avec les capteurs des deux jambes",
    ),
    "one_leg": (
        "both sensors land at once: they seem to sit on the same leg",
        "les deux capteurs touchent le sol ensemble : ils semblent être sur la même jambe",
    ),
}
"""Why figures are withheld, English and French."""


def withheld(why: str, language: Language = "en") -> str:
    """One clause; empty where nothing is withheld."""
    return WITHHELD[why][language == "fr"] if why else ""


def percent(share: float) -> str:
    """-0.2 -> -20 %."""
    return f"{100 * share:+.0f} %"


def change(found: Found, side: str, since: str, hours: list[int]) -> str:
    """A change from the wearer's own days."""
    size = f"{percent(found.size)} [{percent(found.low)}, {percent(found.high)}]"
    how = "less" if found.size < 0 else "more"
    where = f", mostly about {_hours(hours, ':00')} (gateway time)" if hours else ""
    who = f"the {side} arm is used {how} than on the wearer's own days before, beside the other arm"
    promise = f"at most one such word in {FALSE_EVENT_DAYS:.0f} days is false if days without change are alike"
    return f"{who}: {size} since {since}, over {found.days} day(s){where}; {promise}"


def change_fr(size: float, interval: tuple[float, float], side: str, since: str, days: int, hours: list[int]) -> str:
    """The same in French, from what was published."""
    how = "moins" if size < 0 else "plus"
    where = f", surtout vers {_hours(hours, ' h')} (heure de la passerelle)" if hours else ""
    who = f"le bras {SIDE['fr'][side]} sert {how} qu'avant, par rapport à l'autre"
    told = f"{percent(size)} [{percent(interval[0])}, {percent(interval[1])}] depuis le {since}, sur {days} jour(s)"
    promise = f"au plus une telle annonce sur {FALSE_EVENT_DAYS:.0f} jours est fausse si les jours sans changement se "
    return f"{who} : {told}{where} ; {promise}ressemblent"


LEG = {
    "step_symmetry": (
        ("the {side} leg's steps are shorter in time", "les pas de la jambe {side} sont plus brefs"),
        ("the {side} leg's steps take longer", "les pas de la jambe {side} durent plus longtemps"),
    ),
    "swing_symmetry": (
        ("the {side} leg is in the air for less time", "la jambe {side} reste moins longtemps en l'air"),
        ("the {side} leg is in the air for longer", "la jambe {side} reste plus longtemps en l'air"),
    ),
    "impact_symmetry": (
        ("the {side} leg lands more softly", "la jambe {side} se pose plus doucement"),
        ("the {side} leg lands harder", "la jambe {side} se pose plus fort"),
    ),
}
"""What a change of a leg's measure means, for less and for more, English and French."""
MEASURE = {
    "step_time": ("step time", "durée du pas"),
    "swing_time": ("time in the air", "durée en l'air"),
    "impact": ("impact", "impact"),
}
"""What is compared between the legs, English and French."""


def leg_change(found: Found, measure: str, side: str, since: str, hours: list[int]) -> str:
    """A change of one leg beside the other, from the wearer's own days."""
    size = f"{percent(found.size)} [{percent(found.low)}, {percent(found.high)}]"
    where = f", mostly about {_hours(hours, ':00')} (gateway time)" if hours else ""
    who = LEG[measure][found.size > 0][0].format(side=side)
    promise = f"at most one such word in {FALSE_EVENT_DAYS:.0f} days is false if days without change are alike"
    return (
        f"{who} than on the wearer's own days before, beside the other leg: {size} since {since}, over {found.days} "
        f"day(s){where}; {promise}"
    )


def leg_change_fr(
    size: float, interval: tuple[float, float], measure: str, side: str, since: str, days: int, hours: list[int]
) -> str:
    """The same in French, from what was published."""
    who = LEG[measure][size > 0][1].format(side=SIDE_OF_LEG[side])
    where = f", surtout vers {_hours(hours, ' h')} (heure de la passerelle)" if hours else ""
    told = f"{percent(size)} [{percent(interval[0])}, {percent(interval[1])}] depuis le {since}, sur {days} jour(s)"
    promise = f"au plus une telle annonce sur {FALSE_EVENT_DAYS:.0f} jours est fausse si les jours sans changement se "
    return f"{who} qu'avant, par rapport à l'autre : {told}{where} ; {promise}ressemblent"


def leg_outside(interval: Interval, side: str) -> str:
    """The swing times have left the healthy range."""
    how = "below" if interval.mean < 1 else "above"
    ratio = f"{100 * interval.mean:.0f} % [{100 * interval.low:.0f}, {100 * interval.high:.0f}]"
    told = f"{how} what healthy people show (90 to 110 %); told once"
    return f"the {side} leg's time in the air is {ratio} of the other's, {told}"


def outside(interval: Interval, side: str) -> str:
    """The wearer's use ratio has left the healthy range."""
    how = "below" if interval.mean < HEALTHY[0] else "above"
    ratio = f"{interval.mean:.2f} [{interval.low:.2f}, {interval.high:.2f}]"
    healthy = f"{HEALTHY[0]:.2f} to {HEALTHY[1]:.2f}"
    return f"the {side} arm's use ratio is {ratio}, {how} what healthy people show ({healthy}); told once"


def _hours(hours: list[int], unit: str) -> str:
    return ", ".join(f"{hour}{unit}" for hour in sorted(hours))
