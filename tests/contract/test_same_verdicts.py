"""However the windows come, the verdicts are the same: judging and learning take turns by the wearer's own time."""

import itertools
from dataclasses import fields, replace

import numpy as np
import pytest

from agent.batch import cut_recording
from agent.bundle import default_bundle_path, open_bundle
from agent.judge import Judge
from agent.recording import Recording
from agent.records import NORMAL, NOVELTY, Windows
from agent.simulate import simulate

ALPHA = 1 / 120
LAPS = 5
"""Ten minutes: half-minutes close in each regime, and a fall and a stuck sensor come five times."""


@pytest.fixture(scope="module")
def model():
    return open_bundle(default_bundle_path()).model


@pytest.fixture(scope="module")
def two_wearers(model):
    """Windows of two wearers by turns, in order of time."""
    parts = []
    for wearer in range(2):
        laps = [simulate(np.random.default_rng(10 * wearer + lap))[0] for lap in range(LAPS)]
        length_s = laps[0].times_s[-1] - laps[0].times_s[0] + 0.02
        times = np.concatenate([lap.times_s + n * length_s for n, lap in enumerate(laps)])
        samples = {name: np.concatenate([lap.positions[name] for lap in laps]) for name in laps[0].positions}
        cut = cut_recording(Recording("laps", f"w{wearer}", times, samples), model.layout)
        parts.append(replace(cut, wearer=cut.wearer + wearer, stream=cut.stream + len(samples) * wearer))
    return joined(parts)


def joined(parts):
    """Several records as one, in order of time."""
    before = np.cumsum([0] + [len(part.end_s) for part in parts[:-1]])
    ends = np.concatenate([part.end_s for part in parts])
    order = np.argsort(ends, kind="stable")
    place = np.argsort(order)
    owner = place[np.concatenate([part.owner + n for part, n in zip(parts, before, strict=True)])]
    rows = np.argsort(owner, kind="stable")

    def of_rows(name):
        return np.concatenate([getattr(part, name) for part in parts])[rows]

    wearer = np.concatenate([part.wearer for part in parts])[order]
    return Windows(wearer, ends[order], owner[rows], of_rows("stream"), of_rows("family"), of_rows("samples_g"))


def taken(windows, start, stop):
    """Windows start to stop."""
    rows = (windows.owner >= start) & (windows.owner < stop)
    return Windows(
        windows.wearer[start:stop],
        windows.end_s[start:stop],
        windows.owner[rows] - start,
        windows.stream[rows],
        windows.family[rows],
        windows.samples_g[rows],
    )


def ticks(count, seed):
    cuts = np.random.default_rng(seed).integers(1, 400, count).cumsum()
    return [0, *cuts[cuts < count].tolist(), count]


def test_a_tick_without_windows_is_no_trouble(model, two_wearers):
    judged = Judge(model, ALPHA).judge(taken(two_wearers, 0, 0))
    assert len(judged.verdicts.labels) == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_verdicts_do_not_depend_on_the_size_of_the_ticks(model, two_wearers, seed):
    at_once, stream = Judge(model, ALPHA), Judge(model, ALPHA)
    whole = at_once.judge(two_wearers)
    bounds = ticks(len(two_wearers.end_s), seed)
    parts = [stream.judge(taken(two_wearers, a, b)) for a, b in itertools.pairwise(bounds)]
    assert whole.surprise.own.max() >= 3  # else nothing was learnt, and nothing is shown
    assert whole.verdicts.labels[:, [NORMAL, NOVELTY]].any(axis=0).all()
    for record in ("surprise", "verdicts", "standing"):
        for field in fields(getattr(whole, record)):
            if field.name == "leading_row":  # counts rows of the tick
                continue
            one = getattr(getattr(whole, record), field.name)
            many = np.concatenate([getattr(getattr(part, record), field.name) for part in parts])
            # the network's batches differ in the last bits of a score
            assert np.allclose(one, many, rtol=1e-3, atol=1e-6, equal_nan=True), field.name
    for wearer in range(2):
        one, other = at_once.prudence.own.state(wearer), stream.prudence.own.state(wearer)
        for name, values in one.items():
            assert np.allclose(values, other[name], rtol=1e-3, atol=1e-6), name
