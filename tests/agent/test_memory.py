"""What is known of the wearers survives a restart, or is refused whole: never a wrong promise."""

import hashlib

import msgspec
import numpy as np
import pytest

from agent.adapt import AdaptiveLevel
from agent.counters import Counters
from agent.memory import KEPT_FILES, MAGIC, SAVE_S, Memory, Packed, Saved
from agent.own import Own

BLOCK, LEVEL, WEIGHT, DIGEST = 4, 1 / 120, 30.0, "0123456789abcdef" * 4


class Agent:
    """Two parts that remember, and their memory."""

    def __init__(self, folder, digest=DIGEST):
        self.own, self.level, self.counters = Own(WEIGHT, BLOCK, LEVEL), AdaptiveLevel(LEVEL, WEIGHT), Counters()
        self.memory = Memory(folder, digest, {"own": self.own, "level": self.level}, self.counters)

    def wear(self, wearer, half_minutes, seed=0):
        rng = np.random.default_rng(seed)
        for score in rng.normal(size=half_minutes):
            cell = np.full(BLOCK, 3 * wearer + 1)
            self.own.make_room(cell)
            self.own.learn(cell, np.full(BLOCK, score), np.full(BLOCK, rng.random()), np.zeros(BLOCK, bool))
            self.level.learn(np.array([wearer]), np.array([score > 2]))
        cell = np.full(BLOCK - 1, 3 * wearer)
        self.own.make_room(cell)
        self.own.learn(cell, np.full(BLOCK - 1, 0.5), np.full(BLOCK - 1, 0.5), np.zeros(BLOCK - 1, bool))


def same(one, other):
    assert one.keys() == other.keys()
    return all(np.array_equal(one[name], other[name]) for name in one)


def saved(folder):
    agent = Agent(folder)
    agent.memory.recall(["anna", "bert"])
    agent.wear(0, 50)
    agent.wear(1, 3, seed=1)
    agent.memory.save(["anna", "bert"], 0.0, at_once=True)
    return agent


def file_of(folder):
    return next(folder.glob("wearers-*.state"))


def test_what_was_learnt_is_there_again_after_a_restart_whatever_the_order(tmp_path):
    before, after = saved(tmp_path), Agent(tmp_path)
    after.memory.recall(["bert"])
    after.memory.recall(["bert", "carl", "anna"])
    for old, new in ((0, 2), (1, 0)):
        assert same(before.own.state(old), after.own.state(new))
        assert same(before.level.state(old), after.level.state(new))
    assert after.own.half_minutes(1).sum() == 0
    assert not after.counters.snapshot()


def test_a_wearer_who_does_not_come_is_kept_for_another_day(tmp_path):
    before, second = saved(tmp_path), Agent(tmp_path)
    second.memory.recall(["bert"])
    second.memory.save(["bert"], 0.0, at_once=True)
    third = Agent(tmp_path)
    third.memory.recall(["anna"])
    assert same(before.own.state(0), third.own.state(0))


def test_it_is_saved_now_and_then_and_also_after_the_clock_was_set_back(tmp_path):
    agent = Agent(tmp_path)
    for now_s, written in ((1000.0, False), (1000.0 + SAVE_S - 1, False), (1000.0 + SAVE_S, True), (5.0, True)):
        for path in tmp_path.glob("*"):
            path.unlink()
        agent.memory.save(["anna"], now_s)
        assert bool(list(tmp_path.glob("*.state"))) == written


@pytest.mark.parametrize("cut", [0, 5, len(MAGIC), len(MAGIC) + 31, len(MAGIC) + 32, 1000, -1])
def test_a_file_that_was_cut_off_is_refused_and_set_aside(tmp_path, cut):
    saved(tmp_path)
    path = file_of(tmp_path)
    path.write_bytes(path.read_bytes()[:cut])
    assert_fresh_start(tmp_path)


def test_a_file_with_any_byte_altered_is_refused(tmp_path):
    saved(tmp_path)
    path = file_of(tmp_path)
    whole = path.read_bytes()
    for place in np.random.default_rng(0).integers(0, len(whole), 20):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert_fresh_start(tmp_path)
        path.write_bytes(whole)


def assert_fresh_start(folder):
    agent = Agent(folder)
    agent.memory.recall(["anna"])
    assert agent.own.half_minutes(0).sum() == 0
    assert agent.level.judged[:1].sum() == 0
    assert agent.counters.snapshot() == {"memory_refused": 1}
    assert list(folder.glob("*.refused"))


def test_another_versions_file_is_refused_by_name(tmp_path, caplog):
    saved(tmp_path)
    path = file_of(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"/1\n", b"/0\n", 1))
    assert_fresh_start(tmp_path)
    assert "of another version" in caplog.text
    assert "start from the population" in caplog.text


def test_each_bundle_has_its_own_memory_and_a_return_to_the_old_one_finds_it(tmp_path):
    before = saved(tmp_path)
    other = Agent(tmp_path, "f" * 64)
    other.memory.recall(["anna"])
    assert other.own.half_minutes(0).sum() == 0
    other.memory.save(["anna"], 0.0, at_once=True)
    back = Agent(tmp_path)
    back.memory.recall(["anna"])
    assert same(before.own.state(0), back.own.state(0))
    for digest in ("e" * 64, "d" * 64):
        Agent(tmp_path, digest).memory.save([], 0.0, at_once=True)
    assert len(list(tmp_path.glob("wearers-*.state"))) == KEPT_FILES


def forged(folder, parts):
    """A file with a right digest and these arrays for anna."""
    packed = {
        part: {name: Packed(array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items()}
        for part, arrays in parts.items()
    }
    body = msgspec.msgpack.encode(Saved(0.0, {"anna": packed}))
    file_of(folder).write_bytes(MAGIC + hashlib.sha256(body).digest() + body)


@pytest.mark.parametrize("spoil", ["missing", "shape", "dtype", "counts", "level", "objects"])
def test_numbers_that_do_not_fit_are_refused_part_by_part(tmp_path, spoil):
    before = saved(tmp_path)
    own, level = before.own.state(0), before.level.state(0)
    if spoil == "missing":
        own.pop("held")
    elif spoil == "shape":
        own["held"] = own["held"][:, :5]
    elif spoil == "dtype":
        own["learnt"] = own["learnt"].astype(np.float64)
    elif spoil == "counts":
        own["filled"] = own["filled"] + BLOCK
    elif spoil == "objects":
        own["ring"] = own["ring"].astype("U4")
    else:
        level["share"] = np.array([3.0])
    forged(tmp_path, {"own": own, "level": level})
    agent = Agent(tmp_path)
    agent.memory.recall(["anna"])
    assert agent.counters.snapshot() == {"memory_refused": 1}
    assert (agent.own.half_minutes(0).sum() == 0) == (spoil != "level")


def test_a_folder_that_cannot_be_written_is_counted_and_the_agent_goes_on(tmp_path):
    agent = Agent(tmp_path / "gone")
    agent.memory.save(["anna"], 0.0, at_once=True)
    assert agent.counters.snapshot() == {"memory_save_errors": 1}
