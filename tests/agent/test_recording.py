"""The recording format: what is written reads back the same, and every fault is named with its place."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from agent.errors import RecordingError
from agent.recording import SUFFIXES, Recording, read_recording, write_recording

HEADER = "t_s,wrist_x_g,wrist_y_g,wrist_z_g"


def written(folder: Path, text: str, name: str = "walk.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    """The message with which a file is refused: one line that names the file."""
    with pytest.raises(RecordingError) as caught:
        read_recording(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message[len(str(path)) + 2 :]


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    size = draw(st.integers(1, 30))
    times = draw(arrays.arrays(np.float64, size, elements=st.floats(-1e9, 2e9), unique=True))
    sample = st.one_of(st.floats(-16, 16, width=32), st.just(np.nan))
    names = draw(st.lists(st.sampled_from(["waist", "left_wrist", "ankle-2", "x"]), min_size=1, unique=True))
    positions = {name: draw(arrays.arrays(np.float32, (size, 3), elements=sample)) for name in names}
    in_g = {name: samples / np.float32(16) for name, samples in positions.items()}
    return Recording("walk", "walk", np.sort(times), in_g)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recording=recordings())
def test_what_is_written_reads_back_bit_for_bit(recording: Recording, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"walk{suffix}"
    write_recording(recording, path)
    back = read_recording(path)
    assert (back.name, back.wearer, list(back.positions)) == ("walk", "walk", list(recording.positions))
    np.testing.assert_array_equal(back.times_s, recording.times_s)
    for position, samples in recording.positions.items():
        assert back.positions[position].dtype == np.float32
        np.testing.assert_array_equal(back.positions[position], samples)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.text(alphabet="0123456789.,-+eEn a\n\r_'\"xf", max_size=80))
def test_any_text_is_read_or_refused_but_never_crashes(body: str, tmp_path: Path) -> None:
    path = written(tmp_path, f"{HEADER}\n{body}")
    try:
        recording = read_recording(path)
    except RecordingError:
        assert refusal(path)
    else:
        assert (np.diff(recording.times_s) > 0).all()
        assert recording.positions["wrist"].shape == (len(recording.times_s), 3)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60), suffix=st.sampled_from(SUFFIXES))
def test_any_bytes_are_read_or_refused_but_never_crash(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"walk{suffix}"
    path.write_bytes(content)
    with pytest.raises(RecordingError):
        read_recording(path)


def test_empty_cells_are_missing_samples(tmp_path: Path) -> None:
    path = written(tmp_path, f"{HEADER},hip_x_g,hip_y_g,hip_z_g\n0,,0,1,,,\n0.02,0, ,1,0,0,1\n0.04,,,,nan,,1\n")
    recording = read_recording(path)
    missing = np.isnan(np.hstack([recording.positions["wrist"], recording.positions["hip"]]))
    assert missing.tolist() == [
        [True, False, False, True, True, True],
        [False, True, False, False, False, False],
        [True, True, True, True, True, False],
    ]


def test_spreadsheet_habits_are_accepted(tmp_path: Path) -> None:
    """Byte-order mark, CRLF, quoted header, spaces, blank lines at the end."""
    path = tmp_path / "walk.csv"
    header = ",".join(f'"{name}"' for name in HEADER.split(","))
    path.write_bytes(b"\xef\xbb\xbf" + f"{header}\r\n0, 0 ,0,1\r\n0.02,0,0,\r\n  \r\n\r\n".encode())
    recording = read_recording(path)
    assert recording.times_s.tolist() == [0.0, 0.02]
    assert np.isnan(recording.positions["wrist"][1, 2])


def test_wearer_is_the_stem_made_fit_for_a_topic_unless_given(tmp_path: Path) -> None:
    path = written(tmp_path, f"{HEADER}\n0,0,0,1\n", "visit 12.1_bed#3.csv")
    assert read_recording(path).name == "visit 12.1_bed#3"
    assert read_recording(path).wearer == "visit_12_1_bed_3"
    assert read_recording(path, wearer="anna").wearer == "anna"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (f"{HEADER}\n", "has a header but no samples"),
        ("a,b\n1,2\n", "no column t_s"),
        ("t_s\n1\n", "holds only t_s"),
        ("t_s,wrist_x_g,wrist_y_g\n0,1,2\n", "position wrist lacks column wrist_z_g"),
        ("t_s,wrist_x_mg\n0,1\n", "column 'wrist_x_mg' is neither t_s nor"),
        (f"{HEADER},label\n0,0,0,1,1\n", "column 'label' is neither t_s nor"),
        (f"{HEADER},t_s\n0,0,0,1,1\n", "column t_s occurs twice"),
        (f"{HEADER}\n0,0,0,1\n0.02,0,x,1\n", "line 3, column wrist_y_g: 'x' is not a number"),
        (f"{HEADER}\n0,0,0,1\n\n0.02,0,1_0,1\n", "line 4, column wrist_y_g: '1_0' is not a number"),
        (f"{HEADER}\n0,0,0,1\nnan,0,0,1\n", "line 3, column t_s: the time is nan"),
        (f"{HEADER}\n,0,0,1\n", "line 2, column t_s: '' is not a number; every row needs a time"),
        (f"{HEADER}\n0,0,0,1\n0.02,0,0\n", "line 3 has 3 cells, the header 4"),
        (f"{HEADER}\n0;0;0;1\n", "line 2 has 1 cells, the header 4"),
        (f"{HEADER}\n0,0,0,1\ninf,0,0,1\n", "line 3, column t_s: the time is inf"),
        (f"{HEADER}\n0,0,0,1\n0.04,0,0,1\n0.02,0,0,1\n", "line 4, column t_s: the time 0.02 runs backwards from 0.04"),
        (f"{HEADER}\n0,0,0,1\n\n0.02,0,0,1\n0.02,0,0,1\n", "line 5, column t_s: the time 0.02 is repeated"),
        (f"{HEADER}\n0,0,0,1\n0.02,0,0,inf\n", "line 3, column wrist_z_g: infinite"),
        (f"{HEADER}\n0,0,0,1\n0.02,0,0,1e39\n", "line 3, column wrist_z_g: infinite"),
        (
            f"{HEADER}\n0,0,0,9.8\n0.02,0,0,9.7\n",
            "position wrist looks like m/s^2 (median length 9.75), not g: divide by 9",
        ),
        (
            f"{HEADER}\n0,0,0,1000\n0.02,0,0,998\n",
            "position wrist looks like milli-g (median length 999), not g: divide",
        ),
    ],
)
def test_fault_in_a_csv_is_named_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    assert refusal(written(tmp_path, text)).startswith(message)


def test_a_fall_is_not_taken_for_another_unit(tmp_path: Path) -> None:
    """The median decides: a few samples of 12 g on a worn sensor are a fall."""
    body = "".join(f"{i / 50},0,0,{12 if 40 < i < 50 else 1}\n" for i in range(100))
    assert len(read_recording(written(tmp_path, f"{HEADER}\n{body}")).times_s) == 100


def test_directory_missing_file_and_unknown_suffix_are_named(tmp_path: Path) -> None:
    assert refusal(tmp_path).startswith("is a directory")
    assert refusal(tmp_path / "gone.csv").startswith("cannot be read: No such file")
    assert refusal(written(tmp_path, "x", "walk.txt")).startswith("unknown suffix '.txt'")
    recording = Recording("a", "a", np.arange(2.0), {"wrist": np.zeros((2, 3), np.float32)})
    with pytest.raises(RecordingError, match="unknown suffix"):
        write_recording(recording, tmp_path / "walk.txt")
    with pytest.raises(RecordingError, match="cannot be written"):
        write_recording(recording, tmp_path / "no" / "folder" / "walk.csv")


def test_binary_file_with_a_csv_name_is_named(tmp_path: Path) -> None:
    path = tmp_path / "walk.csv"
    path.write_bytes(b"\x89PNG\r\n\xff\xfe")
    assert "is not UTF-8 text" in refusal(path)


def test_npz_faults_are_named(tmp_path: Path) -> None:
    path = tmp_path / "walk.npz"
    good = {"t_s": np.arange(3.0), **{f"wrist_{axis}_g": np.ones(3, np.float32) for axis in "xyz"}}
    np.savez(path, **(good | {"wrist_x_g": np.ones(4)}))
    assert refusal(path).startswith("column wrist_x_g has 4 samples, t_s has 3")
    np.savez(path, **(good | {"t_s": np.array([0.0, 2.0, 1.0])}))
    assert refusal(path).startswith("row 2, column t_s: the time 1 runs backwards from 2")
    np.savez(path, **(good | {"wrist_x_g": np.array(["a", "b", "c"])}))
    assert "must be one row of numbers" in refusal(path)
    np.savez(path, **{name: values[:0] for name, values in good.items()})
    assert refusal(path) == "has no samples"
    np.savez(path, **(good | {"wrist_x_g": np.array([{}, {}, {}])}), allow_pickle=True)
    assert refusal(path).startswith("is not a readable .npz file of plain arrays")


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    recording = Recording("a", "a", np.arange(500.0), {"wrist": np.zeros((500, 3), np.float32)})
    for suffix in (".npz", ".parquet"):
        path = tmp_path / f"walk{suffix}"
        write_recording(recording, path)
        path.write_bytes(path.read_bytes()[:200])
        assert "is not a readable" in refusal(path)


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "x", "walk.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert "veille[parquet]" in refusal(path)


def test_a_large_csv_is_read_quickly(tmp_path: Path) -> None:
    """100,000 rows, some missing: about 0.2 s on a workstation; the limit leaves room for a busy one."""
    samples = np.random.default_rng(0).normal(size=(100_000, 3)).astype(np.float32)
    samples[100:200] = np.nan
    path = tmp_path / "walk.csv"
    write_recording(Recording("walk", "walk", np.arange(100_000) / 50, {"wrist": samples}), path)
    start = time.process_time()
    read_recording(path)
    assert time.process_time() - start < 1.0
