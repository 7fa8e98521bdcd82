"""The local code system, published with the package because no public one has these codes."""

import json
from functools import cache
from importlib import resources
from typing import Any

FINDINGS = "urn:veille:fhir:CodeSystem:findings"
UNCERTAINTY = "urn:veille:fhir:StructureDefinition:uncertainty"
AI_ASSERTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
"""Security label of everything that a model has said."""


def published(name: str) -> dict[str, Any]:
    """`codesystem` or `uncertainty`: the resources that give our codes their meaning."""
    document: dict[str, Any] = json.loads(resources.files("agent.fhir").joinpath(f"{name}.json").read_text("utf-8"))
    return document


@cache
def displays() -> dict[str, str]:
    """Code -> what is shown to people."""
    return {concept["code"]: concept["display"] for concept in published("codesystem")["concept"]}


def concept(code: str, text: str = "") -> dict[str, Any]:
    """A CodeableConcept.

    Raises:
        KeyError: the code system has no such code.
    """
    coded: dict[str, Any] = {"coding": [{"system": FINDINGS, "code": code, "display": displays()[code]}]}
    return coded | ({"text": text} if text else {})
