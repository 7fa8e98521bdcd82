"""The whole way, from packets to kept events: the same whatever the packets and ticks; nothing stops it."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from agent.batch import packets
from agent.counters import Counters
from agent.errors import OutboxError
from agent.pipeline import MOST_WAITING, Pipeline
from agent.settings import Alarms, Settings

ALARMS = Alarms(false_alarms_per_day=576)  # the small bundle's calibration cannot promise less


class Script:
    """A source that hands out packets when their time has come."""

    def __init__(self, played):
        self.coming = sorted(played, key=lambda packet: packet.received_s)

    def read(self, now_s):
        due = list(itertools.takewhile(lambda packet: packet.received_s <= now_s, self.coming))
        self.coming = self.coming[len(due) :]
        return due

    def close(self):
        self.coming = []


class Kept:
    """An outbox in memory that can be full."""

    def __init__(self):
        self.events, self.topics, self.full = [], [], False

    def put(self, pairs):
        if self.full:
            raise OutboxError("disk full")
        self.topics += [topic for topic, _ in pairs]
        self.events += [event for _, event in pairs]


@pytest.fixture(scope="module")
def run(bundle):
    """Play packets through a pipeline; gives it, what was kept, and its counters."""

    def play(played, tick_s=1.0, end_s=None, **settings):
        played, kept, counters = list(played), Kept(), Counters()
        chosen = Settings(**{"alarms": ALARMS, "max_wearers": 300} | settings)
        pipeline = Pipeline(Script(played), bundle, chosen, kept, counters)
        now_s = min((packet.received_s for packet in played), default=0.0)
        end_s = max((packet.received_s for packet in played), default=0.0) if end_s is None else end_s
        while now_s < end_s + tick_s:
            pipeline.step(now_s)
            now_s += tick_s
        pipeline.finish(end_s)
        return pipeline, kept, counters

    return play


@pytest.fixture(scope="module")
def expected(run, simulated):
    """The events of the simulated two minutes, one packet and one step a second."""
    return run(packets(simulated))[1].events


def essence(events):
    """What must not depend on packets and ticks; scores may differ in the last digit with the batch."""
    return [(e.id, e.data.phase, e.data.revision, e.data.start, e.data.end, tuple(e.data.verdict)) for e in events]


def by_id(events):
    return sorted(essence(events))


def test_the_simulated_fall_and_fault_become_events_with_start_and_end(run, simulated):
    _, kept, counters = run(packets(simulated))
    starts = {e.data.kind: e for e in kept.events if e.data.phase == "start"}
    assert {"novelty", "sensor_fault"} <= starts.keys()
    ids = {e.id for e in kept.events}
    assert {e.id for e in kept.events if e.data.phase == "end"} == ids
    assert kept.topics[0].startswith("veille/v1/site/gateway/wearer/simulated/event/")
    assert counters.counts["samples"] == 12_000


@pytest.mark.parametrize(("packet_s", "tick_s"), [(0.1, 0.1), (0.35, 2.0), (2.0, 1.0), (1.0, 10.0), (1.0, 200.0)])
def test_events_and_their_ids_do_not_depend_on_packets_and_ticks(run, simulated, expected, packet_s, tick_s):
    found = run(packets(simulated, packet_s), tick_s)[1].events
    assert by_id(found) == by_id(expected)


def test_the_same_recording_again_gives_the_same_events(run, simulated, expected):
    assert run(packets(simulated))[1].events == expected


def test_every_kind_of_bad_packet_is_counted_and_stops_nothing(run, simulated, expected, packet):
    good = list(packets(simulated))
    nan = np.full((50, 3), np.nan, np.float32)
    one = packet(30.0, wearer="simulated")
    bad = [
        replace(one, samples_g=nan),
        replace(one, samples_g=nan + np.inf),
        replace(one, times_s=one.times_s[:0], samples_g=nan[:0]),
        replace(one, times_s=one.times_s[::-1]),
        replace(one, times_s=one.times_s * np.nan),
        replace(one, position="left_ear"),
        replace(one, wearer="stranger"),
        replace(one, samples_g=nan[:, :2]),
        replace(one, times_s=np.linspace(30, 60, 50)),
        *[good[57]] * 3,
        packet(25.0, wearer="simulated"),
    ]
    settings = {"wearers": ("simulated",)}
    _, kept, counters = run(good + [replace(one, received_s=31.0 + n / 100) for n, one in enumerate(bad)], **settings)
    assert by_id(kept.events) == by_id(expected)
    named = {"empty_packet", "non_finite", "time_backwards", "unknown_position", "unknown_wearer", "bad_fields"}
    assert named | {"too_long", "duplicate_packets", "late_packets"} <= counters.snapshot().keys()


@pytest.mark.parametrize("factor", [9.80665, 1000.0])
def test_a_sensor_in_another_unit_raises_no_alarm(run, simulated, factor):
    wrong = [replace(one, samples_g=one.samples_g * np.float32(factor)) for one in packets(simulated)]
    _, kept, counters = run(wrong)
    assert kept.events == []
    assert counters.counts["unit_mismatch"] == len(wrong)


def test_numbers_that_no_sensor_gives_stop_nothing(run, simulated):
    played = [replace(one, samples_g=one.samples_g.copy()) for one in packets(simulated)]  # the recording serves others
    for number, one in enumerate(played[20:60]):
        one.samples_g[number % 50] = [1e30, -1e30, 3e38][number % 3]
    pipeline, _, counters = run(played)
    assert counters.counts["windows"] > 200
    assert pipeline.health()["waiting"] == 0


def test_a_silent_position_does_not_silence_the_other(run, simulated):
    played = [one for one in packets(simulated) if one.position == "right_wrist" or one.received_s < 30]
    _, kept, counters = run(played)
    novelty = [e for e in kept.events if e.data.kind == "novelty" and e.data.phase == "start"]
    assert any("01:0" in e.data.start for e in novelty)  # the fall, at 64 s
    assert set(novelty[-1].data.positions) == {"right_wrist"}
    assert counters.counts["windows"] >= 230


def test_two_hundred_wearers_get_what_each_would_get_alone(run, simulated):
    played = [one for one in packets(simulated) if 61 < one.received_s < 68]
    many = [replace(one, wearer=f"w{n}") for one in played for n in range(200)]
    _, kept, _ = run(many)
    alone = run([replace(one, wearer="w7") for one in played])[1].events
    mine = [e for e in kept.events if e.subject == "w7"]
    assert alone
    assert by_id(mine) == by_id(alone)
    assert len(kept.events) == 200 * len(alone)


def test_more_wearers_than_the_limit_are_refused_and_the_others_go_on(run, simulated):
    played = [one for one in packets(simulated) if one.received_s < 10]
    many = [replace(one, wearer=f"w{n}") for one in played for n in range(5)]
    pipeline, _, counters = run(many, max_wearers=3)
    assert pipeline.health()["wearers"] == 3
    assert counters.counts["too_many_wearers"] == 2 * len(played)


def test_events_wait_while_the_outbox_is_full_and_none_is_lost(bundle, simulated, expected):
    kept, refusals = Kept(), 0
    pipeline = Pipeline(Script(packets(simulated)), bundle, Settings(alarms=ALARMS), kept, Counters())
    for now_s in range(125):
        kept.full = 40 < now_s < 110
        try:
            pipeline.step(float(now_s))
        except OutboxError:
            refusals += 1
    pipeline.finish(125.0)
    assert refusals > 0
    assert essence(kept.events) == essence(expected)
    assert pipeline.health()["waiting"] == 0


def test_waiting_events_are_bounded_and_what_is_dropped_is_counted(run, simulated):
    pipeline, kept, counters = run(packets(simulated))
    kept.full = True
    for _ in range(3):
        with pytest.raises(OutboxError):
            pipeline._keep(kept.events * (MOST_WAITING // len(kept.events)))
    assert pipeline.health()["waiting"] <= MOST_WAITING
    assert counters.counts["events_dropped"] > MOST_WAITING


def test_a_gap_of_a_year_does_nothing_bad(run, simulated):
    year_s = 365.25 * 86_400
    played = list(packets(simulated))
    later = [
        replace(one, times_s=one.times_s + year_s, received_s=one.received_s + year_s) for one in packets(simulated)
    ]
    pipeline, kept, counters = run(played, end_s=played[-1].received_s)
    before = sum(event.data.kind not in ("silence", "summary") for event in kept.events)
    _, both, _ = run(played + later, tick_s=year_s / 4)
    silence = [event for event in both.events if event.data.kind == "silence"]
    summaries = [event for event in both.events if event.data.kind == "summary"]
    assert {event.data.summary.period for event in summaries} == {"day", "hour"}  # of the trunk; there is one wrist
    assert len(both.events) - len(silence) - len(summaries) == pytest.approx(2 * before, abs=2)
    # The year, and the quarter after the end: a start and an end each.
    assert len(silence) == 4 * len(simulated.positions)
    assert pipeline._streams.ring.nbytes < 2**20
    assert counters.counts["events_dropped"] == 0


def test_states_and_health_tell_who_was_heard(run, simulated):
    pipeline, _, _ = run(packets(simulated))
    assert pipeline.states()["simulated"]["verdict"]
    assert pipeline.states() == {}
    assert pipeline.health()["streams"] == 2


def test_a_step_without_packets_does_nothing(run):
    pipeline, kept, counters = run([])
    assert pipeline.step(1e9) == []
    assert kept.events == []
    assert counters.snapshot() == {}
