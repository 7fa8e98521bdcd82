import numpy as np
import pytest

from agent.batch import cut_recording
from agent.errors import SettingsError
from agent.layout import POSITIONS, Layout
from agent.limbs.learned import Detector
from agent.limbs.measure import Measurer
from agent.recording import Recording, read_recording, write_recording
from training.__main__ import main

LAYOUT, SIDES = Layout(positions=POSITIONS), np.array([0, 1])


def _arm(times_s, used, seed):
    """Reaches to and fro while in use; else hangs and drifts a little."""
    swing = np.radians(30) * np.sin(np.pi * times_s) * used
    hang = 1.2 * ~used
    up = np.stack([np.sin(swing + hang), 0 * times_s, np.cos(swing + hang)], axis=1)
    return (up + np.random.default_rng(seed).normal(0, 0.01, up.shape)).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    """Three wearers; the left arm is in use every other twenty seconds, the right one every third."""
    lines = ["recording,side,start_s,end_s"]
    for seed, wearer in enumerate(("anna", "bert", "cleo")):
        times = np.arange(240 * 50) / 50
        uses = {side: (times // 20).astype(int) % every == 0 for side, every in (("left", 2), ("right", 3))}
        positions = {f"{side}_wrist": _arm(times, used, 10 * seed + n) for n, (side, used) in enumerate(uses.items())}
        write_recording(Recording(f"{wearer}_one", wearer, times, positions), tmp_path / f"{wearer}_one.npz")
        for side, every in (("left", 2), ("right", 3)):
            lines += [f"{wearer}_one,{side},{start},{start + 20}" for start in range(0, 240, 20 * every)]
    (tmp_path / "use.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_one_command_learns_a_detector_and_the_live_path_uses_it(folder, capsys):
    out = folder / "use.npz"
    out_of_the_way = folder.parent / "use.npz"
    assert main(["limbs-detector", str(folder), "--out", str(out_of_the_way)]) == 0
    said = capsys.readouterr().out
    assert all(f"{wearer} left out: Youden" in said for wearer in ("anna", "bert", "cleo"))
    detector = Detector.open(out_of_the_way)
    windows = cut_recording(read_recording(folder / "anna_one.npz"), LAYOUT)
    seconds = Measurer(LAYOUT, detector=detector).measure(windows, SIDES)
    begun = seconds.end_s > 30  # an answer comes ten seconds late
    told = seconds.by_learned[begun].mean(axis=0)
    assert told == pytest.approx([1 / 2, 1 / 3], abs=0.08)
    assert not Measurer(LAYOUT).measure(windows, SIDES).by_learned.any()
    assert not out.exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "No such file"),
        ("recording,side\nanna_one,left", "line 2"),
        ("recording,side,start_s,end_s\nanna_one,up,0,20", "side is left or right"),
        ("recording,side,start_s,end_s\nanna_one,left,20,10", "start_s lies before end_s"),
        ("recording,side,start_s,end_s\ndora,left,0,20", "no recording dora"),
        ("recording,side,start_s,end_s\nanna_one,left,900,920", "both used and unused"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_clear_line(folder, capsys, table, message):
    (folder / "use.csv").unlink()
    if table is not None:
        (folder / "use.csv").write_text(table)
    assert main(["limbs-detector", str(folder)]) == 2
    assert message in capsys.readouterr().err


def test_a_detector_that_is_none_is_refused_by_name(tmp_path):
    with pytest.raises(SettingsError, match="limbs-detector"):
        Detector.open(tmp_path / "none.npz")
