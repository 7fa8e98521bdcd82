"""One event -> a FHIR R4B Observation with the Device that made it and its Provenance, validated by `fhir.resources`.

Never a DetectedIssue: that is for conflicts between clinical actions, and would claim more than we know. The person is
referred to by pseudonym; whoever runs the bridge maps it to a record, if anyone does. The same event gives the same
resource ids, so that sending it again changes nothing.
"""

import uuid
from typing import Any

from fhir.resources.R4B.device import Device
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.provenance import Provenance

from agent.errors import AgentError
from agent.events import NAMESPACE, Event
from agent.fhir.codes import AI_ASSERTED, UNCERTAINTY, concept

Resource = dict[str, Any]
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


class ConvertError(AgentError):
    """An event that cannot be said in FHIR: count it and go on with the next."""


def convert(event: Event) -> list[Resource]:
    """Device, Observation and Provenance of one event, in this order (what is referred to comes first).

    Raises:
        ConvertError: they would not be valid.
    """
    try:
        built = (
            Device.model_validate(_device(event)),
            Observation.model_validate(_observation(event)),
            Provenance.model_validate(_provenance(event)),
        )
    except (ValueError, KeyError) as error:  # pydantic's ValidationError is a ValueError
        raise ConvertError(f"event {event.id}: not valid as FHIR: {error}") from error
    return [resource.model_dump(mode="json", exclude_none=True) for resource in built]


def _observation(event: Event) -> Resource:
    data = event.data
    observation: Resource = {
        "resourceType": "Observation",
        "id": event.id,
        "meta": {"security": [AI_ASSERTED]},
        "extension": [_uncertainty(event)],
        "identifier": [{"system": "urn:veille:event", "value": event.id}],
        # Until it has ended, later revisions change it; one that a restart ended nobody has seen to its end.
        "status": "unknown" if data.ended else "final" if data.phase == "end" else "preliminary",
        "category": [{"coding": [{"system": CATEGORY, "code": "activity", "display": "Activity"}]}],
        "code": concept(data.kind),
        "subject": {"type": "Patient", "identifier": {"system": f"urn:{_place(event)}:wearer", "value": data.wearer}},
        "effectivePeriod": {"start": data.start, "end": data.end},
        "issued": data.scored,
        "device": {"reference": f"Device/{_device_id(event)}"},
        "note": [{"text": data.sentence}],
        "component": _components(event),
    }
    return observation | _value(event)


def _value(event: Event) -> Resource:
    data = event.data
    if data.kind == "silence":
        return {"dataAbsentReason": {"coding": [{"system": ABSENT, "code": "not-performed"}]}}
    code = f"label-{data.verdict[0]}" if len(data.verdict) == 1 else "label-undecided"
    return {"valueCodeableConcept": concept(code, " or ".join(data.verdict))}


def _components(event: Event) -> list[Resource]:
    data = event.data
    found = [] if data.score is None else [_figure("score", data.score)]
    found += [] if data.p_value is None else [_figure("p-value", data.p_value)]
    if data.p_interval is not None:
        low, high = data.p_interval
        found.append({"code": concept("p-value", "95 % interval"), "valueRange": _range(low, high)})
    if data.shift:
        low, high = data.shift.interval
        found.append(_figure("drift-size", data.shift.size, data.shift.direction.replace("_", " ")))
        found.append({"code": concept("drift-size", "95 % interval"), "valueRange": _range(low, high)})
    if data.limbs:
        low, high = data.limbs.interval
        found.append(_figure("change-size", data.limbs.size, data.limbs.reference))
        found.append({"code": concept("change-size", "95 % interval"), "valueRange": _range(low, high)})
    where = {position: score for position, score in data.positions.items() if score is not None}
    found += [_figure("position-score", score, position) for position, score in where.items()]
    return found + [_figure("quality", strength, name) for name, strength in data.quality.items()]


def _uncertainty(event: Event) -> Resource:
    data = event.data
    parts: dict[str, float | None] = {"p-value": data.p_value, "alpha": data.alpha}
    parts |= dict(zip(("p-low", "p-high"), data.p_interval or (), strict=False))
    for label in ("normal", "noise", "novelty"):
        parts[f"belief-{label}"] = getattr(data.belief, label)
        parts[f"plausibility-{label}"] = getattr(data.plausibility, label)
    if data.spread is not None:
        parts |= {"aleatoric": data.spread.aleatoric, "epistemic": data.spread.epistemic}
    parts["promise-per-day"] = data.promise_per_day
    told = [{"url": name, "valueDecimal": value} for name, value in parts.items() if value is not None]
    return {"url": UNCERTAINTY, "extension": told}


def _device(event: Event) -> Resource:
    data = event.data
    return {
        "resourceType": "Device",
        "id": _device_id(event),
        "meta": {"security": [AI_ASSERTED]},
        "identifier": [{"system": "urn:veille:gateway", "value": event.source}],
        "status": "active",
        "deviceName": [{"name": "Veille", "type": "model-name"}],
        "type": concept("agent"),
        "version": [{"type": concept("bundle", data.bundle), "value": data.bundle_digest}],
    }


def _provenance(event: Event) -> Resource:
    data = event.data
    author = {"coding": [{"system": PARTICIPANT, "code": "author", "display": "Author"}]}
    bundle = {"identifier": {"system": "urn:veille:bundle", "value": data.bundle_digest}, "display": data.bundle}
    message = {"identifier": {"system": "urn:veille:event", "value": f"{event.id}/{data.revision}"}}
    return {
        "resourceType": "Provenance",
        "id": str(uuid.uuid5(NAMESPACE, f"provenance\n{event.id}\n{data.revision}")),
        "meta": {"security": [AI_ASSERTED]},
        "target": [{"reference": f"Observation/{event.id}"}],
        "recorded": data.scored,
        "agent": [{"type": author, "who": {"reference": f"Device/{_device_id(event)}"}}],
        "entity": [{"role": "source", "what": message}, {"role": "derivation", "what": bundle}],
    }


def _figure(code: str, value: float, text: str = "") -> Resource:
    return {"code": concept(code, text), "valueQuantity": _quantity(value)}


def _quantity(value: float) -> Resource:
    return {"value": value, "system": "http://unitsofmeasure.org", "code": "1"}


def _range(low: float, high: float) -> Resource:
    return {"low": _quantity(low), "high": _quantity(high)}


def _device_id(event: Event) -> str:
    return str(uuid.uuid5(NAMESPACE, f"device\n{event.source}"))


def _place(event: Event) -> str:
    """`veille:{site}`: pseudonyms are given per site."""
    return ":".join(event.source.split("/")[:2])
