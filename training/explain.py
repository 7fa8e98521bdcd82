"""`python -m training explain`: are the explanations true? On real wear of people on whom nothing was learnt.

Three questions, each with its own windows. *Where*: movement injected at a known place (`training.injected`),
explained where it makes a window novel that was not. *Does the score hang on it*: the same windows and labelled falls,
by deletion and insertion (`training.deletion`), by the interventions, by 1 % of noise. *Does it add up*: every window
of every recording of the part.
"""

import argparse
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from agent.attribute import apart, decompose
from agent.batch import cut_recording
from agent.bundle import Bundle
from agent.decide import level
from agent.explain import Explainer, Why
from agent.judge import Judge, Judged
from agent.recording import Recording
from agent.records import NOISE, NORMAL, NOVELTY, Booleans, Floats
from agent.retrial import Retrial
from training.bootstrap import Estimate, percentiles
from training.datasets import NAMES, Labelled, open_dataset
from training.datasets.corpus import Public
from training.datasets.labelled import worn_at
from training.datasets.split import Part
from training.deletion import Areas, areas, integrated_gradients, of_axes, replaced
from training.errors import TrainingError
from training.evaluate import opened
from training.injected import Case, cases, recent_in
from training.markdown import table
from training.model import Student
from training.progress import watched
from training.weights import load_student

ALPHA = level(24.0)
"""The default budget."""
LONGEST_S, SHORTEST_S = 400.0, 10.0
"""Of the recordings that are looked at."""
NOISE_SHARE = 0.01
"""Of the samples' standard deviation."""
HEADINGS = ("figure", "value", "windows", "wearers")
NOTES = """In brackets: 95 % bootstrap interval over wearers. Position, axis, time: movement injected into one axis of
one position (a tremor, a lean, blows; 0.4 to 1.4 s) in real normal wear, told where the window becomes novel by it;
chance is .33 for the axis. Deletion (lower is better), insertion and cumulative difference (higher) on the same windows
and on labelled falls: shares of the score, against random order and integrated gradients of the fp32 student.
Sufficient: of the alarms, those with an intervention that lets `normal` stand when scored again. Cost: process time on
this machine."""

Row = tuple[str, float]
"""Wearer and value."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One window that is explained."""

    wearer: str
    judge: Judge
    judged: Judged
    window: int
    why: Why
    explainer: Explainer

    def retrial(self) -> Retrial:
        """To ask what would have been."""
        return self.explainer.retrial(self.judged, self.window)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell `parser` what `main` needs."""
    parser.add_argument("--bundle", type=Path, help="bundle to judge (default: the one in the package)")
    parser.add_argument("--root", type=Path, help="folder of the datasets (default: $VEILLE_DATA or ../shared/data)")
    parser.add_argument(
        "--part", choices=("calibrate", "test"), default="test", help="whose wear (default: %(default)s)"
    )
    parser.add_argument("--run", type=Path, default=Path("runs/student"), help="the fp32 student, for gradients")
    parser.add_argument("--each", type=int, default=12, help="recordings of each wearer (default: %(default)s)")


def main(args: argparse.Namespace) -> None:
    """Print the table."""
    print(markdown(figures(opened(args.bundle), args.root, args.part, args.run, args.each)))


def figures(bundle: Bundle, root: Path | None, part: Part, run: Path, each: int) -> dict[str, list[Row]]:
    """Name of each figure -> its value in each window.

    Raises:
        DataError: a dataset is missing.
    """
    items = list(Public(root).recordings(part))
    calm = some_of(joined_up([item for item in items if item.normal]), each)
    found: dict[str, list[Row]] = {}
    injected = [
        one for item in watched(calm, "injecting") for one in cases(bundle.model, [item], 2, ALPHA, seed_of(item))
    ]
    _add(found, "injections that made a window novel", ((one.wearer, float(one.told)) for one in injected))
    told = [one for one in injected if one.told and one.why.account is not None]
    for name, of in PLACES.items():
        _add(found, name, ((one.wearer, of(one)) for one in told if not np.isnan(of(one))))
    falls = list(alarms(bundle, some_of([item for item in items if not item.normal], each)))
    subjects = [Subject(one.wearer, one.judge, one.judged, one.window, one.why, one.explainer) for one in told] + falls
    _hanging(found, subjects, _student(run, bundle))
    _resolved(found, bundle, some_of(items, each))
    _adding_up(found, bundle, everything(bundle, root))
    _cost(found, falls[: 10 * each])
    return found


def markdown(found: dict[str, list[Row]]) -> str:
    """A table, one line a figure."""
    lines = []
    for name, rows in found.items():
        one = estimate_of(rows)
        shown = f"{one.value:.3g}" if np.isnan(one.low) else f"{one.value:.3g} ({one.low:.3g}-{one.high:.3g})"
        lines.append((name, shown, len(rows), len({wearer for wearer, _ in rows})))
    return table(HEADINGS, lines) + "\n\n" + NOTES


def estimate_of(rows: Sequence[Row], resamples: int = 1000) -> Estimate:
    """Mean over windows, and its bootstrap interval over wearers."""
    if not rows:
        return Estimate(float("nan"), float("nan"), float("nan"))
    wearers, own = np.unique([wearer for wearer, _ in rows], return_inverse=True)
    total = np.bincount(own, [value for _, value in rows])
    count = np.bincount(own).astype(float)
    draws = np.random.default_rng(0).multinomial(len(wearers), np.full(len(wearers), 1 / len(wearers)), resamples)
    interval = percentiles((draws @ total) / (draws @ count)) if len(wearers) > 1 else (float("nan"), float("nan"))
    return Estimate(float(total.sum() / count.sum()), *interval)


def some_of(items: Sequence[Labelled], each: int) -> list[Labelled]:
    """At most so many recordings of each wearer, of ordinary length, the same each time."""
    rng, own = np.random.default_rng(0), dict[str, list[Labelled]]()
    for item in items:
        times = item.recording.times_s
        if len(times) and SHORTEST_S <= times[-1] - times[0] <= LONGEST_S:
            own.setdefault(item.recording.wearer, []).append(item)
    return [each_[n] for each_ in own.values() for n in rng.permutation(len(each_))[:each]]


def seed_of(item: Labelled) -> int:
    """Of its injections: the same whichever other recordings there are."""
    return zlib.crc32(f"{item.recording.wearer}/{item.recording.name}".encode())


def joined_up(items: Sequence[Labelled]) -> list[Labelled]:
    """Sensors of one person that were recorded together under one name, as one recording."""
    together: dict[tuple[str, str], list[Labelled]] = {}
    for item in items:
        together.setdefault((item.recording.wearer, item.recording.name), []).append(item)
    return [_as_one(parts) for parts in together.values()]


def _as_one(parts: Sequence[Labelled]) -> Labelled:
    first = parts[0].recording
    positions = dict(first.positions)
    for item in parts[1:]:
        nearest = np.abs(np.searchsorted(item.recording.times_s, first.times_s)).clip(
            0, len(item.recording.times_s) - 1
        )
        positions |= {name: samples[nearest] for name, samples in item.recording.positions.items()}
    return replace(parts[0], recording=replace(first, positions=positions))


def everything(bundle: Bundle, root: Path | None) -> Iterator[Labelled]:
    """Every recording of every dataset, with the positions that the bundle knows."""
    for name in NAMES:
        yield from worn_at(bundle.model.layout.positions, open_dataset(name, root))


def alarms(bundle: Bundle, items: Sequence[Labelled]) -> Iterator[Subject]:
    """The first alarm of each recording."""
    for item in watched(items, "falls"):
        judge, judged = judged_of(bundle, item.recording)
        labels = judged.verdicts.labels
        found = np.flatnonzero(labels[:, NOVELTY] & ~labels[:, NORMAL] & ~labels[:, NOISE])
        if len(found):
            yield explained(item.recording, judge, judged, int(found[0]))


def judged_of(bundle: Bundle, recording: Recording) -> tuple[Judge, Judged]:
    """A recording through the agent's path."""
    judge = Judge(bundle.model, ALPHA)
    return judge, judge.judge(cut_recording(recording, bundle.model.layout))


def explained(recording: Recording, judge: Judge, judged: Judged, window: int) -> Subject:
    """One window of it."""
    explainer = Explainer(judge, recent_in(judged))
    names = list(recording.positions)
    rows = np.flatnonzero(judged.windows.owner == window)
    why = explainer.explain(judged, window, [names[slot] for slot in judged.windows.stream[rows]])
    return Subject(recording.wearer, judge, judged, window, why, explainer)


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


def _hanging(found: dict[str, list[Row]], subjects: Sequence[Subject], student: Student | None) -> None:
    """Deletion and insertion, interventions, stability."""
    rng = np.random.default_rng(2)
    for one in watched(subjects, "deleting"):
        retrial = one.retrial()
        expected = replaced(retrial, one.explainer)
        ways = {"shares": _shares(one.why, retrial), "random": rng.random((3, one.why.segments))}
        if student is not None:
            ways["integrated gradients"] = integrated_gradients(student, retrial, expected)
        found_areas = {name: areas(retrial, expected, shares) for name, shares in ways.items()}
        for name, each in found_areas.items():
            _add_areas(found, name, one.wearer, each)
        if student is not None:
            less = found_areas["shares"].deletion - found_areas["integrated gradients"].deletion
            _add(found, "deletion, shares less integrated gradients", [(one.wearer, less)] * int(np.isfinite(less)))
        labels = one.judged.verdicts.labels[one.window]
        if labels[NOVELTY] and labels.sum() == 1:
            works = one.why.intervention is not None and bool(one.why.intervention.labels[NORMAL])
            _add(found, "alarms with a sufficient intervention", [(one.wearer, float(works))])
        _add(found, "same account under 1 % noise", [(one.wearer, _stable(one, rng))])


def _shares(why: Why, retrial: Retrial) -> Floats:
    assert why.decomposition is not None
    return of_axes(why.decomposition.by_place[retrial.leading])


def _add_areas(found: dict[str, list[Row]], name: str, wearer: str, one: Areas) -> None:
    if np.isfinite((one.deletion, one.insertion, one.difference)).all():
        for measure in ("deletion", "insertion", "difference"):
            _add(found, f"{measure}, {name}", [(wearer, getattr(one, measure))])


def _stable(one: Subject, rng: np.random.Generator) -> float:
    """Whether position and axis are the same with 1 % of noise on all samples of the window and before."""
    windows = one.judged.windows
    spread = np.nanstd(windows.samples_g, axis=2, keepdims=True)
    noise = NOISE_SHARE * spread * rng.normal(size=windows.samples_g.shape)
    shaken = replace(windows, samples_g=(windows.samples_g + noise).astype(np.float32))
    judge = Judge(one.judge.model, ALPHA)
    judged = judge.judge(shaken)
    again = Explainer(judge, recent_in(judged)).explain(judged, one.window, one.why.positions).account
    before = one.why.account
    return float(
        again is not None and before is not None and (again.position, again.axis) == (before.position, before.axis)
    )


def _resolved(found: dict[str, list[Row]], bundle: Bundle, items: Sequence[Labelled]) -> None:
    """Of the abstentions, at most three a recording."""
    for item in watched(items, "doubts"):
        judge, judged = judged_of(bundle, item.recording)
        for window in np.flatnonzero(judged.verdicts.labels.sum(axis=1) > 1)[:3]:
            resolution = explained(item.recording, judge, judged, int(window)).why.resolution
            works = resolution is not None and resolution.labels.sum() == 1
            _add(
                found,
                "abstentions with a cause and a resolution that was tried",
                [(item.recording.wearer, float(works))],
            )


def _adding_up(found: dict[str, list[Row]], bundle: Bundle, items: Iterable[Labelled]) -> None:
    """Whether the largest gap of each recording is nothing."""
    prototypes = bundle.model.prototypes
    for item in items:
        judged = judged_of(bundle, item.recording)[1]
        scored, family = np.isfinite(judged.scores.score), judged.windows.family
        if scored.any():
            places, others = apart(judged.anatomy, family, prototypes)
            gap = np.abs(places.sum(axis=(1, 2, 3), dtype=np.float64) + others.sum(axis=1) - judged.scores.score)
            exact: Booleans = gap[scored] < 1e-4
            _add(
                found, "recordings in which every score adds up to 1e-4", [(item.recording.wearer, float(exact.all()))]
            )


def _cost(found: dict[str, list[Row]], subjects: Sequence[Subject]) -> None:
    """Milliseconds of process time, explained once more when all is warm."""
    for one in subjects:
        began = time.process_time()
        one.explainer.explain(one.judged, one.window, one.why.positions)
        whole = time.process_time()
        retrial = one.retrial()
        ready = time.process_time()
        decompose(retrial.anatomy, retrial.family, retrial.leading, one.judge.model.prototypes)
        _add(found, "cost of an explanation, ms", [(one.wearer, 1000 * (whole - began))])
        _add(found, "cost of the decomposition alone, ms", [(one.wearer, 1000 * (time.process_time() - ready))])


def _student(run: Path, bundle: Bundle) -> Student | None:
    """None where there is no such run: then gradients are left out."""
    try:
        return load_student(run / "weights.npz", bundle.model.layout.segments)
    except TrainingError as error:
        print(f"no integrated gradients: {error}")
        return None


def _add(found: dict[str, list[Row]], name: str, rows: Sequence[Row] | Iterator[Row]) -> None:
    found.setdefault(name, []).extend(rows)
