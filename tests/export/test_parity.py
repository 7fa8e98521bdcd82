"""What the forms of the network are compared by, and which of them are near enough to ship."""

import numpy as np
import pytest

for name in ("torch", "onnx", "onnxscript", "sklearn"):
    pytest.importorskip(name, reason=f"{name} is absent: parity is NOT tested")

from export.parity import ALARM_SCORE, LARGEST_LOSS, LEAST_AGREEMENT, figures, holds, parity  # noqa: E402
from training.windows import NormalWindows  # noqa: E402

NEAR = {
    "roc_auc_fp32": 0.95,
    "roc_auc_int8": 0.948,
    "average_precision_fp32": 0.9,
    "average_precision_int8": 0.91,
    "alarm_agreement": 0.995,
}


def drawn(count=400, seed=0):
    """Whether a window holds a fall, and fp32's scores, higher where it does."""
    rng = np.random.default_rng(seed)
    truth = rng.random(count) < 0.2
    return truth, rng.normal(size=count) + 2 * truth


def test_a_form_that_says_the_same_loses_nothing_and_agrees():
    truth, score = drawn()
    found = figures(truth, {"fp32": score, "int8": score.copy()})
    assert found["roc_auc_fp32"] == found["roc_auc_int8"] > 0.8
    assert found["average_precision_fp32"] == found["average_precision_int8"]
    assert (found["alarm_agreement"], found["anomaly_ranks_int8"], found["windows"]) == (1, 1, 400)
    assert holds(found, "int8")


def test_agreement_is_the_share_of_windows_on_the_same_side_of_an_alarm():
    fp32, int8 = np.zeros(100), np.zeros(100)
    fp32[:10], int8[:7], int8[99] = np.arange(10) + 2, np.arange(7) + 2, ALARM_SCORE + 1
    assert figures(fp32 > 0, {"fp32": fp32, "int8": int8})["alarm_agreement"] == pytest.approx(0.96)


def test_saturated_ranges_show_in_the_ranks_of_what_is_strange():
    truth, score = drawn()
    saturated = np.minimum(score, ALARM_SCORE + 0.5)
    turned = np.where(score > ALARM_SCORE, 2 * ALARM_SCORE + 5 - score, score)
    assert figures(truth, {"fp32": score, "int8": saturated})["anomaly_ranks_int8"] < 0.95
    assert figures(truth, {"fp32": score, "int8": turned})["anomaly_ranks_int8"] == -1


def test_each_further_form_has_figures_of_its_own():
    truth, score = drawn()
    found = figures(truth, {"fp32": score, "int8": score, "litert_int8": -score})
    assert found["alarm_agreement"] == 1
    assert found["alarm_agreement_litert_int8"] < 0.9
    assert holds(found, "int8")
    assert not holds(found, "litert_int8")


def test_rows_that_one_form_cannot_score_count_for_none():
    truth, score = drawn()
    holed = score.copy()
    holed[:50] = np.nan
    found = figures(truth, {"fp32": score, "int8": holed})
    assert found["windows"] == 350
    assert found == figures(truth[50:], {"fp32": score[50:], "int8": score[50:]})


@pytest.mark.parametrize(
    ("figure", "value", "ships"),
    [
        ("alarm_agreement", LEAST_AGREEMENT, True),
        ("alarm_agreement", LEAST_AGREEMENT - 0.001, False),
        ("roc_auc_int8", 0.95 - LARGEST_LOSS + 1e-4, True),
        ("roc_auc_int8", 0.95 - LARGEST_LOSS - 1e-4, False),
        ("average_precision_int8", 0.9 - LARGEST_LOSS - 1e-4, False),
        ("average_precision_int8", 1.0, True),
    ],
)
def test_a_form_ships_where_it_loses_little_and_agrees(figure, value, ships):
    assert holds(NEAR, "int8")
    assert holds(NEAR | {figure: value}, "int8") == ships


def test_where_nobody_fell_only_the_agreement_is_asked_for():
    from export.make import finite

    _, score = drawn()
    found = finite(figures(np.zeros(400, np.bool_), {"fp32": score, "int8": score, "litert_int8": -score}))
    assert not any(name.startswith("roc_auc") for name in found)
    assert holds(found, "int8")
    assert not holds(found, "litert_int8")


def test_real_forms_are_compared_as_a_whole_and_for_each_dataset(bundle, simulated):
    from agent.batch import cut_recording

    windows = cut_recording(simulated, bundle.model.layout)
    rows = windows.stream == 0
    end_s = windows.end_s[windows.owner][rows]
    count = len(end_s)
    wearer = np.where(np.arange(count) % 2, "sisfall-SA01", "umafall-3")
    lot = NormalWindows(
        windows.samples_g[rows],
        windows.family[rows],
        wearer,
        np.char.add(wearer, "/r/wrist"),
        end_s,
        np.arange(count),
        ((end_s > 64) & (end_s < 67)).astype(np.int8),
        np.zeros(count, np.bool_),
    )
    model = bundle.model
    found = parity({"fp32": model.runtime, "int8": model.runtime}, model.prototypes, model.layout, lot)
    assert found["windows"] == found["sisfall.windows"] + found["umafall.windows"] == count
    assert found["alarm_agreement"] == found["sisfall.alarm_agreement"] == 1
    assert found["roc_auc_fp32"] == found["roc_auc_int8"]
