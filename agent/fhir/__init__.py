"""Events as FHIR R4B; needs the extra `veille[fhir]`. Runs where the hospital systems are, not on a gateway."""
