"""The conversion to LiteRT: both batch sizes, names kept, ranges that leave room for what is strange."""

import importlib.util
import shutil
from dataclasses import replace

import numpy as np
import pytest

for name in ("torch", "onnx", "onnxscript", "sklearn"):
    pytest.importorskip(name, reason=f"{name} is absent: the conversion to LiteRT is NOT tested")

import torch  # noqa: E402
from torch import nn  # noqa: E402

from agent.batch import cut_recording  # noqa: E402
from agent.bundle import open_bundle  # noqa: E402
from agent.features import extract  # noqa: E402
from agent.manifest import FURTHER  # noqa: E402
from agent.runtime import FILES, OUTPUTS, load  # noqa: E402
from export import __main__ as command  # noqa: E402
from export import litert, make  # noqa: E402
from export.pack import present, seal, size, write_golden  # noqa: E402
from export.parity import figures, holds  # noqa: E402
from training.augment import distort  # noqa: E402
from training.errors import TrainingError  # noqa: E402
from training.model import Student  # noqa: E402

MORE = (*OUTPUTS, "out_spread", "out_fault", "out_known")
converts = pytest.mark.skipif(
    importlib.util.find_spec("litert_torch") is None,
    reason="litert-torch is absent: the conversion to LiteRT is NOT tested (`make test-litert` sets it up)",
)


class Dilated(nn.Module):
    """A small network of the kind that is to come: axes in the height, dilated depthwise blocks, more outputs."""

    def __init__(self, width: int = 16, parts: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, (2, 8), stride=(2, 4), padding=(0, 2))
        self.deep = nn.ModuleList(
            nn.Conv2d(width, width, (1, 5), padding=(0, 2 * d), dilation=(1, d), groups=width) for d in (1, 2, 4)
        )
        self.wide = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in self.deep)
        self.describe = nn.Conv2d(width, parts, (1, 8), stride=(1, 8))
        self.look = nn.Linear(16 * parts, 64)
        self.heads = nn.ModuleList(nn.Linear(64, size) for size in (16 * parts, 16 * parts, 1, 7, 2))

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        hidden = torch.relu(self.stem(features.unsqueeze(1)))
        for deep, wide in zip(self.deep, self.wide, strict=True):
            hidden = torch.relu(hidden + wide(torch.relu(deep(hidden))))
        embedding = self.describe(hidden).flatten(1)
        seen = torch.relu(self.look(embedding))
        expected, log_variance, spread, fault, known = (head(seen) for head in self.heads)
        return embedding, expected, log_variance, spread.squeeze(1), fault, known


@pytest.fixture(scope="module")
def windows(simulated, bundle):
    """Half of them distorted, as export takes them."""
    samples = cut_recording(simulated, bundle.model.layout).samples_g
    samples = np.concatenate([samples, distort(samples, np.random.default_rng(0))])
    return extract(samples, bundle.model.layout.segments)


@pytest.fixture(scope="module", params=["the next student", "today's student"])
def converted(request, windows, tmp_path_factory):
    """The network, the names of its outputs, and the folders of both forms."""
    torch.manual_seed(2)
    network, names = (
        (Dilated(), MORE) if request.param == "the next student" else (Student(width=8, context=8), OUTPUTS)
    )
    fp32, int8 = tmp_path_factory.mktemp("fp32"), tmp_path_factory.mktemp("int8")
    litert.write_fp32(network, 128, fp32, names)
    litert.write_int8(fp32, windows, int8)
    return network, names, fp32, int8


def run(folder, features):
    return load("litert", {name: (folder / name).read_bytes() for name in FILES["litert"]}).run(features)


@converts
def test_fp32_is_the_network_at_any_number_of_rows(converted, windows):
    network, names, fp32, _ = converted
    with torch.no_grad():
        wanted = dict(zip(names, network(torch.from_numpy(windows)), strict=True))
    for rows in (1, 2, 60, 64, 131):
        for found, name in zip(run(fp32, windows[:rows]), OUTPUTS, strict=True):
            assert np.allclose(found, wanted[name][:rows].numpy(), atol=1e-4)


@converts
def test_int8_is_near_fp32(converted, windows):
    _, _, fp32, int8 = converted
    for full, small in zip(run(fp32, windows), run(int8, windows), strict=True):
        assert np.corrcoef(full.ravel(), small.ravel())[0, 1] > 0.99
        assert np.abs(full - small).mean() < 0.1 * full.std()


@converts
def test_both_sizes_of_a_form_give_the_same_numbers(converted, windows):
    _, _, _, int8 = converted
    one_by_one = [run(int8, windows[row : row + 1]) for row in range(64)]
    for field, whole in enumerate(run(int8, windows[:64])):
        assert np.array_equal(np.concatenate([answer[field] for answer in one_by_one]), whole)


@converts
def test_every_output_keeps_its_name(converted):
    from ai_edge_litert.interpreter import Interpreter

    _, names, fp32, int8 = converted
    for folder in (fp32, int8):
        for file, rows in litert.ROWS.items():
            interpreter = Interpreter(model_path=str(folder / file))
            (signature,) = interpreter.get_signature_list().values()
            assert set(signature["outputs"]) == set(names)
            assert interpreter.get_input_details()[0]["shape"].tolist() == [rows, 8, 128]
            assert {tensor["dtype"] for tensor in interpreter.get_output_details()} == {np.float32}


@converts
def test_the_ranges_are_the_true_extremes_of_all_windows(converted, windows):
    _, _, fp32, _ = converted
    found = litert.ranges(litert._quantizer(fp32 / "model.tflite"), windows)
    given = next(values for name, values in found.items() if litert.INPUT in name)
    whole = windows[: len(windows) // litert.BATCH * litert.BATCH]
    assert float(np.min(given["min"])) == pytest.approx(whole.min())
    assert float(np.max(given["max"])) == pytest.approx(whole.max())


@converts
def test_the_strangest_windows_are_not_cut_off(converted, windows):
    _, _, fp32, int8 = converted
    full, small = run(fp32, windows).embedding, run(int8, windows).embedding
    length = np.linalg.norm(full, axis=1)
    strangest = np.argsort(length)[-20:]
    assert np.allclose(np.linalg.norm(small[strangest], axis=1), length[strangest], rtol=0.1)


@converts
def test_a_bundle_with_the_files_opens_on_both_runtimes_with_the_same_verdicts(small_bundle, bundle, tmp_path):
    """In fp32: the scores of a student that was never trained vary less than 8 bits can tell apart."""
    folder, model = shutil.copytree(small_bundle, tmp_path / "both"), bundle.model
    torch.manual_seed(1)
    student = Student(segments=model.layout.segments, width=8, context=8)  # that of `small_bundle`
    shutil.copyfile(folder / "fp32.onnx", folder / "model.onnx")
    litert.write_fp32(student, model.layout.window_samples, folder)
    runtimes = {name: load(name, {file: (folder / file).read_bytes() for file in FILES[name]}) for name in FILES}
    models = {name: replace(model, runtime=runtime) for name, runtime in runtimes.items()}
    write_golden(models, folder / "golden.npz")
    sealed = seal(bundle.manifest, folder)
    assert set(FURTHER) < set(sealed.manifest.files)
    assert set(present(folder)) == set(sealed.manifest.files)
    assert size(folder) > size(small_bundle)
    assert "litert" in open_bundle(folder, "litert").model.runtime.package


def test_export_says_at_once_what_is_missing(monkeypatch, tmp_path, capsys):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(litert.importlib, "import_module", absent)
    assert command.main([str(tmp_path / "no_run"), str(tmp_path / "out"), "--litert"]) == 2
    told = capsys.readouterr().err
    assert "make bundle-litert" in told
    assert told.count("\n") == 1


def test_fp32_ships_where_int8_is_not_good_enough(tmp_path):
    for form in make.LITERT_FORMS:
        (tmp_path / form).mkdir()
        for name in FILES["litert"]:
            (tmp_path / form / name).write_text(form)
    good = {"roc_auc_fp32": 0.9, "average_precision_fp32": 0.7} | {
        f"{figure}_{form}": value
        for form in make.LITERT_FORMS
        for figure, value in (("roc_auc", 0.899), ("average_precision", 0.698), ("alarm_agreement", 0.995))
    }
    assert make._ship_litert(good, tmp_path) == "litert_int8"
    for worse in ({"roc_auc_litert_int8": 0.89}, {"alarm_agreement_litert_int8": 0.98}):
        assert make._ship_litert(good | worse, tmp_path) == "litert_fp32"
        assert (tmp_path / "model.tflite").read_text() == "litert_fp32"
    with pytest.raises(TrainingError, match="without --litert"):
        make._ship_litert(good | {f"roc_auc_{form}": 0.5 for form in make.LITERT_FORMS}, tmp_path)


def test_figures_of_a_form_are_taken_on_the_rows_that_all_can_score():
    truth = np.array([0, 0, 1, 1, 1])
    full = np.array([0.1, 0.2, 2.0, 3.0, np.nan])
    found = figures(truth > 0, {"fp32": full, "int8": full, "rough": np.array([3.0, 0.2, 2.0, np.nan, 1.0])})
    assert found["windows"] == 3
    assert found["roc_auc_fp32"] == found["alarm_agreement"] == 1
    assert found["roc_auc_rough"] == 0.5
    assert found["alarm_agreement_rough"] == pytest.approx(2 / 3, abs=1e-4)
    assert holds(found, "int8")
    assert not holds(found, "rough")
