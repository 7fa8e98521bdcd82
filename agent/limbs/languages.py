"""Every phrase about limbs, in English and in French; put together by `agent.limbs.words`."""

from dataclasses import dataclass

from agent.languages import Language


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """One language; braces are filled by `words`."""

    arms: dict[str, str]
    """Side -> arm."""
    legs: dict[str, str]
    interval: str
    hour: str
    days: tuple[str, str]
    """One, and several."""
    measures: dict[str, str]
    """What is compared between the legs -> its name."""
    shifts: dict[str, tuple[str, str]]
    """Measure of a change -> phrase for less and for more; {limb}."""
    own: str
    """Against the wearer's own days; {shift}, {other}, {size}, {since}, {days}, {where}, {promise}."""
    others: tuple[str, str]
    """The other arm, the other leg."""
    where: str
    promise: str
    figures: dict[str, str]
    """Measure of a change -> what is held against healthy people; {limb}."""
    healthy: str
    """{figure}, {value}, {how}, {low}, {high}"""
    ways: tuple[str, str]
    """Below and above."""
    hour_of_arms: str
    day_of_arms: str
    use_ratio: str
    arms_withheld: str
    legs_withheld: str
    steps: str
    cadence: str
    compared: str
    misplaced: str
    put_right: str
    limbs: dict[str, str]
    unchanged: str
    """Of a page: nothing was found."""
    not_compared: str
    """Of a page."""
    withheld: dict[str, str]
    """Why figures are withheld."""


ENGLISH = Phrases(
    arms={"left": "left arm", "right": "right arm"},
    legs={"left": "left leg", "right": "right leg"},
    interval="{value} [{low}, {high}]",
    hour="{hour}:00",
    days=("{count} day", "{count} days"),
    measures={"step_time": "step time", "swing_time": "time in the air", "impact": "impact"},
    shifts={
        "use_ratio": ("the {limb} is used less", "the {limb} is used more"),
        "step_symmetry": ("the {limb}'s steps are shorter in time", "the {limb}'s steps take longer"),
        "swing_symmetry": ("the {limb} is in the air for less time", "the {limb} is in the air for longer"),
        "impact_symmetry": ("the {limb} lands more softly", "the {limb} lands harder"),
    },
    own="{shift} than on the wearer's own days before, beside {other}: {size} since {since}, over "
    "{days}{where}; {promise}",
    others=("the other arm", "the other leg"),
    where=", mostly about {hours} (gateway time)",
    promise="at most one such word in {days} is false if days without change are alike",
    figures={
        "use_ratio": "the {limb}'s use",
        "step_symmetry": "the {limb}'s step time",
        "swing_symmetry": "the {limb}'s time in the air",
        "impact_symmetry": "the {limb}'s impact",
    },
    healthy="{figure} is {value} of the other's, {how} what healthy people show ({low} to {high}); told once",
    ways=("below", "above"),
    hour_of_arms="both wrists worn for {worn} min: {arm} used {used} min, other {other} min",
    day_of_arms="{arm} used {used} h, other {other} h in {worn} h of wear",
    use_ratio="use ratio {ratio}",
    arms_withheld="no figures that compare the arms: {why}",
    legs_withheld="no figures of the legs: {why}",
    steps="{steps} steps in {minutes} min of walking{cadence}",
    cadence=", {cadence} a minute",
    compared="{leg} beside the other: {ratios}",
    misplaced="{why}; what compares the {limbs} is withheld until they are put right",
    put_right="the sensors of the {limbs} are where they were",
    limbs={"arms": "arms", "legs": "legs"},
    unchanged="No change from the wearer's own days was found.",
    not_compared="{day}: no comparison, because {why}.",
    withheld={
        "too_little_wear": "both sensors were worn for less than four hours",
        "too_little_use": "the other arm was used for less than a quarter of an hour",
        "clocks_apart": "the clocks of the two sensors cannot be held together closely enough",
        "one_arm": "both sensors move as one: they seem to sit on the same arm",
        "sides_swapped": "left and right sensor seem to be exchanged",
        "one_side": "only one leg has a sensor",
        "one_wrist": "only one wrist has a sensor",
        "no_wrist": "no wrist has a sensor",
        "too_little_walking": "too few strides were taken while both legs' sensors were worn",
        "one_leg": "both sensors land at once: they seem to sit on the same leg",
    },
)

FRENCH = Phrases(
    arms={"left": "bras gauche", "right": "bras droit"},
    legs={"left": "jambe gauche", "right": "jambe droite"},
    interval="{value} [{low} ; {high}]",
    hour="{hour} h",
    days=("{count} jour", "{count} jours"),
    measures={"step_time": "durée du pas", "swing_time": "durée en l'air", "impact": "impact"},
    shifts={
        "use_ratio": ("le {limb} sert moins", "le {limb} sert plus"),
        "step_symmetry": ("les pas de la {limb} sont plus brefs", "les pas de la {limb} durent plus longtemps"),
        "swing_symmetry": (
            "la {limb} reste moins longtemps en l'air",
            "la {limb} reste plus longtemps en l'air",
        ),
        "impact_symmetry": ("la {limb} se pose plus doucement", "la {limb} se pose plus fort"),
    },
    own="{shift} que les jours précédents de la même personne, par rapport à {other} : {size} depuis le {since}, sur "
    "{days}{where} ; {promise}",
    others=("l'autre bras", "l'autre jambe"),
    where=", surtout vers {hours} (heure de la passerelle)",
    promise="au plus une telle annonce sur {days} est fausse si les jours sans changement se ressemblent",
    figures={
        "use_ratio": "usage du {limb}",
        "step_symmetry": "durée du pas de la {limb}",
        "swing_symmetry": "durée en l'air de la {limb}",
        "impact_symmetry": "impact de la {limb}",
    },
    healthy="{figure} : {value} de l'autre côté, {how} de ce que montrent les personnes en bonne santé ({low} à "
    "{high}) ; dit une seule fois",
    ways=("au-dessous", "au-dessus"),
    hour_of_arms="les deux poignets portés {worn} min : {arm} utilisé {used} min, l'autre {other} min",
    day_of_arms="{arm} utilisé {used} h, l'autre {other} h, sur {worn} h de port",
    use_ratio="rapport d'usage {ratio}",
    arms_withheld="aucun chiffre qui compare les bras : {why}",
    legs_withheld="aucun chiffre des jambes : {why}",
    steps="{steps} pas en {minutes} min de marche{cadence}",
    cadence=", {cadence} par minute",
    compared="{leg} comparée à l'autre : {ratios}",
    misplaced="{why} ; ce qui compare les {limbs} est retenu jusqu'à ce que les capteurs soient remis en place",
    put_right="les capteurs des {limbs} sont de nouveau à leur place",
    limbs={"arms": "bras", "legs": "jambes"},
    unchanged="Aucun changement par rapport aux jours précédents de la personne n'a été trouvé.",
    not_compared="{day} : pas de comparaison, car {why}.",
    withheld={
        "too_little_wear": "les deux capteurs ont été portés ensemble moins de quatre heures",
        "too_little_use": "l'autre bras a servi moins d'un quart d'heure",
        "clocks_apart": "les horloges des deux capteurs ne s'accordent pas assez",
        "one_arm": "les deux capteurs bougent ensemble : ils semblent être sur le même bras",
        "sides_swapped": "les capteurs gauche et droit semblent inversés",
        "one_side": "une seule jambe porte un capteur",
        "one_wrist": "un seul poignet porte un capteur",
        "no_wrist": "aucun poignet ne porte de capteur",
        "too_little_walking": "trop peu de pas ont été faits avec les capteurs des deux jambes",
        "one_leg": "les deux capteurs touchent le sol ensemble : ils semblent être sur la même jambe",
    },
)

PHRASES = {"en": ENGLISH, "fr": FRENCH}


def phrases_of(language: Language) -> Phrases:
    """What that language says about limbs."""
    return PHRASES[language.name]
