"""What the agent answers to each episode, and the figures that follow; both are defined in the package's docstring."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from agent.batch import cut_packets
from agent.judge import Judge, Judged, Model
from agent.records import NOISE, NOVELTY, Floats
from training.benchmarks.noise_novelty.episodes import Episode
from training.benchmarks.noise_novelty.taxonomy import TAXONOMY

ANSWERS = ("noise", "novelty", "doubt", "quiet")
NORMAL_WEAR = "normal"
FAULT_NAMES = tuple(fault.name for fault in TAXONOMY)
COUNTED = ("clear", "gross")
"""Grades that the agent ought to call {noise}."""

Keep = Callable[["Answer"], bool]


@dataclass(frozen=True, slots=True)
class Answer:
    """One episode and what came of it."""

    wearer: str
    dataset: str
    kind: str
    grade: str
    answer: str
    """One of `ANSWERS`."""
    alarmed: bool
    """At least one window said {novelty}."""
    faulted: bool
    """At least one window said {noise}."""

    @property
    def truth(self) -> str:
        """`noise`, `slight` (a fault within tolerance), `normal` or `novelty`."""
        if self.kind in FAULT_NAMES:
            return "noise" if self.grade in COUNTED else "slight"
        return NORMAL_WEAR if self.kind == NORMAL_WEAR else "novelty"


def answered(episode: Episode, model: Model, alpha: float) -> Answer:
    """Play one episode to a fresh agent.

    Raises:
        PacketError: the fault made packets that ingest refuses.
    """
    judged = Judge(model, alpha).judge(cut_packets(episode.packets(), model.layout))
    return answer_of(episode, judged, model.layout.window_s)


def answer_of(episode: Episode, judged: Judged, window_s: float) -> Answer:
    """By the windows that overlap what is judged."""
    end_s = judged.windows.end_s
    rows = (end_s > episode.start_s) & (end_s - window_s < episode.end_s)
    noise, novelty, doubt = (int(np.count_nonzero(said)) for said in _said(judged, rows))
    answer = "quiet"
    if noise or novelty:
        answer = "noise" if noise > novelty else "novelty"
    elif doubt:
        answer = "doubt"
    told = (answer, novelty > 0, noise > 0)
    return Answer(episode.wearer, episode.dataset, episode.kind, episode.grade, *told)


def _said(judged: Judged, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the windows `rows`: {noise}, {novelty}, several labels. What is said of one sensor counts for all."""
    labels = judged.verdicts.labels[rows]
    alone = labels.sum(axis=1) == 1
    faulty = (np.bincount(judged.windows.owner, judged.faulty, len(rows)) > 0)[rows]
    novelty = labels[:, NOVELTY] & alone
    noise = (labels[:, NOISE] & alone) | (faulty & ~novelty)
    return _in_a_row(noise), novelty, _in_a_row(~alone & ~faulty)


def _in_a_row(said: np.ndarray) -> np.ndarray:
    """Those with a neighbour: the agent tells no fault and no doubt of one window alone."""
    return np.asarray(said & (np.append(said[1:], False) | np.insert(said[:-1], 0, False)))


# --- figures


def shares(answers: Sequence[Answer], keep: Keep) -> dict[str, float]:
    """Answer -> share of the episodes that `keep` keeps."""
    kept = [one.answer for one in answers if keep(one)]
    return {name: kept.count(name) / len(kept) if kept else float("nan") for name in ANSWERS}


@dataclass(frozen=True, slots=True)
class Weighed:
    """Episodes of the headline: (n,) each."""

    truth: np.ndarray
    answer: np.ndarray
    group: np.ndarray
    """Index of the kind; kinds of one truth weigh alike."""
    wearer: np.ndarray
    """Index of the person."""
    wearers: int


def weighed(answers: Sequence[Answer], *, without: Iterable[str] = ()) -> Weighed:
    """All episodes but those kinds."""
    kept = [one for one in answers if one.kind not in set(without)]
    group = np.unique([f"{one.truth}/{one.kind}" for one in kept], return_inverse=True)[1]
    names, wearer = np.unique([one.wearer for one in kept], return_inverse=True)
    truth, answer = np.array([one.truth for one in kept]), np.array([one.answer for one in kept])
    return Weighed(truth, answer, group, wearer, len(names))


def macro_f1(episodes: Weighed, weights: Floats) -> float:
    """Mean of the F1 of noise and of novelty; `weights` (wearers,) of the people."""
    return float(np.mean(f1s(episodes, weights)))


def f1s(episodes: Weighed, weights: Floats) -> tuple[float, float]:
    """F1 of noise, F1 of novelty."""
    weight = _weight(episodes, weights)
    return _f1(episodes, weight, "noise", ("novelty", NORMAL_WEAR)), _f1(
        episodes, weight, "novelty", ("noise", "slight", NORMAL_WEAR)
    )


def _f1(episodes: Weighed, weight: Floats, label: str, false_from: tuple[str, ...]) -> float:
    said, is_so = episodes.answer == label, episodes.truth == label
    right, missed = float(weight[said & is_so].sum()), float(weight[~said & is_so].sum())
    wrong = float(weight[said & np.isin(episodes.truth, false_from)].sum())
    return 2 * right / max(2 * right + missed + wrong, 1e-12)


def _weight(episodes: Weighed, weights: Floats) -> Floats:
    """(n,) each kind of one truth weighs alike, each truth 1; a kind that nobody drawn has weighs nothing."""
    own = weights[episodes.wearer]
    group = np.bincount(episodes.group, own)
    weight = own / np.maximum(group[episodes.group], 1e-12)
    for truth in np.unique(episodes.truth):
        rows = episodes.truth == truth
        weight[rows] /= max(weight[rows].sum(), 1e-12)
    return np.asarray(weight)


def filed(episodes: Weighed, truth: str, answer: str) -> Callable[[Floats], float]:
    """Share of the episodes of one truth that were answered so, each counting once; of (wearers,) weights."""

    def share(weights: Floats) -> float:
        own = weights[episodes.wearer] * (episodes.truth == truth)
        return float(own[episodes.answer == answer].sum() / own.sum()) if own.sum() else float("nan")

    return share
