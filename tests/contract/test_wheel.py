"""What people install: one small package, four dependencies, the model inside, nothing heavy."""

import json
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from importlib import util
from pathlib import Path

import pytest

HEAVY = {"torch", "pandas", "scipy", "sklearn", "pyarrow", "matplotlib", "amqtt", "fhir", "pydantic"}
DEPENDENCIES = {"numpy", "onnxruntime", "paho-mqtt", "msgspec"}
MODULES = ("agent", "agent.cli.main", "agent.pipeline", "agent.gateway", "agent.consumer.__main__")
LARGEST_MODEL = 1_500_000
"""Bytes of the packed bundle."""


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory) -> str:
    """Python of an empty environment that holds the wheel and what it asks for."""
    place = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, timeout=120)
    python = str(place / "bin" / "python")
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)]
    installed = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert installed.returncode == 0, installed.stderr
    return python


def run(python: str, *arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([python, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_holds_the_agent_and_nothing_else(wheel):
    tops = {name.split("/")[0] for name in names(wheel)}
    assert tops == {"agent", next(top for top in tops if top.endswith(".dist-info"))}
    assert not [name for name in names(wheel) if "__pycache__" in name or "/test" in name]


def test_every_module_of_the_agent_is_in_the_wheel(wheel, root):
    sources = {str(path.relative_to(root)) for path in (root / "agent").rglob("*.py")}
    assert sources <= set(names(wheel))


def test_the_model_ships_inside_and_is_small(wheel, root):
    if not (root / "agent" / "shipped_bundle" / "bundle.json").exists():
        pytest.skip("NOT TESTED: no bundle has been packed into agent/shipped_bundle yet")
    with zipfile.ZipFile(wheel) as archive:
        shipped = [entry for entry in archive.infolist() if entry.filename.startswith("agent/shipped_bundle/")]
    assert {"bundle.json", "model.onnx"} <= {entry.filename.split("/")[-1] for entry in shipped}
    assert sum(entry.file_size for entry in shipped) <= LARGEST_MODEL


def test_the_wheel_asks_for_four_packages(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = message_from_bytes(archive.read(next(n for n in names(wheel) if n.endswith("METADATA"))))
    asked = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert {line.split(">")[0].split(";")[0].strip() for line in asked} == DEPENDENCIES
    assert set(metadata.get_all("Provides-Extra", [])) == {"demo", "fhir", "litert", "parquet", "update"}


@pytest.mark.parametrize("module", MODULES)
def test_it_imports_alone_and_loads_nothing_heavy(python, modules_after, tmp_path, module):
    loaded = modules_after(f"import {module}", python=python, cwd=tmp_path)
    assert not {name.split(".")[0] for name in loaded} & HEAVY


@pytest.mark.parametrize("module", MODULES)
def test_it_loads_nothing_heavy_even_where_that_is_installed(modules_after, module):
    if util.find_spec("torch") is None:
        pytest.skip("NOT TESTED: torch is not installed here, so nothing could be loaded by accident")
    loaded = modules_after(f"import {module}")
    assert not {name.split(".")[0] for name in loaded} & HEAVY


def test_no_one_else_owns_the_name_agent(python, tmp_path):
    code = "import importlib.metadata as m; print(m.packages_distributions()['agent'])"
    assert run(python, "-c", code, cwd=tmp_path).stdout.strip() == "['veille']"


def test_training_stays_at_home(python, tmp_path):
    for module in ("training", "export", "torch"):
        assert run(python, "-c", f"import {module}", cwd=tmp_path).returncode != 0


def test_the_command_tells_its_version(python, root, tmp_path):
    told = run(str(Path(python).with_name("veille")), "--version", cwd=tmp_path)
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    assert (told.returncode, told.stdout) == (0, f"veille {version}\n")


def test_the_shipped_model_verifies_where_nothing_else_is_installed(python, root, tmp_path):
    if not (root / "agent" / "shipped_bundle" / "bundle.json").exists():
        pytest.skip("NOT TESTED: no bundle has been packed into agent/shipped_bundle yet")
    told = run(python, "-m", "agent", "bundle", "verify", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "is whole" in told.stdout


def test_the_doctor_names_the_extra_that_is_missing(python, tmp_path):
    (tmp_path / "agent.toml").write_text('runtime = "litert"\n')
    told = run(python, "-m", "agent", "doctor", "--config", "agent.toml", "--only", "extra", "--json", cwd=tmp_path)
    assert [finding["fault"] for finding in json.loads(told.stdout)] == ["extra_missing"]
