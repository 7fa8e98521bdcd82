"""Numbers -> one plain sentence, in English or French, by templates. Nothing is said that is not among the numbers.

All phrases are data (`languages`), and one set of functions puts them together, so that both languages say the same.
What is a number is called by a fuzzy term (`terms`); the truth of the sentence is that of its weakest term.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from agent.events import Account, Change, Closest, Place, Resolution
from agent.languages import Language
from agent.terms import DIFFERENCE, DURATION, SHARE, called

BANDS = ("trembling", "stepping")
"""Aspects that are told without a degree."""


def truth_of(account: Account) -> float:
    """How truly the terms describe the numbers: the least of them, in [0.5, 1]."""
    terms = [called(account.end_s - account.start_s, DURATION), called(account.axis_share, SHARE)]
    if account.aspect not in BANDS:
        terms.append(called(abs(account.difference), DIFFERENCE))
    return 1.0 if account.aspect == "echo" else min(term.truth for term in terms)


def tell_account(account: Account, words: Language) -> str:
    """`waist, mostly along z, for about half a second: a much wider span than usual, as in an impact (0.92)`."""
    position = name_of(account.position, words)
    if account.aspect == "echo":
        return words.echo.format(position=position)
    difference = called(abs(account.difference), DIFFERENCE).name
    phrase = words.aspects[account.aspect][int(account.difference < 0)]
    return words.account.format(
        position=position,
        axis=words.axes[called(account.axis_share, SHARE).name].format(axis=account.axis),
        duration=words.durations[called(account.end_s - account.start_s, DURATION).name],
        aspect=phrase.format(how=words.how[difference], how_other=words.how_other[difference]),
        truth=number(account.truth, 2, words),
    )


def tell_rarity(p_value: float, words: Language) -> str:
    """How rare it is."""
    return words.rarity.format(one_in=int(1 / p_value)) if p_value < 1 else words.common


def tell_closest(closest: Closest | None, now_s: float, words: Language) -> str:
    """`closest normal: yesterday 14:02`, of the wearer's own; empty where none is known."""
    if closest is None or closest.time is None:
        return ""
    then, now = datetime.fromisoformat(closest.time), datetime.fromtimestamp(now_s, tz=UTC)
    days = (now.date() - then.date()).days
    day = words.days[days] if 0 <= days < len(words.days) else then.date().isoformat()
    return words.closest.format(day=day, clock=then.strftime("%H:%M UTC"))


def tell_change(change: Change | None, words: Language) -> str:
    """What the verdict hangs on; empty where nothing was found."""
    return "" if change is None else words.change.format(places=places_of(change.places, words))


def places_of(places: Sequence[Place], words: Language) -> str:
    """Each position with from when to when."""
    told = [
        words.place.format(
            position=name_of(place.position, words),
            start=number(abs(place.start_s), 1, words),
            end=number(abs(place.end_s), 1, words),
        )
        for place in places
    ]
    return words.and_.join(told)


def tell_resolution(resolution: Resolution | None, regime: str, words: Language) -> str:
    """What would resolve a doubt."""
    if resolution is None:
        return ""
    return words.resolutions[resolution.needs].format(
        minutes=math.ceil(resolution.minutes or 0),
        regime=words.regimes[regime],
        position=name_of(resolution.position, words),
        fault=words.fault_names.get(resolution.fault, ""),
        per_day=number(resolution.per_day or 0.0, 1, words),
        verdict=_verdict(resolution.verdict, words),
        otherwise=_verdict(resolution.otherwise, words),
    )


def tell_fault(positions: Sequence[str], fault: str, strength: float, words: Language) -> str:
    """`right wrist: stuck (1.00): the sensor repeats one value; ...`."""
    return words.fault.format(
        where=", ".join(name_of(position, words) for position in positions),
        fault=words.fault_names[fault],
        strength=number(strength, 2, words),
        advice=words.faults[fault],
    )


def tell_likeness_to_a_fault(position: str, fault: str, belief: float, words: Language) -> str:
    """`right wrist: like a faulty sensor (0.70), most of all gain: ...`."""
    name, advice = words.learnt_faults[fault]
    strength = number(belief, 2, words)
    return words.learnt_fault.format(where=name_of(position, words), strength=strength, fault=name, advice=advice)


def name_of(position: str, words: Language) -> str:
    """A position as people say it."""
    return words.positions.get(position, position.replace("_", " "))


def number(value: float, digits: int, words: Language, *, sign: bool = False) -> str:
    """With so many digits behind the language's decimal sign; `sign`: with + too."""
    return f"{value:{'+' if sign else ''}.{digits}f}".replace(".", words.decimal)


def joined(parts: Sequence[str], words: Language) -> str:
    """Those that say something, as one sentence."""
    return (" ; " if words.decimal == "," else "; ").join(part for part in parts if part)


def _verdict(labels: Sequence[str], words: Language) -> str:
    return " / ".join(words.verdicts[label] for label in labels)
