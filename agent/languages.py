"""Every phrase that an event can say, in English and in French; put together by `words`."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language; braces are filled by `words`. What is said of limbs stands in `limbs.languages`."""

    name: Literal["en", "fr"]
    decimal: str
    """What stands between a number and its fraction."""
    positions: dict[str, str]
    """Those that are not their own name with blanks for underscores."""
    axes: dict[str, str]
    """Term of `SHARE` -> phrase; {axis}."""
    durations: dict[str, str]
    """Term of `DURATION` -> phrase."""
    how: dict[str, str]
    """Term of `DIFFERENCE` -> adverb before a comparative."""
    how_other: dict[str, str]
    """The same before `different`."""
    aspects: dict[str, tuple[str, str]]
    """Aspect -> phrase above and below what is usual; {how}, {how_other}."""
    account: str
    echo: str
    rarity: str
    common: str
    likeness: dict[str, str]
    closest: str
    days: tuple[str, str]
    """Today and yesterday."""
    change: str
    """{places}"""
    place: str
    """{position}, {start}, {end}"""
    and_: str
    cannot_tell: str
    doubts: dict[str, str]
    """Cause -> phrase; {low}, {high}, {alpha}."""
    resolutions: dict[str, str]
    """What is needed -> phrase; {minutes}, {regime}, {position}, {fault}, {per_day}, {verdict}."""
    verdicts: dict[str, str]
    regimes: dict[str, str]
    faults: dict[str, str]
    """Fault -> what it means and what to do."""
    fault_names: dict[str, str]
    learnt_fault: str
    """{where}, {strength}, {fault}: no law of physics is broken, but it is like faults that were made on purpose."""
    learnt_faults: dict[str, tuple[str, str]]
    """Injected fault -> its name, and what to do."""
    fault: str
    silence: str
    heard_again: str
    every_sensor: str
    agent_stops: str
    restarted: str
    """{since}, {before}"""
    back: str
    shift: str
    """{size}, {low}, {high}, {how}, {since}: how far away from the first day of wear, of a drift."""
    shift_ways: tuple[str, str]
    """Further from normal, and nearer."""
    drift: dict[str, str]
    """`open`, `habit`, `back`, `stops` -> phrase; {shift}, {hours}, {since}."""


ENGLISH = Language(
    name="en",
    decimal=".",
    positions={},
    axes={"all": "over all axes", "mostly": "mostly along {axis}", "only": "along {axis} alone"},
    durations={
        "moment": "for a moment",
        "half_second": "for about half a second",
        "one_second": "for about one second",
        "two_seconds": "for about two seconds",
        "whole_window": "for more than two seconds",
    },
    how={"slightly": "slightly", "clearly": "clearly", "much": "much"},
    how_other={"slightly": "slightly", "clearly": "clearly", "much": "very"},
    aspects={
        "posture": ("a {how_other} different posture than usual", "a {how_other} different posture than usual"),
        "movement": ("{how} stronger movement than usual", "{how} weaker movement than usual"),
        "abruptness": ("{how} more abrupt than usual", "{how} smoother than usual"),
        "span": ("a {how} wider span than usual, as in an impact", "a {how} narrower span than usual"),
        "trembling": ("more trembling than usual", "less trembling than usual"),
        "stepping": ("less stepping than usual", "less stepping than usual"),
    },
    account="{position}, {axis}, {duration}: {aspect} ({truth})",
    echo="{position}: what was strange just before still counts",
    rarity="at most 1 normal half-minute in {one_in} is as strange",
    common="as strange as normal",
    likeness={
        "": "",
        "fall": "like the falls it has learnt",
        "freezing": "trembling in place rather than stepping, as in freezing of gait",
    },
    closest="closest normal: {day} {clock}",
    days=("today", "yesterday"),
    change="for the model it hangs on the {places}",
    place="{position} {start} to {end} s before the end",
    and_=" and the ",
    cannot_tell="cannot tell",
    doubts={
        "ambiguous": "a fault of the sensor and an unusual movement both fit",
        "too_little_calibration": "unusual, but too close to call: the interval [{low}, {high}] holds the level "
        "{alpha}",
        "unlike_anything_seen": "nothing like it was ever seen, falls included; check the sensor, look at the person",
        "poor_signal": "the signal is too poor to tell normal from a fault",
    },
    resolutions={
        "signal": "decided ({verdict}) once the {position} sends a clean signal ({fault})",
        "wear": "{minutes} more minutes of normal wear of this kind ({regime}), none as strange, would decide it "
        "({verdict})",
        "readings": "two readings fit: measured right, {verdict}; measured wrong, {otherwise}: check the {position}",
        "budget": "a budget of {per_day} false alarms a day would decide it ({verdict})",
    },
    verdicts={"normal": "normal", "noise": "a sensor fault", "novelty": "an unusual movement"},
    regimes={"still": "still", "moving": "moving", "vigorous": "vigorous"},
    faults={
        "stuck": "the sensor repeats one value; check that it runs and is not frozen",
        "clipped": "the tops of the signal are cut off; the sensor's range is too small for this movement",
        "spikes": "single samples leap as no body can; check the radio and the cable",
        "gravity": "gravity does not measure 1 g; check its calibration",
        "dropout": "samples are missing; check distance, radio and battery",
        "white": "its samples shake at random as no body does; check battery, cable and clock",
        "left": "it lies still while the body walks; check that it is worn",
    },
    fault_names={
        "stuck": "stuck",
        "clipped": "clipped",
        "spikes": "spikes",
        "gravity": "gravity",
        "dropout": "dropout",
        "white": "random noise",
        "left": "left behind",
    },
    learnt_fault="{where}: like a faulty sensor ({strength}), most of all {fault}: {advice}",
    learnt_faults={
        "rotation": ("rotation", "it seems to have turned; check its strap and which way it sits"),
        "gain": ("gain", "its readings seem too large or too small; check its calibration"),
        "offset": ("offset", "its readings seem shifted; check its calibration"),
        "dropout": ("dropout", "samples seem to be missing or made up; check distance, radio and battery"),
        "clipping": ("clipping", "the tops seem cut off; its range may be too small for this movement"),
        "stuck": ("stuck", "it seems to repeat values; check that it runs and is not frozen"),
        "noise": ("noise", "it shakes as no body does; check its battery and cable"),
        "jitter": ("jitter", "its samples seem out of their time; check its clock and the radio"),
    },
    fault="{where}: {fault} ({strength}): {advice}",
    silence="{where}: nothing has come since {since}, for {seconds} s; check battery, distance and radio, and whether "
    "it is worn",
    heard_again="{where}: {why}; nothing had come since {since}, for {seconds} s",
    every_sensor="every sensor",
    agent_stops="the agent stops",
    restarted="the agent was restarted; what happened after {since} is not known: go and look; told before: {before}",
    back="heard again",
    shift="{size} standard deviations [{low}, {high}] {how} than on the first day of wear since {since}",
    shift_ways=("stranger", "less strange"),
    drift={
        "open": "movement has been {shift}; check that the sensor sits where it did, then look at the person",
        "habit": "movement has been {shift}: it has lasted a day of wear and is taken for a new habit; alarms are "
        "judged as usual again, the first day stays the measure of drift",
        "back": "movement is back to what it was on the first day of wear, after {hours} hours of drift since {since}",
        "stops": "the agent stops; told again when it goes on; movement was {shift}",
    },
)

FRENCH = Language(
    name="fr",
    decimal=",",
    positions={
        "wrist": "poignet",
        "left_wrist": "poignet gauche",
        "right_wrist": "poignet droit",
        "waist": "ceinture",
        "lumbar": "lombaires",
        "hip": "hanche",
        "left_hip": "hanche gauche",
        "right_hip": "hanche droite",
        "lower_back": "bas du dos",
        "chest": "poitrine",
        "trunk": "tronc",
        "thigh": "cuisse",
        "left_thigh": "cuisse gauche",
        "right_thigh": "cuisse droite",
        "pocket": "poche",
        "ankle": "cheville",
        "left_ankle": "cheville gauche",
        "right_ankle": "cheville droite",
        "shank": "jambe",
        "left_shank": "jambe gauche",
        "right_shank": "jambe droite",
    },
    axes={"all": "sur tous les axes", "mostly": "surtout selon {axis}", "only": "selon {axis} seul"},
    durations={
        "moment": "pendant un instant",
        "half_second": "pendant une demi-seconde environ",
        "one_second": "pendant une seconde environ",
        "two_seconds": "pendant deux secondes environ",
        "whole_window": "pendant plus de deux secondes",
    },
    how={"slightly": "un peu", "clearly": "nettement", "much": "beaucoup"},
    how_other={"slightly": "un peu", "clearly": "nettement", "much": "très"},
    aspects={
        "posture": ("posture {how_other} différente de l'habitude", "posture {how_other} différente de l'habitude"),
        "movement": ("mouvement {how} plus fort que d'habitude", "mouvement {how} plus faible que d'habitude"),
        "abruptness": ("mouvement {how} plus brusque que d'habitude", "mouvement {how} plus doux que d'habitude"),
        "span": (
            "amplitude {how} plus grande que d'habitude, comme lors d'un choc",
            "amplitude {how} plus petite que d'habitude",
        ),
        "trembling": ("plus de tremblement que d'habitude", "moins de tremblement que d'habitude"),
        "stepping": ("moins de pas que d'habitude", "moins de pas que d'habitude"),
    },
    account="{position}, {axis}, {duration} : {aspect} ({truth})",
    echo="{position} : ce qui était étrange juste avant compte encore",
    rarity="au plus 1 demi-minute normale sur {one_in} est aussi étrange",
    common="aussi étrange que la normale",
    likeness={
        "": "",
        "fall": "ressemble aux chutes apprises",
        "freezing": "tremblement sur place plutôt que pas, comme dans un enrayage cinétique de la marche",
    },
    closest="normal le plus proche : {day} {clock}",
    days=("aujourd'hui", "hier"),
    change="pour le modèle, tout tient à : {places}",
    place="{position} de {start} à {end} s avant la fin",
    and_=" et ",
    cannot_tell="indécidable",
    doubts={
        "ambiguous": "un défaut du capteur et un mouvement inhabituel conviennent tous deux",
        "too_little_calibration": "inhabituel, mais trop juste : l'intervalle [{low} ; {high}] contient le seuil "
        "{alpha}",
        "unlike_anything_seen": "rien de tel n'a jamais été vu, chutes comprises ; vérifier le capteur, aller voir la "
        "personne",
        "poor_signal": "le signal est trop mauvais pour distinguer le normal d'un défaut",
    },
    resolutions={
        "signal": "décidé ({verdict}) dès que le signal redevient propre : {position} ({fault})",
        "wear": "{minutes} minutes de plus de port normal de ce type ({regime}), sans rien d'aussi étrange, "
        "décideraient ({verdict})",
        "readings": "deux lectures conviennent : bien mesuré, {verdict} ; mal mesuré, {otherwise} ; vérifier : "
        "{position}",
        "budget": "un budget de {per_day} fausses alarmes par jour déciderait ({verdict})",
    },
    verdicts={"normal": "normal", "noise": "un défaut du capteur", "novelty": "un mouvement inhabituel"},
    regimes={"still": "immobile", "moving": "en mouvement", "vigorous": "intense"},
    faults={
        "stuck": "le capteur répète une même valeur ; vérifier qu'il fonctionne et n'est pas figé",
        "clipped": "les sommets du signal sont coupés ; l'étendue du capteur est trop petite pour ce mouvement",
        "spikes": "des échantillons isolés sautent comme aucun corps ne le peut ; vérifier la radio et le câble",
        "gravity": "la pesanteur n'y vaut pas 1 g ; vérifier son étalonnage",
        "dropout": "des échantillons manquent ; vérifier la distance, la radio et la batterie",
        "white": "ses échantillons tremblent au hasard comme aucun corps ; vérifier batterie, câble et horloge",
        "left": "il reste immobile alors que le corps marche ; vérifier qu'il est porté",
    },
    fault_names={
        "stuck": "figé",
        "clipped": "écrêté",
        "spikes": "pics",
        "gravity": "gravité",
        "dropout": "pertes",
        "white": "bruit aléatoire",
        "left": "oublié",
    },
    learnt_fault="{where} : comme un capteur défectueux ({strength}), surtout {fault} : {advice}",
    learnt_faults={
        "rotation": ("rotation", "il semble avoir tourné ; vérifier sa sangle et son sens"),
        "gain": ("gain", "ses valeurs semblent trop grandes ou trop petites ; vérifier son étalonnage"),
        "offset": ("décalage", "ses valeurs semblent décalées ; vérifier son étalonnage"),
        "dropout": ("pertes", "des échantillons semblent manquer ; vérifier la distance, la radio et la batterie"),
        "clipping": ("écrêtage", "les sommets semblent coupés ; son étendue est peut-être trop petite"),
        "stuck": ("figé", "il semble répéter des valeurs ; vérifier qu'il fonctionne et n'est pas figé"),
        "noise": ("bruit", "il tremble comme aucun corps ; vérifier sa batterie et son câble"),
        "jitter": ("gigue", "ses échantillons semblent hors de leur temps ; vérifier son horloge et la radio"),
    },
    fault="{where} : {fault} ({strength}) : {advice}",
    silence="{where} : rien n'est venu depuis {since}, soit {seconds} s ; vérifier la batterie, la distance et la "
    "radio, et que le capteur est porté",
    heard_again="{where} : {why} ; rien n'était venu depuis {since}, soit {seconds} s",
    every_sensor="tous les capteurs",
    agent_stops="l'agent s'arrête",
    restarted="l'agent a été relancé ; la suite, depuis {since}, n'est pas connue : aller voir ; dit avant : {before}",
    back="de nouveau entendu",
    shift="{size} écarts-types [{low} ; {high}] {how} que le premier jour de port depuis {since}",
    shift_ways=("plus étrange", "moins étrange"),
    drift={
        "open": "le mouvement est {shift} ; vérifier que le capteur est resté à sa place, puis aller voir la personne",
        "habit": "le mouvement est {shift} : cela dure depuis un jour de port et passe pour une nouvelle habitude ; "
        "les alarmes sont jugées de nouveau comme d'ordinaire, le premier jour reste la mesure de la dérive",
        "back": "le mouvement est redevenu ce qu'il était le premier jour de port, après {hours} heures de dérive "
        "depuis {since}",
        "stops": "l'agent s'arrête ; redit quand il reprendra ; le mouvement était {shift}",
    },
)

LANGUAGES = {"en": ENGLISH, "fr": FRENCH}
