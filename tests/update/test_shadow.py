"""Shadow run, switch, trial, return: the real pipeline on a simulated wearer, real bundles, a clock that is told."""

import json
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
import pytest

from agent.audit import AuditLog
from agent.audit_check import entries, examine
from agent.batch import packets
from agent.bundle import default_bundle_path, open_bundle
from agent.clock import ManualClock
from agent.counters import Counters
from agent.errors import OutboxError
from agent.settings import Alarms, Settings, Update
from agent.shadow import LOOK_S, Shadowed
from agent.shelf import Shelf
from agent.signature import Keyring
from agent.simulate import DAY, simulate

CALM = [one for one in DAY if one.kind not in ("fall", "lying", "getting_up", "sensor_fault")]


class Stream:
    """Packets of a recording that is played for ever."""

    def __init__(self, *episodes) -> None:
        self.recording, _ = simulate(np.random.default_rng(3), episodes=list(episodes) or list(DAY))
        self.packets = list(packets(self.recording, 0.5))
        self.length_s = self.packets[-1].received_s + 20.0
        self.turn, self.place = 0, 0

    def read(self, now_s: float):
        due = []
        while True:
            one, shift = self.packets[self.place], 1000.0 + self.turn * self.length_s
            if one.received_s + shift > now_s:
                return due
            due.append(type(one)(one.wearer, one.position, one.times_s + shift, one.samples_g, one.received_s + shift))
            self.place += 1
            if self.place == len(self.packets):
                self.turn, self.place = self.turn + 1, 0

    def close(self) -> None:
        pass


class Outbox:
    def __init__(self) -> None:
        self.events, self.full = [], False

    def put(self, events) -> None:
        if self.full:
            raise OutboxError("disk full")
        self.events += [event for _, event in events]


class Gateway:
    """A gateway without its network."""

    def __init__(self, folder: Path, keyring: Keyring, stream: Stream, **update) -> None:
        self.folder, self.keyring, self.stream, self.update = folder, keyring, stream, update
        self.clock, self.outbox, self.counters = ManualClock(1000.0), Outbox(), Counters()
        self.audit = AuditLog(folder / "audit", self.clock)
        self.audit.write("start")
        self.start()

    def start(self) -> None:
        self.settings = Settings(
            state_dir=str(self.folder),
            update=Update(url="http://x", **{"shadow_s": 200.0, "trial_s": 200.0} | self.update),
            alarms=Alarms(false_alarms_per_day=200.0),
        )
        self.shelf = Shelf(self.folder / "bundles", self.opened, self.clock, self.audit)
        self.agent = Shadowed(
            self.stream, self.outbox, self.counters, self.settings, self.shelf, self.clock.now_s, self.open_now
        )

    def open_now(self, work) -> None:
        """The clock of these tests does not wait for a thread."""
        work()

    def opened(self, folder: Path | None):
        return open_bundle(folder or default_bundle_path(), keyring=self.keyring)

    def offer(self, bundle: Path, *, switch: bool = True) -> str:
        digest = open_bundle(bundle).digest
        self.folder.joinpath("bundles").mkdir(exist_ok=True)
        self.shelf.put(bundle, digest)
        self.shelf.make_offer(digest, switch=switch)
        return digest

    def run(self, seconds: float, until=lambda: False) -> float:
        """Steps of half a second; returns how long it took."""
        began = self.clock.now_s()
        while self.clock.now_s() - began < seconds and not until():
            self.clock.set(self.clock.now_s() + 0.5)
            self.agent.step(self.clock.now_s())
        return self.clock.now_s() - began

    @property
    def phase(self) -> str:
        return self.agent.health()["bundle"]["phase"]

    def said(self, what: str) -> list[dict]:
        return [one.data for one in entries(self.folder / "audit") if one.data.get("what") == what]


@pytest.fixture
def gateway(tmp_path, keyring):
    (tmp_path / "state").mkdir()
    return Gateway(tmp_path / "state", keyring, Stream())


@pytest.fixture
def made(tmp_path, keys, workshop):
    """Make a signed bundle: `made("name", change)`."""

    def make(name: str, change=lambda folder: None) -> Path:
        folder = workshop.copy(default_bundle_path(), tmp_path / f"made_{name}", name)
        change(folder)
        return workshop.sign(folder, keys)

    return make


@pytest.fixture
def shifted(workshop):
    """Change a bundle so that its calibration scores all lie lower (it alarms always) or higher (never)."""

    def by(shift: float):
        def change(folder: Path) -> None:
            import io

            with np.load(folder / "calibration.npz") as archive:
                found = {key: archive[key] + shift * key.endswith("_scores") for key in archive.files}
            buffer = io.BytesIO()
            np.savez_compressed(buffer, **found)
            workshop.put(folder, "calibration.npz", buffer.getvalue())
            judged_anew(folder, workshop)

        return change

    return by


def judged_anew(folder: Path, workshop) -> None:
    """A golden stream that agrees with the files as they are now: its publisher meant them so."""
    import io

    from agent.arrays import read_arrays
    from agent.contents import calibration_of, prototypes_of
    from agent.golden import golden_arrays
    from agent.judge import Model
    from agent.manifest import read_manifest
    from agent.recording import Recording
    from agent.runtime import load

    manifest = read_manifest((folder / "bundle.json").read_bytes(), folder)
    archives = ("prototypes.npz", "calibration.npz", "golden.npz")
    arrays = {name: read_arrays((folder / name).read_bytes(), name) for name in archives}
    names = ("model.onnx", "model.tflite", "model.b1.tflite")
    runtime = load("onnx", {name: (folder / name).read_bytes() for name in names})
    calibration = calibration_of(arrays["calibration.npz"], manifest.layout)
    model = Model(manifest.layout, runtime, prototypes_of(arrays["prototypes.npz"], manifest), calibration)
    stream = {key[7:]: value for key, value in arrays["golden.npz"].items() if key.startswith("stream_")}
    times_s = stream.pop("t_s")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **golden_arrays(Recording("g", "g", times_s, stream), {"onnx": model}))
    workshop.put(folder, "golden.npz", buffer.getvalue())


def test_a_good_bundle_is_a_shadow_then_on_trial_then_in_service(gateway, made):
    gateway.run(30)
    digest = gateway.offer(made("good"))
    gateway.run(10)
    assert gateway.phase == "in service, another is its shadow"
    assert gateway.agent.bundle.origin == "shipped"
    gateway.run(220, until=lambda: gateway.agent.bundle.digest == digest)
    assert gateway.phase == "on trial"
    gateway.run(220)
    assert gateway.phase == "in service"
    assert gateway.agent.bundle.digest == digest
    (switch,) = gateway.agent.health()["bundle"]["switches"]
    assert switch["reason"].startswith("shadow run of 2")
    assert "half-minutes" in switch["reason"]
    assert len(gateway.said("switch")) == len(gateway.said("trial passed")) == 1
    assert examine(gateway.folder / "audit").faults == []


@pytest.mark.slow
def test_the_same_model_under_another_name_gives_the_same_verdicts(gateway, made):
    gateway.run(30)
    gateway.offer(made("twin"))
    gateway.run(190)
    found = gateway.agent.health()["bundle"]["compared"]
    assert found["half_minutes"] >= 2
    old, new = found["verdicts"]["old"], found["verdicts"]["new"]
    assert abs(sum(new.values()) - sum(old.values())) < 30  # it began to hear later
    assert found["alarms"]["old"] >= 1
    assert found["alarms"]["old"] - found["alarms"]["both"] <= 1


@pytest.mark.slow
def test_while_it_is_a_shadow_nothing_of_it_is_published_or_counted(gateway, made):
    gateway.run(30)
    digest = gateway.offer(made("good"))
    gateway.run(150)
    assert gateway.outbox.events
    assert {event.data.bundle_digest for event in gateway.outbox.events} == {gateway.agent.bundle.digest} != {digest}
    alone = Gateway(gateway.folder / "alone", gateway.keyring, Stream())
    alone.run(180)
    assert alone.counters.counts["windows"] == gateway.counters.counts["windows"]
    assert [event.id for event in alone.outbox.events] == [event.id for event in gateway.outbox.events]


@pytest.mark.slow
def test_no_window_is_lost_by_the_switch(gateway, made):
    gateway.run(30)
    digest = gateway.offer(made("good"))
    gateway.run(230, until=lambda: gateway.agent.bundle.digest == digest)
    gateway.run(60)
    alone = Gateway(gateway.folder / "alone", gateway.keyring, Stream())
    alone.run(gateway.clock.now_s() - 1000.0)
    assert abs(alone.counters.counts["windows"] - gateway.counters.counts["windows"]) <= 1


@pytest.mark.slow
def test_events_are_whole_stories_over_a_switch(gateway, made):
    digest = gateway.offer(made("good"))
    gateway.run(800)
    assert gateway.agent.bundle.digest == digest
    gateway.agent.close(gateway.clock.now_s())
    phases = {}
    for event in gateway.outbox.events:
        phases.setdefault(event.id, []).append((event.data.revision, event.data.phase))
    assert len(phases) > 3
    for story in phases.values():
        assert [revision for revision, _ in story] == list(range(len(story)))
        assert (story[0][1], story[-1][1]) == ("start", "end")


def test_a_bundle_that_alarms_always_never_speaks(gateway, made, shifted):
    gateway.run(30)
    digest = gateway.offer(made("loud", shifted(-50.0)))
    took = gateway.run(300, until=lambda: gateway.said("refused"))
    assert took <= 2 * LOOK_S + 5
    assert "a flood of alarms" in gateway.said("refused")[0]["reason"]
    assert digest not in {event.data.bundle_digest for event in gateway.outbox.events}
    gateway.run(60)
    assert gateway.phase == "in service"
    assert len(gateway.said("refused")) == 1  # and is not tried again and again


@pytest.mark.slow
def test_a_bundle_that_never_alarms_never_speaks_either(tmp_path, keyring, made, shifted):
    (tmp_path / "state").mkdir()
    falls = [one for one in DAY if one.kind in ("walking", "fall", "lying", "getting_up")]
    gateway = Gateway(tmp_path / "state", keyring, Stream(*shorter(falls)), shadow_s=2400.0)
    gateway.offer(made("mute", shifted(50.0)))
    gateway.run(2500, until=lambda: gateway.said("refused"))
    assert "fewer alarms" in gateway.said("refused")[0]["reason"]


def shorter(episodes):
    """One after the other, without pauses."""
    import dataclasses

    at_s, moved = 0.0, []
    for one in episodes:
        moved.append(dataclasses.replace(one, start_s=at_s, end_s=at_s + one.end_s - one.start_s))
        at_s = moved[-1].end_s
    return moved


def on_trial(gateway, made) -> str:
    gateway.run(30)
    digest = gateway.offer(made("good"))
    gateway.run(260, until=lambda: gateway.agent.bundle.digest == digest)
    assert gateway.phase == "on trial"
    return digest


@pytest.mark.slow
def test_an_exception_on_trial_is_the_last_one_and_no_packet_is_lost(gateway, made, monkeypatch):
    digest = on_trial(gateway, made)

    def ill(windows):
        raise ValueError("division of a heart by zero")

    monkeypatch.setattr(gateway.agent._speaker.pipeline._judge, "judge", ill)
    assert gateway.run(60, until=lambda: gateway.agent.bundle.digest != digest) <= 1.0
    assert gateway.phase == "in service"
    gateway.run(120)
    switches = gateway.agent.health()["bundle"]["switches"]
    assert switches[0]["reason"] == "exception: ValueError: division of a heart by zero"
    alone = Gateway(gateway.folder / "alone", gateway.keyring, Stream())
    alone.run(gateway.clock.now_s() - 1000.0)
    assert abs(alone.counters.counts["windows"] - gateway.counters.counts["windows"]) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("illness", ["flood", "cannot score", "slow"])
def test_bad_health_on_trial_gives_way_within_a_minute(gateway, made, monkeypatch, illness):
    digest = on_trial(gateway, made)
    player = gateway.agent._speaker
    judge, step = player.pipeline._judge.judge, player.pipeline.step

    def ill(windows):
        judged = judge(windows)
        if illness == "flood":
            judged.verdicts.labels[:] = [False, False, True]
        elif illness == "cannot score":
            judged.surprise.p_value[:] = np.nan
        return judged

    def slow(now_s):
        gateway.clock.set(gateway.clock.now_s() + 2.0)
        return step(now_s)

    monkeypatch.setattr(player.pipeline._judge, "judge", ill)
    if illness == "slow":
        monkeypatch.setattr(
            type(player.pipeline), "step", lambda self, now_s: slow(now_s) if self is player.pipeline else step(now_s)
        )
    assert gateway.run(120, until=lambda: gateway.agent.bundle.digest != digest) <= 60.0
    reason = gateway.agent.health()["bundle"]["switches"][0]["reason"]
    assert {"flood": "flood", "cannot score": "cannot score", "slow": "too"}[illness] in reason
    assert gateway.shelf.service.refused[digest].reason == reason


@pytest.mark.slow
@pytest.mark.parametrize("when", ["on trial", "in service"])
def test_somebody_may_want_the_one_before_at_any_time(gateway, made, when):
    digest = on_trial(gateway, made)
    if when == "in service":
        gateway.run(260)
    assert gateway.phase == when
    gateway.shelf.make_offer(digest, back=True)
    assert gateway.run(10, until=lambda: gateway.agent.bundle.digest != digest) <= 3.0
    assert gateway.agent.health()["bundle"]["switches"][0]["reason"] == "somebody asked for it"
    windows = gateway.counters.counts["windows"]
    gateway.run(30)
    assert gateway.phase == "in service"
    assert gateway.agent.bundle.origin == "shipped"
    assert gateway.counters.counts["windows"] > windows + 40
    gateway.start()
    assert gateway.agent.bundle.origin == "shipped"


@pytest.mark.slow
def test_a_full_outbox_is_no_illness_and_the_switch_waits_for_it(gateway, made):
    gateway.run(30)
    digest = gateway.offer(made("good"))
    gateway.run(100)
    gateway.outbox.full = True
    for _ in range(400):
        gateway.clock.set(gateway.clock.now_s() + 0.5)
        with suppress(OutboxError):
            gateway.agent.step(gateway.clock.now_s())
    assert gateway.agent.bundle.digest != digest or not gateway.said("refused")
    gateway.outbox.full = False
    gateway.run(120, until=lambda: gateway.agent.bundle.digest == digest)
    assert gateway.agent.bundle.digest == digest
    assert gateway.said("refused") == []


@pytest.mark.slow
def test_a_shadow_that_is_only_to_be_compared_does_not_take_over(gateway, made):
    gateway.run(30)
    digest = gateway.offer(made("good"), switch=False)
    gateway.run(260)
    assert gateway.phase == "in service"
    assert gateway.agent.bundle.digest != digest
    assert gateway.shelf.service.refused[digest].only_compared
    assert gateway.shelf.shadow_report()["compared"]["half_minutes"] >= 2
    gateway.shelf.make_offer(digest, switch=True)
    gateway.run(260, until=lambda: gateway.agent.bundle.digest == digest)
    assert gateway.phase == "on trial"


@pytest.mark.slow
def test_a_shadow_run_in_which_nobody_was_heard_shows_nothing(tmp_path, keyring, made):
    (tmp_path / "state").mkdir()

    class Nobody(Stream):
        def read(self, now_s):
            return []

    gateway = Gateway(tmp_path / "state", keyring, Nobody())
    gateway.offer(made("good"))
    gateway.run(1000)
    assert gateway.phase == "in service, another is its shadow"


def test_while_another_bundle_is_opened_the_watching_goes_on(gateway, made, monkeypatch):
    """However long that takes: each step feeds the watchdog, and judges."""
    import threading

    may_open, began = threading.Event(), threading.Event()
    opened = gateway.opened

    def slow(folder):
        began.set()
        assert may_open.wait(60)
        return opened(folder)

    threads = []
    monkeypatch.setattr(
        gateway, "open_now", lambda work: threads.append(threading.Thread(target=work)) or threads[-1].start()
    )
    gateway.start()
    gateway.run(30)
    digest = gateway.offer(made("good"))
    monkeypatch.setattr(gateway.shelf, "_open", slow)
    windows = gateway.counters.counts["windows"]
    gateway.run(100)
    assert began.wait(60)
    assert gateway.phase == "in service"
    assert gateway.counters.counts["windows"] > windows + 150
    may_open.set()
    threads[0].join(60)
    gateway.run(5)
    assert gateway.phase == "in service, another is its shadow"
    assert gateway.said("shadow run begins")[0]["digest"] == digest


@pytest.mark.slow
def test_the_one_before_that_cannot_be_opened_any_more_gives_way_to_that_of_the_settings(gateway, made):
    first = on_trial(gateway, made)
    gateway.run(260)
    second = gateway.offer(made("better"))
    gateway.run(600, until=lambda: gateway.agent.bundle.digest == second)
    gateway.run(260)
    assert (gateway.shelf.service.digest, gateway.shelf.service.before) == (second, first)
    (gateway.folder / "bundles" / first / "model.onnx").write_bytes(b"")
    gateway.shelf.make_offer(second, back=True)
    gateway.run(10)
    assert gateway.agent.bundle.origin == "shipped"
    assert gateway.shelf.service.digest == ""


def test_an_offer_that_cannot_be_opened_is_refused_and_named(gateway, made, tmp_path):
    gateway.run(5)
    bundle = made("good")
    digest = gateway.offer(bundle)
    (gateway.folder / "bundles" / digest / "model.onnx").write_bytes(b"")
    gateway.run(5)
    assert "differs from its digest" in gateway.said("refused")[0]["reason"]
    assert gateway.phase == "in service"


# --- starts -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_restart_goes_on_with_the_trial_and_the_old_one_stands_by(gateway, made):
    digest = on_trial(gateway, made)
    gateway.agent.close(gateway.clock.now_s())
    gateway.start()
    assert gateway.agent.bundle.digest == digest
    assert gateway.phase == "on trial"
    gateway.run(260)
    assert gateway.phase == "in service"
    assert gateway.agent.bundle.digest == digest


def test_a_bundle_that_kills_the_agent_twice_in_its_trial_is_given_up(gateway, made):
    digest = on_trial(gateway, made)
    gateway.start()  # killed: nobody said goodbye
    assert gateway.agent.bundle.digest == digest
    gateway.start()
    assert gateway.agent.bundle.origin == "shipped"
    assert "killed or crashed 2 times" in gateway.agent.health()["bundle"]["switches"][0]["reason"]


@pytest.mark.slow
def test_clean_restarts_in_the_trial_are_nobodys_fault(gateway, made):
    digest = on_trial(gateway, made)
    for _ in range(5):
        gateway.agent.close(gateway.clock.now_s())
        gateway.start()
        assert gateway.agent.bundle.digest == digest


@pytest.mark.slow
@pytest.mark.parametrize("damage", [b"", b"spoilt", None])
def test_a_bundle_that_is_spoilt_on_the_disk_gives_way_to_the_one_of_the_package(gateway, made, damage):
    digest = on_trial(gateway, made)
    gateway.run(260)
    assert gateway.phase == "in service"
    path = gateway.folder / "bundles" / digest / "calibration.npz"
    path.unlink() if damage is None else path.write_bytes(damage)
    gateway.start()
    assert gateway.agent.bundle.origin == "shipped"
    gateway.run(10)
    assert "calibration.npz" in gateway.agent.health()["bundle"]["switches"][0]["reason"]


@pytest.mark.parametrize("content", [b"", b"null", b"{", b'{"digest": "../../etc"}', b"\xff"])
def test_a_spoilt_note_of_what_is_in_service_means_the_bundle_of_the_settings(gateway, content):
    (gateway.folder / "bundles").mkdir()
    (gateway.folder / "bundles" / "service.json").write_bytes(content)
    (gateway.folder / "bundles" / "offer.json").write_bytes(content)
    gateway.start()
    assert gateway.agent.bundle.origin == "shipped"
    gateway.run(5)


def test_without_a_repository_in_the_settings_nothing_of_all_this_is_there(tmp_path, keyring):
    audit = AuditLog(tmp_path / "audit", ManualClock())
    shelf = Shelf(None, lambda _: open_bundle(default_bundle_path(), keyring=keyring), ManualClock(), audit)
    agent = Shadowed(Stream(), Outbox(), Counters(), Settings(state_dir=str(tmp_path)), shelf)
    agent.step(1100.0)
    agent.close(1101.0)
    assert [path.suffix for path in tmp_path.iterdir()] == [".state"]  # what is known of the wearers, and no more


@pytest.mark.slow
def test_each_bundle_keeps_what_it_has_learnt_of_the_wearers(gateway, made):
    digests = {gateway.agent.bundle.digest, on_trial(gateway, made)}
    gateway.agent.close(gateway.clock.now_s())
    kept = {path.stem for path in gateway.folder.glob("wearers-*.state")}
    assert kept == {f"wearers-{digest[:16]}" for digest in digests}


@pytest.mark.slow
def test_a_disk_that_takes_nothing_delays_the_switch_and_stops_nobody(gateway, made, monkeypatch):
    gateway.run(30)
    digest = gateway.offer(made("good"))
    gateway.run(50)
    full = OSError(28, "No space left on device")
    monkeypatch.setattr("agent.shelf.write_durably", lambda *_: (_ for _ in ()).throw(full))
    gateway.run(300)
    assert gateway.agent.bundle.digest != digest
    monkeypatch.undo()
    gateway.run(300, until=lambda: gateway.agent.bundle.digest == digest)
    assert gateway.agent.bundle.digest == digest


@pytest.mark.slow
def test_health_says_who_speaks_and_why_in_json(gateway, made):
    on_trial(gateway, made)
    told = json.loads(msgspec.json.encode(gateway.agent.health()))["bundle"]
    assert {"id", "digest", "origin", "phase", "runtime", "switches", "compared"} <= set(told)
