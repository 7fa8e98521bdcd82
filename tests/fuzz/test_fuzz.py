"""What fuzzing has found stays mended, and the fuzzer itself still finds its way; `make fuzz` is the real thing."""

import random
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tests.fuzz.flat import play, spoilt
from tests.fuzz.targets import TARGETS, Target

ROOT = Path(__file__).parents[2]
FINDINGS = Path(__file__).with_name("findings")


@pytest.fixture(scope="module", params=TARGETS)
def name(request) -> str:
    if request.param == "bundle_signature":
        pytest.importorskip("tuf", reason="NOT TESTED: signatures need the extra `veille[update]`")
    return request.param


@pytest.fixture(scope="module")
def target(name) -> Target:
    return TARGETS[name].make()


@pytest.fixture(autouse=True)
def calm():
    with warnings.catch_warnings(action="ignore"):
        yield


def test_no_finding_comes_back(name, target):
    for path in sorted((FINDINGS / name).glob("*")):
        target(path.read_bytes())


def test_spoilt_seeds_give_nothing_but_errors_of_ours(name, target):
    few = 20 if TARGETS[name].one_in >= 50 else 400
    chance, seeds = random.Random(5), target.seeds()
    for seed in seeds[:few]:
        target(seed)
    play(target, seeds, few, chance)


def test_spoiling_changes_the_bytes_and_their_number():
    chance = random.Random(5)
    made = {spoilt(b"abcdef", chance) for _ in range(200)}
    assert len(made) > 50
    assert {len(one) for one in made} > {5, 6, 7}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_short_run_under_atheris_finds_nothing_and_memory_stays_flat(name, tmp_path):
    pytest.importorskip("atheris", reason="NOT TESTED: `pip install --group fuzz`; no wheel for this Python or machine")
    command = [sys.executable, "-m", "tests.fuzz", name, "--inputs", "20000", "--folder", str(tmp_path)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=800)
    assert told.returncode == 0, told.stdout
    assert "nothing found" in told.stdout


@pytest.mark.slow
def test_what_is_wrong_is_found_named_and_kept(tmp_path):
    """The real run, on a target that is really broken: it refuses one input with a bare `ValueError`."""
    pytest.importorskip("atheris", reason="NOT TESTED: `pip install --group fuzz`; no wheel for this Python or machine")
    code = (
        "import sys; from tests.fuzz import one, packets\n"
        "def broken(self, content):\n"
        "    if content[:1] == b'{' and b'rate' in content: raise ValueError('a bug')\n"
        "packets.JsonPackets.__call__ = broken\n"
        f"one.main('packets_json', 100000, one.Path({str(tmp_path)!r}), 0)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert ended.returncode != 0
    assert "ValueError: a bug" in ended.stderr + ended.stdout
    assert [path.name.split("-")[1] for path in tmp_path.glob("packets_json-crash-*")] == ["crash"]
    assert not (tmp_path / "packets_json-0.json").exists()
