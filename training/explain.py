"""`python -m training explain`: are the explanations true? On real wear of people on whom nothing was learnt.

Three questions, each with its own windows. *Where*: movement injected at a known place (`training.injected`),
explained where it makes a window novel that was not. *Does the score hang on it*: the same windows and labelled falls,
by deletion and insertion (`training.deletion`), by the interventions, by 1 % of noise. *Does it add up*: every window
of every recording of the part.
"""

import argparse
import time
import zlib
from collections import Counter
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
from training.datasets.split import Part, split
from training.deletion import Areas, areas, of_axes, replaced
from training.errors import TrainingError
from training.evaluate import opened
from training.gradients import Strange, integrated_gradients, of_student, of_teacher
from training.injected import Case, cases, recent_in
from training.markdown import table
from training.progress import watched
from training.weights import load_student, load_teacher

ALPHA = level(24.0)
"""The default budget."""
LONGEST_S, SHORTEST_S = 400.0, 10.0
"""Of the recordings that are looked at."""
NOISE_SHARE = 0.01
"""Of the samples' standard deviation."""
SEVERAL_EACH = 4
"""Injections into each recording in which several positions are worn: all of them are taken, of every dataset."""
REPEATS = 5
"""Of what is timed; the least is taken, for others work on the same machine."""
HEADINGS = ("figure", "value", "windows", "wearers")
NOTES = """In brackets: 95 % bootstrap interval over wearers. Position, axis, time: movement injected into one axis of
one position (a tremor, a lean, blows; 0.4 to 1.4 s) in real normal wear, told where the window becomes novel by it;
chance is .33 for the axis. Deletion (lower is better), insertion and cumulative difference (higher) on the same windows
and on labelled falls: shares of the score, against random order and integrated gradients of the fp32 teacher and the
fp32 student. Sufficient: of the alarms, those with an intervention that lets `normal` stand when scored
again. Cost: process time, the least of five calls in a row, of each event."""

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
    several = list(of_several(bundle, root, part))
    found: dict[str, list[Row]] = {}
    told = _placed(found, bundle, [item for item in calm if len(item.recording.positions) == 1], 2)
    told += _placed(found, bundle, several, SEVERAL_EACH)
    falls = list(alarms(bundle, some_of([item for item in items if not item.normal], each)))
    of_each = fewest(told, each)
    subjects = [
        Subject(one.wearer, one.judge, one.judged, one.window, one.why, one.explainer) for one in of_each
    ] + falls
    _hanging(found, subjects, peers(run, bundle))
    doubts = _resolved(found, bundle, some_of(items, each))
    _adding_up(found, bundle, everything(bundle, root))
    _cost(found, {"an alarm": falls[: 10 * each], "a doubt": doubts[: 10 * each]})
    return found


def of_several(bundle: Bundle, root: Path | None, part: Part) -> Iterator[Labelled]:
    """Normal wear of several positions, of every dataset: of whoever is of that part."""
    kept = (item for item in everything(bundle, root) if item.normal and split(item.recording.wearer) == part)
    for item in joined_up(list(kept)):
        times = item.recording.times_s
        if len(item.recording.positions) > 1 and len(times) and SHORTEST_S <= times[-1] - times[0] <= LONGEST_S:
            yield item


def fewest(told: Sequence[Case], each: int) -> list[Case]:
    """At most so many of each wearer, as they come."""
    count = Counter[str]()
    kept = []
    for one in told:
        count[one.wearer] += 1
        if count[one.wearer] <= each:
            kept.append(one)
    return kept


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


def _placed(found: dict[str, list[Row]], bundle: Bundle, items: Sequence[Labelled], each: int) -> list[Case]:
    """Injections into recordings: where they are told, and those that were."""
    injected = [
        one for item in watched(items, "injecting") for one in cases(bundle.model, [item], each, ALPHA, seed_of(item))
    ]
    _add(found, "injections that made a window novel", ((one.wearer, float(one.told)) for one in injected))
    told = [one for one in injected if one.told and one.why.account is not None]
    for name, of in PLACES.items():
        _add(found, name, ((one.wearer, of(one)) for one in told if not np.isnan(of(one))))
    return told


Peers = dict[str, Callable[[Retrial, int], Strange]]
"""Name -> the score whose gradients stand beside the shares."""


def peers(run: Path, bundle: Bundle) -> Peers:
    """The student and the teacher of a run; none where there is no such run: then gradients are left out."""
    segments = bundle.model.layout.segments
    try:
        student = load_student(run / "weights.npz", segments)
        teacher = of_teacher(*load_teacher(run / "teacher.npz"))
    except TrainingError as error:
        print(f"no integrated gradients: {error}")
        return {}
    return {
        "gradients of the teacher": lambda retrial, parts: teacher,
        "gradients of the student": lambda retrial, parts: of_student(student, retrial, parts),
    }


def _hanging(found: dict[str, list[Row]], subjects: Sequence[Subject], gradients: Peers) -> None:
    """Deletion and insertion, interventions, stability."""
    rng = np.random.default_rng(2)
    for one in watched(subjects, "deleting"):
        retrial = one.retrial()
        expected = replaced(retrial, one.explainer)
        ways = {"shares": _shares(one.why, retrial), "random": rng.random((3, one.why.segments))}
        for name, score in gradients.items():
            ways[name] = integrated_gradients(score(retrial, one.why.segments), retrial, expected, one.why.segments)
        found_areas = {name: areas(retrial, expected, shares) for name, shares in ways.items()}
        for name, each in found_areas.items():
            _add_areas(found, name, one.wearer, each)
        for name in gradients:
            less = found_areas["shares"].deletion - found_areas[name].deletion
            _add(found, f"deletion, shares less {name}", [(one.wearer, less)] * int(np.isfinite(less)))
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


def _resolved(found: dict[str, list[Row]], bundle: Bundle, items: Sequence[Labelled]) -> list[Subject]:
    """Of the abstentions, at most three a recording; returns them."""
    doubts = []
    for item in watched(items, "doubts"):
        judge, judged = judged_of(bundle, item.recording)
        for window in np.flatnonzero(judged.verdicts.labels.sum(axis=1) > 1)[:3]:
            one = explained(item.recording, judge, judged, int(window))
            works = one.why.resolution is not None and one.why.resolution.labels.sum() == 1
            name = "abstentions with a cause and a resolution that was tried"
            _add(found, name, [(item.recording.wearer, float(works))])
            doubts.append(one)
    return doubts


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


def _cost(found: dict[str, list[Row]], subjects: dict[str, list[Subject]]) -> None:
    """Milliseconds of process time when all is warm, beside one call of the network on one row."""
    for kind, each in subjects.items():
        for one in each:
            retrial, explain = one.retrial(), one.explainer.explain
            took = {
                f"explaining {kind}": least_ms(lambda: explain(one.judged, one.window, one.why.positions)),  # noqa: B023
                "one row read by the network": least_ms(lambda: read_one(retrial)),  # noqa: B023
            }
            if retrial.leading >= 0:
                took["the decomposition alone"] = least_ms(lambda: taken_apart(retrial))  # noqa: B023
            for name, cost in took.items():
                _add(found, f"cost, ms: {name}", [(one.wearer, cost)])


def least_ms(work: Callable[[], object]) -> float:
    """The least of `REPEATS`, in process time."""
    took = []
    for _ in range(REPEATS):
        began = time.process_time()
        work()
        took.append(1000 * (time.process_time() - began))
    return min(took)


def read_one(retrial: Retrial) -> object:
    """One row: features, the network, the nearest prototype."""
    return retrial.judge.scorer.read(retrial.judged.windows.samples_g[retrial.rows[:1]], retrial.family[:1])


def taken_apart(retrial: Retrial) -> object:
    """The exact decomposition."""
    return decompose(retrial.anatomy, retrial.family, retrial.leading, retrial.judge.model.prototypes)


def _add(found: dict[str, list[Row]], name: str, rows: Sequence[Row] | Iterator[Row]) -> None:
    found.setdefault(name, []).extend(rows)
