"""Killed at any moment, updater and agent leave a gateway that starts with a bundle that was verified."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from agent.audit import AuditLog
from agent.audit_check import examine
from agent.clock import WallClock
from agent.settings import read_settings
from agent.shelf import shelf_of

CHILD = Path(__file__).with_name("killed_child.py")
POINTS = [pytest.param(6, id="6"), pytest.param(50, id="50", marks=[pytest.mark.slow, pytest.mark.timeout(900)])]


@pytest.fixture
def child(site, root):
    def run(point: int, *what: object) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, str(CHILD), str(point), str(site.state), *map(str, what)]
        environment = os.environ | {"PYTHONPATH": str(root)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    return run


def start(site):
    """What an agent does at its start; raises where no bundle can be opened."""
    settings = read_settings(site.config)
    audit = AuditLog(site.state / "audit", WallClock())
    shelf = shelf_of(settings, WallClock(), audit)
    bundle, _ = shelf.begin()
    shelf.stopped()
    return shelf, bundle


def touches(told: "subprocess.CompletedProcess[str]") -> int:
    assert told.returncode == 0, told.stderr
    return int(told.stdout.split()[-1])


@pytest.mark.parametrize("many", POINTS)
def test_the_updater_killed_anywhere(site, child, many):
    valid = {site.publish("first")}
    all_touches = touches(child(0, "update", site.config))
    assert all_touches > 100
    _, shipped = start(site)
    assert shipped.origin == "shipped"
    draw, killed, starts = random.Random(8), 0, 0
    while killed < many:
        valid.add(site.publish(f"b{starts}"))
        told = child(draw.randint(1, all_touches), "update", site.config)
        killed += told.returncode == -9  # a run that has less to do may end before its point
        starts += 1
        shelf, bundle = start(site)
        assert bundle.origin == "shipped"
        offer = shelf.offer()
        assert offer is not None
        assert shelf.open(offer.digest).digest in valid  # whatever is offered is whole
        assert examine(site.state / "audit").faults == []
    print(f"{killed} kills among {all_touches} touches, {starts} of {starts} starts with a valid bundle")
    newest = site.publish("last")
    touches(child(0, "update", site.config))
    assert start(site)[0].offer().digest == newest
    left = {path.name for path in (site.state / "bundles").iterdir()}
    assert len(left) < 12, left


@pytest.mark.parametrize("many", POINTS)
def test_the_agent_killed_anywhere_while_it_changes_bundles(site, child, many):
    digest = site.publish("first")
    touches(child(0, "update", site.config))
    all_touches = touches(child(0, "switch", site.config, digest))
    standings = set()
    for point in random.Random(9).sample(range(1, all_touches + 1), many):
        child(point, "switch", site.config, digest)
        _, bundle = start(site)
        standings.add(bundle.origin)
        assert bundle.digest == digest or bundle.origin == "shipped"
        assert examine(site.state / "audit").faults == []
    assert standings <= {"shipped", "signed"}
    print(f"{many} kills among {all_touches} touches: always {standings}")
