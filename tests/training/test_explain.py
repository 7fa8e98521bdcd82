"""How explanations are judged: the teacher's gradients are those of its own score, and what an explanation may cost."""

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: the gradients are NOT tested")

from agent.batch import cut_recording  # noqa: E402
from agent.bundle import default_bundle_path, open_bundle  # noqa: E402
from agent.explain import Explainer  # noqa: E402
from agent.judge import Judge  # noqa: E402
from agent.records import NORMAL, NOVELTY  # noqa: E402
from agent.simulate import simulate  # noqa: E402
from training.cost import ALONE, PEER, costs_ms  # noqa: E402
from training.describe import describe  # noqa: E402
from training.errors import TrainingError  # noqa: E402
from training.gradients import _described, integrated_gradients, of_teacher  # noqa: E402
from training.injected import recent_in  # noqa: E402
from training.lessons import standard_of  # noqa: E402
from training.teacher import Teacher  # noqa: E402
from training.weights import load_teacher, save_weights  # noqa: E402

SEGMENTS, SAMPLES = 4, 128


def windows(seed, count=20):
    """(n, 3, samples) in g: something moves along each axis, more in some windows."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, 3, SAMPLES)) * rng.uniform(0.05, 1, (count, 3, 1)) + [[0], [0], [1]]).astype("f4")


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(1)
    made = Teacher(channels=8, samples=SAMPLES, segments=SEGMENTS, families=5, width=16, depth=2, members=3)
    return made.eval(), standard_of(windows(0), SEGMENTS)


def test_the_description_that_gradients_pass_through_is_the_closed_form():
    samples = windows(2)
    there = _described(torch.from_numpy(samples), SEGMENTS).numpy()
    assert there == pytest.approx(describe(samples, SEGMENTS), abs=1e-4)


def test_a_teacher_is_read_back_with_sizes_from_its_arrays(teacher, tmp_path):
    made, standard = teacher
    save_weights(made, standard, tmp_path / "teacher.npz")
    again, said = load_teacher(tmp_path / "teacher.npz")
    samples = torch.from_numpy(windows(3))
    assert torch.equal(of_teacher(again, said)(samples), of_teacher(made, standard)(samples))
    (tmp_path / "other.npz").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match="python -m training train"):
        load_teacher(tmp_path / "other.npz")


def test_integrated_gradients_add_up_to_what_the_teacher_finds_strange_beyond_what_was_expected(teacher):
    first = teacher[0]

    def smooth(samples):  # the strangest segment alone would change on the way, and the integral has a kink there
        return of_teacher(first, teacher[1])(samples).sqrt()

    for seed in range(6):
        came, expected = windows(10 + seed, 2)
        expected = came + 0.05 * (expected - came)
        judged = SimpleNamespace(windows=SimpleNamespace(samples_g=came[None]))
        retrial = SimpleNamespace(judged=judged, rows=np.array([0]), leading=0)
        shares = integrated_gradients(smooth, retrial, expected, SEGMENTS)
        assert shares.shape == (3, SEGMENTS)
        with torch.no_grad():
            there, before = smooth(torch.from_numpy(np.stack([came, expected]))).tolist()
        assert shares.sum() == pytest.approx(there - before, abs=0.02 + 0.05 * abs(there - before))


@pytest.fixture(scope="module")
def judged():
    bundle = open_bundle(default_bundle_path())
    recording = simulate(np.random.default_rng(0))[0]
    found = {}
    for kind, alpha in (("an alarm", 24 / 2880), ("a doubt", 8 / 2880)):
        judge = Judge(bundle.model, alpha)
        judged = judge.judge(cut_recording(recording, bundle.model.layout))
        labels = judged.verdicts.labels
        wanted = labels[:, NOVELTY] & ~labels[:, NORMAL] if kind == "an alarm" else labels.sum(axis=1) > 1
        found[kind] = Explainer(judge, recent_in(judged)), judged, np.flatnonzero(wanted)
    return found


@pytest.mark.parametrize("kind", ["an alarm", "a doubt"])
def test_an_explanation_costs_a_few_calls_of_the_network(judged, kind):
    """Beside a peer in the same run, since machines differ: one row read by the network takes a third of a ms here."""
    explainer, found, chosen = judged[kind]
    assert len(chosen)
    rows = [costs_ms(kind, explainer, found, int(window), ["right_wrist", "waist"]) for window in chosen[:5]]
    peer, whole, alone = (np.median([row[name] for row in rows]) for name in (PEER, f"explaining {kind}", ALONE))
    assert whole < 25 * peer
    assert alone < 2 * peer
