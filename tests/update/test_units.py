"""The timer that one may opt in to: locked up as far as its work allows."""

import re
import shutil
import subprocess

import pytest


@pytest.fixture
def systemd() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("NOT TESTED: no systemd-analyze")
    return found


def test_the_updater_is_exposed_little(systemd, root):
    command = [systemd, "security", "--offline=true", str(root / "deploy" / "veille-update.service")]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert exposure, said
    assert float(exposure.group(1)) <= 2.0


def test_the_timer_starts_the_updater_and_nothing_else(root):
    assert (root / "deploy" / "veille-update.timer").exists()
    unit = (root / "deploy" / "veille-update.service").read_text()
    commands = [line for line in unit.splitlines() if line.startswith("Exec")]
    assert commands == ["ExecStart=/opt/veille/bin/veille update --config /etc/veille/agent.toml"]
