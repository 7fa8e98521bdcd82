"""The .deb on a machine that is really booted: slow, and only where that can be had."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("systemd-nspawn", "mmdebstrap", "dpkg-deb")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_service_under_a_real_systemd():
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"NOT TESTED under a real systemd: needs root and {', '.join(missing) or 'nothing else'}")
    told = subprocess.run(["make", "check-service"], cwd=ROOT, capture_output=True, text=True, timeout=880)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "purged: nothing left" in told.stdout
