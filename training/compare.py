"""Programs under one protocol: the same windows, the same definitions, each with its figures and intervals.

Judged are wearers that no program has learnt from: the test part of the split, and everyone in datasets that are
never trained on. All programs score the windows that the agent cuts; a window that a program cannot score counts
as its lowest score.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.batch import cut_recording
from agent.layout import Layout
from agent.recording import Recording
from agent.records import Floats, Windows
from training.bootstrap import Estimate, estimate
from training.datasets import Labelled, open_dataset
from training.datasets.labelled import worn_at
from training.datasets.split import Part, split
from training.errors import TrainingError
from training.metrics import (
    Figure,
    ScoredRecording,
    Tally,
    Weights,
    average_precision_of,
    event_recall_at,
    event_recall_per_day,
    recall_above,
    roc_auc_of,
    tally,
    threshold_at,
)
from training.peers import PEERS, PerFamily
from training.peers.supervised import NAME as SUPERVISED
from training.peers.supervised import Ceiling, Rows, rows_of
from training.progress import watched
from training.timeline import Timeline, delay_of, timeline, vus_pr_of
from training.windows import normal_windows

Score = Callable[[Recording], tuple[Floats, Mapping[str, Floats]]]
"""A program as it runs live: recording -> (n,) ends of its windows in the recording's time, name -> (n,) scores.

One that gives several scores of a window is judged by each name apart; the names are the same for every recording.
"""

_SAME_END_S = 1e-3


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is judged on which recordings."""

    name: str
    dataset: str
    positions: tuple[str, ...] = ()
    """Only these; empty = all that the layout knows."""
    labels_from: str = ""
    """Dataset whose training wearers teach the supervised ceiling; empty = this one's other wearers do."""


PROTOCOLS = (
    Protocol("falls-waist", "sisfall", ("waist",), "sisfall"),
    Protocol("falls-wrist", "umafall", ("wrist",), "umafall"),
    Protocol("falls-wrist-foreign", "weda_fall", ("wrist",), "umafall"),
    Protocol("freezing", "stanford_fog"),
    Protocol("freezing-daphnet", "daphnet_partial"),
)
FIGURES: dict[str, Figure] = {
    "roc_auc": roc_auc_of,
    "average_precision": average_precision_of,
    "recall_at_1_per_hour": event_recall_at(1),
    "recall_at_10_per_hour": event_recall_at(10),
    "recall_at_1_per_day": event_recall_per_day,
}
DELAY_PER_HOUR = 10.0
"""False alarms an hour at which the detection delay is told."""
_MOST_DRAWS = 200
"""VUS-PR is dear: its interval is made of no more draws than these."""


@dataclass(frozen=True, slots=True)
class Result:
    """One program under one protocol."""

    protocol: str
    program: str
    wearers: int
    windows: int
    """Windows of known truth."""
    normal_hours: float
    events: int
    unscored_windows: int
    """Windows that the program could not score: they count as its lowest score."""
    figures: dict[str, Estimate]
    """By the names in `FIGURES`, and `vus_pr`, `delay_s` (see `training.timeline`)."""
    per_wearer: dict[str, dict[str, float]]
    """Each wearer's own areas; recall at 1 an hour under the threshold that all wearers share."""


def fitted_peers(recordings: Iterable[Labelled], layout: Layout) -> dict[str, PerFamily]:
    """The peers, taught with the windows that the student is taught with."""
    windows = normal_windows(watched(list(recordings), "cutting the training wearers"), layout)
    peers = {name: PerFamily(make) for name, make in PEERS.items()}
    for peer in watched(list(peers.values()), "teaching the peers"):
        peer.fit(windows.samples_g, windows.family)
    return peers


def compare(
    protocol: Protocol,
    layout: Layout,
    program: Score | None,
    peers: Mapping[str, PerFamily],
    *,
    ceiling: bool = False,
    root: Path | None = None,
    resamples: int = 1000,
) -> list[Result]:
    """The program, if any, under one protocol, then all peers, then the supervised forest if a `ceiling` is wanted.

    Raises:
        DataError: the dataset is missing.
        TrainingError: no test wearer has a position that the layout knows.
    """
    items = judged_recordings(protocol, layout, root)
    cuts = [cut_recording(item.recording, layout) for item in watched(items, f"{protocol.name}: cutting")]
    scores = _program_scores(program, watched(items, f"{protocol.name}: scoring"), cuts) if program else {}
    scores |= {name: list(_peer_scores(peer, cuts)) for name, peer in peers.items()}
    if ceiling:
        scores[SUPERVISED] = _ceiling_scores(protocol, layout, items, cuts, root)
    results = []
    for name, each in scores.items():
        unscored = sum(int((~np.isfinite(own)).sum()) for own in each)
        results.append(_result(protocol.name, name, _filled(items, cuts, each), layout.window_s, unscored, resamples))
    return results


def judged_recordings(protocol: Protocol, layout: Layout, root: Path | None = None) -> list[Labelled]:
    """The test wearers' recordings, with those positions only that the layout knows and the protocol wants.

    Raises:
        DataError: the dataset is missing.
        TrainingError: nothing is left.
    """
    return _recordings(protocol, protocol.dataset, "test", layout, root)


def scored(item: Labelled, end_s: Floats, score: Floats) -> ScoredRecording:
    """A recording's truth, and (m,) scores of its windows that end at (m,) `end_s`."""
    return ScoredRecording(item.recording.wearer, item.recording.times_s, item.label, item.judged, end_s, score)


def _recordings(protocol: Protocol, dataset: str, part: Part, layout: Layout, root: Path | None) -> list[Labelled]:
    wanted = [position for position in layout.positions if position in (protocol.positions or layout.positions)]
    found = list(worn_at(wanted, open_dataset(dataset, root, lambda wearer: split(wearer) == part)))
    if not found:
        raise TrainingError(f"protocol {protocol.name}: no {part} wearer with a known position in {dataset}")
    return found


def _ceiling_scores(
    protocol: Protocol, layout: Layout, items: Sequence[Labelled], cuts: Sequence[Windows], root: Path | None
) -> list[Floats]:
    """(n,) for each recording, from a forest that has learnt from other wearers, falls and freezes included."""
    if protocol.labels_from:
        teachers = _recordings(protocol, protocol.labels_from, "train", layout, root)
        watching = watched(teachers, f"{protocol.name}: cutting for the ceiling")
        known = rows_of(teachers, [cut_recording(item.recording, layout) for item in watching], layout.window_s)
        return list(_peer_scores(_taught(known), cuts))
    return _by_other_wearers(items, cuts, layout.window_s)


def _by_other_wearers(items: Sequence[Labelled], cuts: Sequence[Windows], window_s: float) -> list[Floats]:
    """Leave one wearer out: each is scored by a forest that has learnt from all others."""
    scores = [np.full(len(cut.end_s), np.nan) for cut in cuts]
    wearers = [item.recording.wearer for item in items]
    for wearer in sorted(set(wearers)):
        own, others = ([n for n, one in enumerate(wearers) if (one == wearer) == mine] for mine in (True, False))
        if others:
            known = rows_of([items[n] for n in others], [cuts[n] for n in others], window_s)
            for place, found in zip(own, _peer_scores(_taught(known), [cuts[n] for n in own]), strict=True):
                scores[place] = found
    return scores


def _taught(rows: Rows) -> Ceiling:
    ceiling = Ceiling()
    ceiling.fit(rows)
    return ceiling


def _program_scores(program: Score, items: Iterable[Labelled], cuts: Sequence[Windows]) -> dict[str, list[Floats]]:
    """Name -> (n,) for each recording."""
    scores: dict[str, list[Floats]] = {}
    for item, cut in zip(items, cuts, strict=True):
        end_s, named = program(item.recording)
        for name, score in named.items():
            scores.setdefault(name, []).append(_on_cut(cut, end_s, score))
    return scores


def _on_cut(cut: Windows, end_s: Floats, score: Floats) -> Floats:
    """(n,) a program's scores of the windows that were cut; NaN = it has none there."""
    if len(end_s) == 0:
        return np.full(len(cut.end_s), np.nan)
    order = np.argsort(end_s, kind="stable")
    place = np.minimum(np.searchsorted(end_s[order], cut.end_s - _SAME_END_S), len(end_s) - 1)
    same = np.abs(end_s[order][place] - cut.end_s) <= _SAME_END_S
    return np.where(same, score[order][place], np.nan)


def _peer_scores(peer: PerFamily | Ceiling, cuts: Sequence[Windows]) -> Iterator[Floats]:
    """(n,) for each recording: the strangest position's score of each window, NaN = none could be scored."""
    samples_g = np.concatenate([cut.samples_g for cut in cuts])
    rows = peer.score(samples_g, np.concatenate([cut.family for cut in cuts]))  # all at once: a forest is slow to wake
    bounds = np.cumsum([len(cut.samples_g) for cut in cuts])[:-1]
    for cut, own in zip(cuts, np.split(rows, bounds), strict=True):
        best = np.full(len(cut.end_s), -np.inf)
        np.maximum.at(best, cut.owner, np.nan_to_num(own, nan=-np.inf))
        yield np.where(np.isfinite(best), best, np.nan)


def _filled(items: Sequence[Labelled], cuts: Sequence[Windows], scores: Sequence[Floats]) -> list[ScoredRecording]:
    """Truth and scores together; a window without a score gets the program's lowest."""
    lowest = min((float(own[np.isfinite(own)].min()) for own in scores if np.isfinite(own).any()), default=0.0)
    filled = [np.where(np.isfinite(own), own, lowest) for own in scores]
    return [scored(item, cut.end_s, own) for item, cut, own in zip(items, cuts, filled, strict=True)]


def _result(
    protocol: str,
    program: str,
    scored: Sequence[ScoredRecording],
    window_s: float,
    unscored: int,
    resamples: int,
) -> Result:
    counts = tally(scored, window_s)
    everyone = np.ones(len(counts.wearers))
    totals = everyone @ (counts.anomalous + counts.normal)
    figures = {name: estimate(counts, figure, resamples) for name, figure in FIGURES.items()}
    return Result(
        protocol=protocol,
        program=program,
        wearers=len(counts.wearers),
        windows=int(totals[-1]) if len(totals) else 0,
        normal_hours=float(counts.normal_hours.sum()),
        events=len(counts.event_score),
        unscored_windows=unscored,
        figures=figures | _in_time(counts, timeline(scored, window_s), resamples),
        per_wearer=dict(_per_wearer(counts)),
    )


def _in_time(counts: Tally, line: Timeline, resamples: int) -> dict[str, Estimate]:
    """The figures that need the order of the windows."""

    def vus(counts: Tally, weights: Weights) -> float:
        return vus_pr_of(line, dict(zip(counts.wearers, weights.astype(int), strict=True)))

    def delay(counts: Tally, weights: Weights) -> float:
        return delay_of(line, counts, weights, DELAY_PER_HOUR)

    draws = min(resamples, _MOST_DRAWS)
    return {"vus_pr": estimate(counts, vus, draws), "delay_s": estimate(counts, delay, draws)}


def _per_wearer(counts: Tally) -> Iterator[tuple[str, dict[str, float]]]:
    shared = threshold_at(counts, np.ones(len(counts.wearers)), 1)
    for wearer, alone in zip(counts.wearers, np.eye(len(counts.wearers)), strict=True):
        own = {
            "normal_hours": float(alone @ counts.normal_hours),
            "events": float(alone[counts.event_wearer].sum()),
            "roc_auc": roc_auc_of(counts, alone),
            "average_precision": average_precision_of(counts, alone),
            "recall_at_1_per_hour": recall_above(shared, counts, alone),
        }
        yield wearer, own
