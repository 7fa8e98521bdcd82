"""What tests of several folders share."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.recording import Recording, write_recording
from agent.simulate import simulate

ROOT = Path(__file__).parents[1]
Veille = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def veille(tmp_path_factory: pytest.TempPathFactory) -> Veille:
    """Run the command line as a person does: `veille("replay", path)`; from an empty folder."""
    folder = tmp_path_factory.mktemp("elsewhere")
    common = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}

    def run(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "agent", *map(str, arguments)]
        own = common | environment
        return subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, timeout=120)

    return run


@pytest.fixture(scope="session")
def simulated() -> Recording:
    """The demo's recording."""
    import numpy as np

    return simulate(np.random.default_rng(0))[0]


@pytest.fixture(scope="session")
def simulated_csv(simulated: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's recording as a file."""
    path = tmp_path_factory.mktemp("recordings") / "simulated_two_minutes.csv"
    write_recording(simulated, path)
    return path


@pytest.fixture(scope="session")
def modules_after() -> Callable[..., set[str]]:
    """Names in `sys.modules` of a fresh Python after some code: `modules_after("import agent")`."""

    def run(code: str, python: str = sys.executable, cwd: Path = ROOT) -> set[str]:
        shown = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
        found = subprocess.run([python, "-c", shown], cwd=cwd, capture_output=True, text=True, check=True, timeout=120)
        return set(json.loads(found.stdout.splitlines()[-1]))

    return run
