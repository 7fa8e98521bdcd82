"""The model card says what manifest and run record say, and nothing else."""

import re
import tomllib

import msgspec
import pytest

pytest.importorskip("torch", reason="torch is absent: the model card is NOT tested")

from agent.manifest import CARD, CalibrationFacts, DataSource
from export.card import card
from training.datasets.facts import DataFacts
from training.record import RunRecord

OWN = DataFacts(name="own", source="s", licence="l", digest="d", files=3, wearers={"train": ["own-ann"]})
RECORD = RunRecord(
    commit="c" * 40,
    config={"seed": 7, "teacher": {"width": 3, "names": ["a", "b"]}, "fast": True},
    data=[OWN],
    left_out={"broken_file": 2},
    notes=["one wearer calibrates"],
    wearers=["own-ann"],
    device="cpu, 2 threads",
    minutes=1.5,
    torch="2.13.0",
    windows=90,
    parameters=1234,
    figures={"imitation": 0.25},
)


@pytest.fixture
def manifest(bundle):
    source = DataSource(
        name="own", source="our|ward", licence="CC0", wearers=1, parts={"train": 1, "calibrate": 2}, digest="f" * 64
    )
    facts = CalibrationFacts(windows=100, half_minutes=19, effective_half_minutes=9.5, wearers=2)
    return msgspec.structs.replace(
        bundle.manifest, data=[source], calibration={"wrist": facts}, parity={"windows": 3.0}
    )


def test_it_names_data_licences_wearers_device_figures_and_limits(manifest):
    text = card(manifest, RECORD)
    for words in ("our\\|ward | CC0 | 1 | 2 |", "f" * 64, "broken_file 2", "one wearer calibrates", "cpu, 2 threads"):
        assert words in text
    for words in ("imitation 0.25", manifest.limits, manifest.id, "1234 parameters", "right_wrist"):
        assert words in text


def test_the_promise_stands_beside_its_interval(manifest):
    row = next(line for line in card(manifest, RECORD).splitlines() if line.startswith("| wrist"))
    most = 2880 * (1 - 0.025 ** (1 / 9.5))
    assert row == f"| wrist | 2 | 100 | 19 | 9.5 | 144.0 | {most:.1f} |"


def test_its_configuration_can_be_trained_with(manifest):
    text = re.search(r"```toml\n(.*?)```", card(manifest, RECORD), re.DOTALL)
    assert tomllib.loads(text[1]) == RECORD.config


def test_it_says_how_to_make_the_bundle_again(manifest):
    assert "python -m training train --config config.toml --out RUN --folder FOLDER\n" in card(manifest, RECORD)
    public = msgspec.structs.replace(RECORD, data=[msgspec.structs.replace(OWN, name="sisfall")], uncommitted=True)
    assert "--out RUN\n" in card(manifest, public)
    assert "The code differed from its commit" in card(manifest, public)


def test_without_events_it_says_that_detection_was_not_measured(manifest):
    assert "how well it detects is not measured" in card(manifest, RECORD)
    known = msgspec.structs.replace(manifest, parity={"roc_auc_int8": 0.9})
    assert "is not measured" not in card(known, RECORD)


def test_no_pseudonym_leaves_with_the_bundle(manifest, small_bundle):
    assert "ann" not in card(manifest, RECORD).replace("cannot", "")
    assert (small_bundle / CARD).read_text().startswith(f"# Model card: {manifest.id}")
