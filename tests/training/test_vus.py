"""VUS-PR: the numbers of the packages that the published tables were made with."""

import time

import numpy as np
import pytest

from training.vus import vus_pr

LOCKED = (
    # seed, rows, events, ties, buffer -> what `vus` 0.0.6 and `TSB-AD` 1.5 both give (`RangeAUC_volume_opt`, 250)
    (0, 1000, 3, False, 20, 0.26773438161318047),
    (1, 1000, 3, True, 20, 0.22758653599252981),
    (2, 300, 6, False, 15, 0.765231443141808),
    (3, 3000, 10, False, 101, 0.9647451627126344),
    (4, 60, 2, True, 7, 0.4428717617597559),
    (5, 2000, 1, False, 0, 0.9152635776509432),
    (6, 500, 4, False, 40, 0.812615369453855),
    (7, 2000, 30, False, 100, 0.9958996050048261),
)


def made(seed: int, rows: int, events: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores that find some of them; seed 6 has an event at either end."""
    rng = np.random.default_rng(seed)
    label = np.zeros(rows, dtype=np.int8)
    for start in rng.integers(0, rows, events):
        label[start : start + rng.integers(1, max(2, rows // 20))] = 1
    score = np.convolve(rng.normal(size=rows) + label * rng.uniform(0.3, 2), np.ones(5) / 5, "same")
    if seed == 6:
        label[:5] = label[-3:] = 1
    return label, np.round(score * 2) / 2 if ties else score


@pytest.mark.parametrize(("seed", "rows", "events", "ties", "buffer", "expected"), LOCKED)
def test_figures_are_those_of_both_packages(
    seed: int, rows: int, events: int, ties: bool, buffer: int, expected: float
) -> None:
    assert vus_pr(*made(seed, rows, events, ties), buffer) == pytest.approx(expected, abs=1e-9)


def test_figures_are_those_of_the_package_that_is_installed() -> None:
    """The package wants tensorflow, so it is not among our needs; where someone has it, all are compared afresh."""
    package = pytest.importorskip("vus.utils.metrics", reason="vus is not installed: stored figures alone are tested")
    for seed, rows, events, ties, buffer, _ in LOCKED:
        label, score = made(seed, rows, events, ties)
        theirs = package.metricor().RangeAUC_volume_opt(label.astype(int), score, buffer, 250)[-1]
        assert vus_pr(label, score, buffer) == pytest.approx(theirs, abs=1e-9)


def test_only_the_order_of_scores_counts() -> None:
    label, score = made(0, 1000, 3, ties=False)
    assert vus_pr(label, np.exp(3 * score), 20) == pytest.approx(vus_pr(label, score, 20), abs=1e-12)


def test_without_both_classes_there_is_no_figure() -> None:
    score = np.arange(10.0)
    assert np.isnan(vus_pr(np.zeros(10, dtype=np.int8), score, 3))
    assert np.isnan(vus_pr(np.ones(10, dtype=np.int8), score, 3))


def test_a_score_that_is_a_little_late_is_nearly_right() -> None:
    label = np.zeros(2000, dtype=np.int8)
    label[500:600] = label[1500:1560] = 1
    late = np.roll(label, 10) + np.linspace(0, 0.1, 2000)
    assert vus_pr(label, late.astype(float), 100) > vus_pr(label, late.astype(float), 0) > 0.5


def test_forty_thousand_rows_take_no_more_than_seconds() -> None:
    label, score = made(9, 40_000, 40, ties=False)
    begun = time.perf_counter()
    vus_pr(label, score, 125)
    assert time.perf_counter() - begun < 10  # 0.2 s on one idle core
