"""Rows -> what each shows of its sensor: closed-form descriptors of the window, and how they differ from this stream's
own past. What they mean is for `evidence` to say.

A body moves all axes smoothly, keeps its habits for minutes, and pulls at every sensor with 1 g; a fault breaks one of
these. So beside what the window shows stand a *recent* mean (some seconds, so that a blow of a fall passes by) and a
*habit* (all windows at first, then the last ten minutes or so). A fault that lasts so long becomes the habit: what is
told is change, and physics (`quality`) alone knows what is wrong for good.

Memory: three numbers for each of `TRACKED` and stream.
"""

from dataclasses import dataclass

import numpy as np

from agent.lasting import in_rounds
from agent.records import FALL, FAULTS, OPEN, Booleans, Floats, Integers, Quality, Scores, Singles
from agent.texture import Texture, texture

MOVING_G = 0.1
"""A window moves where the length of its spread is above."""
RECENT = 0.12
"""Share of the newest window in the recent mean: it forgets within five seconds."""
HABIT = 1 / 1200
"""Smallest share of a window in the habit: ten minutes."""
KNOWN_AFTER = 20.0
"""Windows after which a habit is half believed."""
MOST_LOGIT = 6.0

TRACKED = {
    "upright": 3,
    "mean": 3,
    "spread": 3,
    "rest": 1,
    "floor": 1,
    "level": 1,
    "missing": 1,
    "beside": 1,
    "flat": 1,
    "lonely": 1,
    "repeats": 1,
    "rough": 1,
    "head": len(FAULTS),
}
"""What is followed of each stream: name -> how many numbers."""
_AT = dict(zip(TRACKED, np.cumsum([0, *TRACKED.values()])[:-1].tolist(), strict=True))
WIDTH = sum(TRACKED.values())


OF_ANY = 60
"""Numbers that do not depend on the families."""


STUCK, MISSING, ACTIVITY, MOST_REPEATS, LEAST_REPEATS, LEVEL = 0, 7, 8, 16, 17, 18
"""Columns that `lawful_rest` reads."""
LEAST_G = 0.01
"""Added to a spread before its logarithm."""
RESTING_G, NEAR_1_G = 0.035, 0.1
"""Spread of all axes together of a window at rest; how far healthy sensors are off 1 g."""


def lawful_rest(symptoms: Singles) -> Booleans:
    """(m,) the window rests throughout at 1 g, and nothing is missing or repeats: a posture, of which none is a fault.

    Who has fallen lies still in a posture that the stream never showed before, just as after a slip of the strap.
    """
    still = symptoms[:, ACTIVITY] < np.log(RESTING_G + LEAST_G)
    alive = (symptoms[:, STUCK] < 0.5) & (symptoms[:, MOST_REPEATS] - symptoms[:, LEAST_REPEATS] < 0.5)
    near = np.abs(symptoms[:, LEVEL]) < 4 * NEAR_1_G
    return np.asarray(still & alive & near & (symptoms[:, MISSING] < 0.1))


def width(families: int) -> int:
    """Numbers that describe a row."""
    return OF_ANY + families


@dataclass(frozen=True, slots=True)
class _Past:
    """Of each row: recent mean (with the row), habit (without it), and how far the habit is known, in [0, 1]."""

    recent: Floats
    habit: Floats
    known: Floats

    def of(self, name: str) -> tuple[Floats, Floats, Floats]:
        columns = slice(_AT[name], _AT[name] + TRACKED[name])
        return self.recent[:, columns], self.habit[:, columns], self.known[:, _AT[name]]


class Symptoms:
    """Describes rows; remembers every stream."""

    def __init__(self, families: int, segments: int) -> None:
        self._families, self._segments = families, segments
        self._recent: Floats = np.zeros((0, WIDTH))
        self._habit: Floats = np.zeros((0, WIDTH))
        self._count: Floats = np.zeros((0, WIDTH))

    def describe(
        self, samples_g: Singles, family: Integers, stream: Integers, owner: Integers, quality: Quality, scores: Scores
    ) -> Singles:
        """(m, d) unitless numbers, each about in [-6, 6].

        Args:
            samples_g: (m, 3, samples) in g, NaN = missing.
            family: (m,) index of the position's family.
            stream: (m,) slots; rows of one stream in order of time.
            owner: (m,) the window, for what other sensors of the wearer show.
            quality: of the same rows.
            scores: of the same rows.
        """
        window = texture(samples_g, self._segments)
        values, valid = self._tracked(window, owner, quality, scores)
        past = self._follow(stream, values, valid)
        parts = np.clip(scores.parts[:, [OPEN, FALL]], -3.0, 6.0)
        return np.column_stack([
            *_of_window(window, quality),
            *_of_past(window, past),
            parts,
            0.5 * _logit(scores.faults),
            0.5 * past.of("head")[0],
            np.eye(self._families)[family],
        ]).astype(np.float32)  # fmt: skip

    def _tracked(self, window: Texture, owner: Integers, quality: Quality, scores: Scores) -> tuple[Floats, Booleans]:
        """(m, WIDTH) the numbers that are followed, and where they can be had."""
        moving = (window.activity > MOVING_G)[:, None]
        here = np.ones((len(owner), 1), np.bool_)
        beside, others = _beside(window.activity, owner)
        columns = {
            "upright": (window.mean, moving),
            "mean": (window.mean, here),
            "spread": (np.log(window.spread + 0.01), moving),
            "rest": (window.rest[:, None], np.isfinite(window.rest)[:, None]),
            "floor": (window.floor[:, None], here),
            "level": (window.level[:, None], here),
            "missing": (quality.missing[:, None], here),
            "beside": (beside[:, None], others[:, None]),
            "flat": (window.flat[:, None], here),
            "lonely": (window.lonely[:, None], here),
            "repeats": (window.repeats.max(axis=1, keepdims=True), here),
            "rough": (window.rough.max(axis=1, keepdims=True), moving),
            "head": (_logit(scores.faults), here),
        }
        values = np.concatenate([np.broadcast_to(v, (len(owner), TRACKED[n])) for n, (v, _) in columns.items()], axis=1)
        valid = np.concatenate([np.broadcast_to(k, (len(owner), TRACKED[n])) for n, (_, k) in columns.items()], axis=1)
        return np.where(valid, values, 0.0), valid

    def _follow(self, stream: Integers, values: Floats, valid: Booleans) -> _Past:
        self._grow(int(stream.max(initial=-1)) + 1)
        recent, habit, count = np.empty_like(values), np.empty_like(values), np.empty_like(values)
        for rows in in_rounds(stream):
            slots, new, here = stream[rows], values[rows], valid[rows]
            before, seen = self._habit[slots], self._count[slots]
            first = seen == 0
            now = self._recent[slots]
            now += np.where(here, np.where(first, 1.0, RECENT), 0.0) * (new - now)
            recent[rows], count[rows] = now, seen
            habit[rows] = np.where(first, now, before)
            self._recent[slots] = now
            self._habit[slots] = before + np.where(here, np.maximum(1 / (seen + 1), HABIT), 0.0) * (new - before)
            self._count[slots] = seen + here
        return _Past(recent, habit, count / (count + KNOWN_AFTER))

    def _grow(self, streams: int) -> None:
        more = streams - len(self._count)
        if more > 0:
            empty = np.zeros((max(more, len(self._count)), WIDTH))
            self._recent, self._habit, self._count = (
                np.concatenate([have, empty]) for have in (self._recent, self._habit, self._count)
            )


def _logit(chance: Floats) -> Floats:
    return np.clip(np.log((chance + 1e-9) / (1 - chance + 1e-9)), -MOST_LOGIT, MOST_LOGIT)


def _beside(activity: Floats, owner: Integers) -> tuple[Floats, Booleans]:
    """(m,) log of how much more the row moves than the wearer's other sensors on average; whether there are any."""
    lively = np.log(activity + 0.02)
    count = np.bincount(owner)[owner]
    total = np.bincount(owner, lively)[owner]
    others = count > 1
    return np.where(others, lively - (total - lively) / np.maximum(count - 1, 1), 0.0), others


def _of_window(window: Texture, quality: Quality) -> list[Floats]:
    spread = np.sort(np.log(window.spread + 1e-3), axis=1)
    rough = np.sort(window.rough, axis=1)
    return [
        quality.faults(),
        quality.missing,
        np.log(window.activity + LEAST_G),
        spread[:, 1] - spread[:, 0],
        spread[:, 2] - spread[:, 1],
        rough[:, [0, 2]],
        window.floor,
        window.lonely,
        window.flat,
        window.repeats.max(axis=1),
        window.repeats.min(axis=1),
        4 * window.level,
    ]


def _of_past(window: Texture, past: _Past) -> list[Floats]:
    found = []
    for name, gain in (("rest", 8.0), ("level", 8.0), ("floor", 1.0), ("beside", 1.0), ("rough", 1.0)):
        recent, habit, known = past.of(name)
        found += [gain * recent[:, 0] * (known > 0), gain * (recent - habit)[:, 0] * known]
    for name in ("missing", "flat", "lonely", "repeats"):
        recent, habit, known = past.of(name)
        found += [recent[:, 0], (recent - habit)[:, 0] * known]
    recent, habit, known = past.of("spread")
    change = recent - habit
    change = change - change.mean(axis=1, keepdims=True)  # more movement on all axes is no fault
    found.append(np.abs(change).max(axis=1) * known)
    for name in ("upright", "mean"):
        recent, habit, known = past.of(name)
        found += [_angle(recent, habit) * known, np.linalg.norm(habit, axis=1) * known]
    return found


def _angle(one: Floats, other: Floats) -> Floats:
    """(m,) radians between (m, 3) vectors."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    angle: Floats = np.arccos(np.clip((one * other).sum(axis=1) / np.maximum(lengths, 1e-9), -1.0, 1.0))
    return angle
