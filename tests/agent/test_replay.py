"""`replay` writes exactly the stated scores and events, the same each time."""

import csv
import io

import numpy as np
import pytest

from agent import events
from agent.errors import RecordingError
from agent.recording import Recording, write_recording
from agent.replay import SCORES_HEADER, replay_recordings
from agent.settings import Alarms, Settings
from agent.simulate import Episode, simulate
from agent.sources.replay import ReplaySource

SETTINGS = Settings(alarms=Alarms(false_alarms_per_day=576))


@pytest.fixture
def replay(bundle):
    def run(*paths, wearer=None):
        scores, told, steps = io.StringIO(), io.StringIO(), []
        summary = replay_recordings(
            list(paths),
            bundle=bundle,
            settings=SETTINGS,
            wearer=wearer,
            scores=scores,
            events=told,
            on_progress=lambda done, total: steps.append((done, total)),
        )
        rows = list(csv.reader(io.StringIO(scores.getvalue())))
        return summary, rows, [events.decode(line.encode()) for line in told.getvalue().splitlines()], steps

    return run


@pytest.fixture
def short(tmp_path):
    path = tmp_path / "short.csv"
    write_recording(simulate(np.random.default_rng(4), episodes=[Episode(0, 20, "walking")])[0], path)
    return path


def test_the_scores_file_has_its_stated_columns_and_one_row_a_window(replay, simulated_csv):
    summary, rows, _, _ = replay(simulated_csv)
    assert tuple(rows[0]) == SCORES_HEADER
    assert len(rows) - 1 == summary.windows
    ends = [float(row[2]) for row in rows[1:]]
    assert np.allclose(np.diff(ends), 0.5)
    assert ends[0] == pytest.approx(2.56)
    assert ends[-1] > 119
    for row in rows[1:]:
        assert row[:2] == ["simulated_two_minutes", "simulated_two_minutes"]
        assert set(row[7].split("|")) <= {"normal", "noise", "novelty"}
        if row[3]:
            assert 0 <= float(row[5]) <= float(row[4]) <= float(row[6]) <= 1


def test_the_parts_stand_after_the_verdict_empty_where_a_position_has_none(replay, simulated_csv):
    _, rows, told, _ = replay(simulated_csv)
    assert rows[0][7:] == ["verdict", "open", "fall", "freezing"]
    scored = [row for row in rows[1:] if row[3]]
    assert all(np.isfinite([float(row[8]), float(row[9])]).all() for row in scored)
    assert {row[10] for row in rows[1:]} == {""}  # wrist and waist have no legs
    novelty = next(event.data for event in told if event.data.kind == "novelty" and event.data.phase == "start")
    assert set(novelty.parts) == {"open", "fall"}
    ends = {round(float(row[2]), 3): row for row in scored}
    row = ends[round(sum(float(x) * s for x, s in zip(novelty.start[14:-1].split(":"), (60, 1), strict=True)), 3)]
    for name, column in (("open", 8), ("fall", 9)):
        assert float(row[column]) >= novelty.parts[name].score - 1e-4  # of the strongest position


def test_legs_have_freezing_and_it_is_high_where_they_tremble(replay, tmp_path):
    rng, times_s = np.random.default_rng(0), np.arange(60 * 50) / 50
    hz = np.where(times_s < 30, 1.5, 5.0)[:, None]
    samples_g = 0.4 * np.sin(2 * np.pi * hz * times_s[:, None]) + rng.normal(0, 0.02, (3000, 3)) + [0, 0, 1]
    path = tmp_path / "legs.npz"
    write_recording(Recording("legs", "w", times_s, {"left_ankle": samples_g.astype(np.float32)}), path)
    _, rows, _, _ = replay(path)
    freezing = np.array([[float(row[2]), float(row[10])] for row in rows[1:]])
    steps, trembles = (freezing[part, 1] for part in (freezing[:, 0] < 30, freezing[:, 0] > 36))
    assert trembles.min() > steps.max()


def test_the_fall_is_the_strangest_of_the_two_minutes(replay, simulated_csv):
    _, rows, told, _ = replay(simulated_csv)
    scored = [row for row in rows[1:] if row[3]]
    strangest = max(scored, key=lambda row: float(row[3]))
    assert 63 < float(strangest[2]) < 68
    assert strangest[7] == "novelty"
    assert any(event.data.kind == "novelty" for event in told)


def test_events_are_counted_in_order_and_summed_up(replay, simulated_csv):
    summary, _, told, steps = replay(simulated_csv)
    assert [event.seq for event in told] == list(range(1, len(told) + 1))
    assert summary.events == len(told)
    assert steps == [(0, 1), (1, 1)]
    assert summary.recordings == 1


def test_two_replays_write_the_same_bytes(replay, simulated_csv):
    one, two = replay(simulated_csv), replay(simulated_csv)
    assert one[1:3] == two[1:3]


def test_the_wearer_can_be_named(replay, short):
    _, rows, told, _ = replay(short, wearer="p7")
    assert {row[1] for row in rows[1:]} == {"p7"}
    assert {event.subject for event in told} <= {"p7"}


def test_each_recording_is_a_wearing_of_its_own(replay, short, simulated_csv):
    _, both, _, _ = replay(short, simulated_csv)
    _, one, _, _ = replay(short)
    _, two, _, _ = replay(simulated_csv)
    assert both == [*one, *two[1:]]


def test_unix_times_are_kept(replay, tmp_path):
    recording = simulate(np.random.default_rng(4), episodes=[Episode(0, 20, "walking")])[0]
    path = tmp_path / "unix.npz"
    times_s = recording.times_s + 1_732_350_000.0
    write_recording(Recording("unix", "w", times_s, recording.positions), path)
    _, rows, _, _ = replay(path)
    assert float(rows[1][2]) == pytest.approx(1_732_350_002.56, abs=0.5)


def test_windows_that_could_not_be_scored_have_empty_cells(replay, tmp_path):
    recording = simulate(np.random.default_rng(4), episodes=[Episode(0, 20, "walking")])[0]
    recording.positions["waist"][400:600] = np.nan
    path = tmp_path / "holed.npz"
    write_recording(Recording("holed", "w", recording.times_s, {"waist": recording.positions["waist"]}), path)
    _, rows, _, _ = replay(path)
    empty = [row for row in rows[1:] if row[3] == ""]
    assert empty
    assert all(row[4:7] == row[8:] == ["", "", ""] for row in empty)
    assert all("noise" in row[7] for row in empty)


def test_samples_that_are_missing_at_first_do_not_shift_the_others(replay, tmp_path):
    recording = simulate(np.random.default_rng(4), episodes=[Episode(0, 20, "walking")])[0]
    holed = {name: samples.copy() for name, samples in recording.positions.items()}
    holed["waist"][25:50] = np.nan  # the end of the first packet
    paths = tmp_path / "whole.npz", tmp_path / "holed.npz"
    write_recording(recording, paths[0])
    write_recording(Recording("holed", "w", recording.times_s, holed), paths[1])
    whole, found = (replay(path)[1] for path in paths)
    assert [row[2:] for row in found[24:]] == [row[2:] for row in whole[24:]]  # after the habit has forgotten it


def test_a_recording_of_an_unknown_position_is_refused_in_one_line(replay, tmp_path):
    path = tmp_path / "ear.npz"
    write_recording(Recording("ear", "w", np.arange(500) / 50, {"ear": np.ones((500, 3), np.float32)}), path)
    with pytest.raises(RecordingError, match="knows no position ear") as caught:
        replay(path)
    assert "\n" not in str(caught.value)


def test_a_recording_shorter_than_a_window_gives_no_row(replay, tmp_path):
    path = tmp_path / "short.npz"
    samples = np.tile(np.float32([0, 0, 1]), (50, 1))
    write_recording(Recording("short", "w", np.arange(50) / 50, {"waist": samples}), path)
    summary, rows, told, _ = replay(path)
    assert (summary.windows, len(rows), told) == (0, 1, [])


def test_a_source_gives_each_packet_once_when_its_time_has_come(simulated):
    source = ReplaySource(simulated, 1.0)
    assert source.read(0.5) == []
    early = source.read(10.0)
    assert early
    assert all(packet.received_s <= 10 for packet in early)
    assert source.read(10.0) == []
    rest = source.read(1e9)
    assert source.ended
    assert sum(len(packet.times_s) for packet in early + rest) == 12_000


def test_a_closed_source_has_ended(simulated):
    source = ReplaySource(simulated)
    source.close()
    assert source.ended
    assert source.read(1e9) == []
