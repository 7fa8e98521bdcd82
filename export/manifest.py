"""`bundle.json`, from the run record and from what export measured."""

import datetime as dt

import msgspec

from agent.layout import Layout
from agent.manifest import SCHEMA, DataSource, Manifest
from export.calibration import Calibrated
from training.datasets.facts import DataFacts
from training.datasets.own_recordings import NAME as OWN
from training.record import RunRecord

MINIMUM_AGENT = "0.2.0"
"""The first that reads the parts of a score."""
GOLDEN_TOLERANCE = 0.05
LIMITS = "Not a medical device: it makes no diagnosis, and nobody's safety may rest on it."
OF_PUBLIC = (
    "The public datasets hold scripted activities of minutes' length; falls are acted; days of wear are untested."
)
OF_OWN = "What it says of people other than those recorded is untested."


def manifest_of(record: RunRecord, layout: Layout, calibrated: Calibrated, figures: dict[str, float]) -> Manifest:
    """The manifest, its digests still to come. Pseudonyms stay in the run record: a bundle travels."""
    today = dt.datetime.now(dt.UTC).date().isoformat()
    training = msgspec.to_builtins(record)
    prototypes = calibrated.prototypes
    return Manifest(
        schema=SCHEMA,
        id=f"student-{today}",
        commit=record.commit,
        made=today,
        minimum_agent=MINIMUM_AGENT,
        layout=layout,
        context_weight=prototypes.context_weight,
        echo=prototypes.echo,
        habit=prototypes.habit,
        known=["fall"] if prototypes.known else [],
        calibration=calibrated.facts,
        data=[_source(facts) for facts in record.data],
        training={key: value for key, value in training.items() if key not in ("wearers", "data")},
        parity=figures,
        golden_tolerance=GOLDEN_TOLERANCE,
        files={},
        limits=_limits(record),
    )


def _source(facts: DataFacts) -> DataSource:
    parts = {part: len(wearers) for part, wearers in facts.wearers.items()}
    trained = parts.get("train", 0)
    told = {"name": facts.name, "source": facts.source, "licence": facts.licence, "digest": facts.digest}
    return DataSource(**told, wearers=trained, parts=parts)


def _limits(record: RunRecord) -> str:
    names = {facts.name for facts in record.data}
    return " ".join([LIMITS, *([OF_PUBLIC] if names - {OWN} else []), *([OF_OWN] if OWN in names else [])])
