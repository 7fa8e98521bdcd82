"""What a new bundle would change for the wards: thresholds, promises, positions; told before it takes over.

Scores of two bundles have no common scale, each is standardised by its own normal wear. What can be compared is what
follows from them: with the settings' budget both may raise so many false alarms a day on people like those they were
calibrated on, if they can promise it at all. How often they raise one on *these* wearers only a shadow run tells.
"""

import math
from collections.abc import Iterator
from typing import Any

from agent.bundle import Bundle
from agent.calibrate import BLOCKS_PER_DAY, FamilyCalibration
from agent.decide import level
from agent.manifest import Manifest


def plan(old: Bundle, new: Bundle, false_alarms_per_day: float, report: dict[str, Any] | None) -> Iterator[str]:
    """Lines for people.

    Args:
        old: the bundle in service.
        new: the one that is offered.
        false_alarms_per_day: budget of the settings.
        report: of a shadow run (`Shelf.shadow_report`), where there was one.
    """
    yield f"in service  {old.id}  {old.digest[:12]}  made {old.manifest.made}  ({old.origin})"
    yield f"offered     {new.id}  {new.digest[:12]}  made {new.manifest.made}  ({new.origin})"
    yield ""
    yield f"{'':12}{'threshold':>22}  {'fewest false alarms/day':>25}  {'calibrated on half-minutes':>27}"
    alpha = level(false_alarms_per_day)
    for name in sorted(set(_families(old)) | set(_families(new))):
        pair = [_families(bundle).get(name) for bundle in (old, new)]
        cells = (_arrow(pair, lambda one: threshold(one, alpha)), _arrow(pair, promise), _arrow(pair, _size))
        yield f"{name:12}{cells[0]:>22}  {cells[1]:>25}  {cells[2]:>27}"
    yield f"threshold: score from which `normal` is ruled out at {false_alarms_per_day:g} false alarms a day; none ="
    yield "that budget cannot be promised, such windows are doubts. Each bundle's score has a scale of its own."
    yield from _differences(old.manifest, new.manifest)
    yield ""
    yield from _measured(old, new, report)


def threshold(family: FamilyCalibration, alpha: float) -> float:
    """The lowest score with p <= alpha; infinite where no score has."""
    permitted = math.floor(alpha * (1 + len(family.scores)) + 1e-9) - 1
    if permitted < 0:
        return math.inf
    return float(family.scores[len(family.scores) - 1 - permitted]) if permitted < len(family.scores) else -math.inf


def promise(family: FamilyCalibration) -> float:
    """The fewest false alarms a day that this much calibration can promise."""
    return BLOCKS_PER_DAY / (1 + len(family.scores))


def _size(family: FamilyCalibration) -> float:
    return float(len(family.scores))


def _families(bundle: Bundle) -> dict[str, FamilyCalibration]:
    return dict(zip(bundle.manifest.layout.families, bundle.model.calibration.families, strict=True))


def _arrow(pair: list[FamilyCalibration | None], figure: Any) -> str:
    shown = ["-" if one is None else _number(figure(one)) for one in pair]
    return shown[0] if shown[0] == shown[1] else " -> ".join(shown)


def _number(value: float) -> str:
    return "none" if math.isinf(value) else f"{value:.4g}"


def _differences(old: Manifest, new: Manifest) -> Iterator[str]:
    for what, before, after in (
        ("positions", set(old.layout.positions), set(new.layout.positions)),
        ("learnt novelties", set(old.known), set(new.known)),
    ):
        if before != after:
            gone, fresh = (", ".join(sorted(some)) or "-" for some in (before - after, after - before))
            yield f"{what}: gone {gone}; new {fresh}"
    for what in ("limits", "runtime", "minimum_agent"):
        if getattr(old, what) != getattr(new, what):
            yield f"{what}: {getattr(old, what)} -> {getattr(new, what)}"


def _measured(old: Bundle, new: Bundle, report: dict[str, Any] | None) -> Iterator[str]:
    if report is None or (report["old"], report["new"]) != (old.digest, new.digest):
        yield "alarm rate on this gateway's wearers: not measured yet; the shadow run comes before the switch"
        return
    found = report["compared"]
    alarms, many = found["alarms"], found["half_minutes"]
    yield f"{report['phase']} since {report['began']}: {many} half-minutes of wear judged by both"
    yield f"  with an alarm      {alarms['old']} -> {alarms['new']}, {alarms['both']} of them the same"
    yield f"  with a doubt       {found['doubts']['old']} -> {found['doubts']['new']}"
    yield f"  without a score    {found['unscored']['old']} -> {found['unscored']['new']}"
    if report["fault"]:
        yield f"  given up: {report['fault']}"
