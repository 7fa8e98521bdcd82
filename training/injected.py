"""Unusual movement made on purpose at a known place: one position, one axis, one stretch of time; and how it is told.

The wear is real, of people on whom nothing was learnt; what is added is what a body could do there and did not.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from agent.batch import cut_recording
from agent.explain import Explainer, Why
from agent.judge import Judge, Judged, Model
from agent.recording import Recording
from agent.records import NOVELTY, Floats, Singles
from training.datasets import Labelled

LENGTHS_S = (0.4, 1.4)
"""Shortest and longest injection."""
STEP_S = 0.02
"""Of the shipped layout's grid."""
BEFORE_S = 9.0
"""Wear before the window's end that is judged with it, and that an injection needs: all that a score remembers."""

Shape = Callable[[Floats, np.random.Generator], Floats]
"""(n,) seconds since the start, rng -> (n,) g to add."""


@dataclass(frozen=True, slots=True)
class Injection:
    """What was added, and where."""

    kind: str
    position: str
    axis: int
    start_s: float
    end_s: float
    """On the recording's clock."""
    window_end_s: float
    """End of the window that is explained; it holds all of it."""


@dataclass(frozen=True, slots=True)
class Case:
    """An injection, and what the agent makes of its window."""

    wearer: str
    injection: Injection
    judge: Judge
    judged: Judged
    window: int
    why: Why
    explainer: Explainer
    told: bool
    """Whether the window counts as novelty, alone or in doubt, and would not without the injection."""


def _shake(times_s: Floats, rng: np.random.Generator) -> Floats:
    """A tremor of 4 to 9 Hz."""
    return rng.uniform(1.0, 2.5) * np.sin(2 * np.pi * rng.uniform(4, 9) * times_s + rng.uniform(0, 6))


def _lean(times_s: Floats, rng: np.random.Generator) -> Floats:
    """Another posture of one axis, there and back within a tenth of a second."""
    edge = np.clip(np.minimum(times_s, times_s[-1] - times_s) / 0.1, 0, 1)
    return np.asarray(rng.choice([-1.0, 1.0]) * rng.uniform(0.8, 1.6) * edge)


def _blows(times_s: Floats, rng: np.random.Generator) -> Floats:
    """Blows of 80 ms, one in a quarter of a second."""
    blow = np.clip(np.sin(2 * np.pi * times_s / 0.16), 0, None) * (times_s % 0.25 < 0.08)
    return np.asarray(rng.choice([-1.0, 1.0]) * rng.uniform(3, 8) * blow)


SHAPES: dict[str, Shape] = {"shake": _shake, "lean": _lean, "blows": _blows}


def inject(
    recording: Recording, ends_s: Floats, window_s: float, rng: np.random.Generator
) -> tuple[Recording, Injection]:
    """One injection into one of the windows that end at `ends_s`."""
    end_s = float(rng.choice(ends_s))
    length_s = float(rng.uniform(*LENGTHS_S))
    start_s = end_s - window_s + float(rng.uniform(0, window_s - length_s))
    kind, position = str(rng.choice(list(SHAPES))), str(rng.choice(list(recording.positions)))
    axis = int(rng.integers(3))
    rows = np.flatnonzero((recording.times_s >= start_s) & (recording.times_s < start_s + length_s))
    samples = recording.positions[position].copy()
    samples[rows, axis] += SHAPES[kind](recording.times_s[rows] - start_s, rng).astype(np.float32)
    made = replace(recording, positions={**recording.positions, position: samples})
    return made, Injection(kind, position, axis, start_s, start_s + length_s, end_s)


def cases(model: Model, items: Sequence[Labelled], each: int, alpha: float, seed: int) -> Iterator[Case]:
    """`each` injections into each recording that is long enough, one at a time, judged and explained."""
    rng = np.random.default_rng(seed)
    for item in items:
        clean = cut_recording(item.recording, model.layout).end_s
        ends_s = clean[clean >= clean[:1].sum() + BEFORE_S - model.layout.window_s]
        for _ in range(each if len(ends_s) else 0):
            recording, injection = inject(item.recording, ends_s, model.layout.window_s, rng)
            clean_part, part = (last_of(one, injection.window_end_s) for one in (item.recording, recording))
            yield case(model, clean_part, part, injection, alpha)


def last_of(recording: Recording, end_s: float) -> Recording:
    """The `BEFORE_S` that end there."""
    rows = (recording.times_s >= end_s - BEFORE_S) & (recording.times_s <= end_s + STEP_S)
    positions = {name: samples[rows] for name, samples in recording.positions.items()}
    return replace(recording, times_s=recording.times_s[rows], positions=positions)


def case(model: Model, clean: Recording, recording: Recording, injection: Injection, alpha: float) -> Case:
    """Judge a recording up to the window in question, with the injection and without, and explain that."""
    judge, windows = Judge(model, alpha), cut_recording(recording, model.layout)
    judged = judge.judge(windows)
    window = int(np.abs(windows.end_s - injection.window_end_s).argmin())
    usual = Judge(model, alpha).judge(cut_recording(clean, model.layout)).verdicts.labels[window]
    told = bool(judged.verdicts.labels[window, NOVELTY] and not usual[NOVELTY])
    names = list(recording.positions)
    rows = np.flatnonzero(windows.owner == window)
    explainer = Explainer(judge, recent_in(judged))
    why = explainer.explain(judged, window, [names[slot] for slot in windows.stream[rows]])
    return Case(recording.wearer, injection, judge, judged, window, why, explainer, told)


def recent_in(judged: Judged) -> Callable[[int, float, int], Singles]:
    """What each stream sent before, out of the windows that were cut."""
    windows = judged.windows
    end_s, samples, rate_hz = windows.end_s[windows.owner], windows.samples_g.shape[2], 1 / STEP_S
    rate_hz = 1 / STEP_S

    def recent(slot: int, until_s: float, count: int) -> Singles:
        out = np.full((3, count), np.nan, np.float32)
        for row in np.flatnonzero((windows.stream == slot) & (end_s > until_s - count / rate_hz)):
            first = round((end_s[row] - until_s) * rate_hz) + count - samples  # where the window begins in `out`
            if first < count:
                inside = slice(max(first, 0), min(first + samples, count))
                out[:, inside] = windows.samples_g[row][:, inside.start - first : inside.stop - first]
        return out

    return recent


def _position(one: Case) -> float:
    """NaN where there was no choice."""
    assert one.why.account is not None
    several = len(one.why.positions) > 1
    return float(one.why.account.position == one.injection.position) if several else float("nan")


def _axis(one: Case) -> float:
    """Of those whose position was right."""
    assert one.why.account is not None
    right = one.why.account.position == one.injection.position
    return float(one.why.account.axis == "xyz"[one.injection.axis]) if right else float("nan")


def _share_axis(one: Case) -> float:
    """The axis with the largest share of the score."""
    assert one.why.account is not None
    assert one.why.decomposition is not None
    if one.why.account.position != one.injection.position:
        return float("nan")
    places = one.why.decomposition.by_place[one.why.positions.index(one.injection.position)]
    return float(np.maximum(places, 0)[:3].sum(axis=1).argmax() == one.injection.axis)


def _time(one: Case) -> float:
    """Intersection over union."""
    told, made = one.why.account, one.injection
    assert told is not None
    if told.position != made.position:
        return float("nan")
    start, end = made.start_s - made.window_end_s, made.end_s - made.window_end_s
    both = max(0.0, min(end, told.end_s) - max(start, told.start_s))
    return both / (max(end, told.end_s) - min(start, told.start_s))


PLACES: dict[str, Callable[[Case], float]] = {
    "top-1 position, where several are worn": _position,
    "top-1 axis": _axis,
    "top-1 axis by share of the score alone": _share_axis,
    "time, intersection over union": _time,
}
"""Figure -> its value for one case; NaN = it says nothing of that."""
