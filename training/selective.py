"""Is doubt well placed? Selective risk and set-valued utility of the answer on the test wearers' windows.

Truth is normal or novelty, window by window as in `training.metrics`; windows of unknown truth are left out, those that
could not be scored are not. Compared: the set that each head leaves, and the *forced answer*, the label with the most
pignistic probability of the same masses.

Utility of a set, x = [truth in set] / size (discounted accuracy): u65 = -.6 x^2 + 1.6 x, u80 = -1.2 x^2 + 2.2 x
(Zaffalon, Corani, Maua 2012, Int. J. Approx. Reason. 53:1282): right and alone 1, right among two .65 or .80, wrong 0.

Selective risk: windows are answered in order of confidence, the forced answer. With e_i = 1 where the i-th of n is
wrong, E_k = e_1 + ... + e_k:

    risk at coverage k / n: E_k / k       AURC = mean over k of E_k / k       AUGRC = mean over k of E_k / n

AURC: Geifman, El-Yaniv 2017, NeurIPS 30. AUGRC: Traub et al. 2024, NeurIPS 37, "Overcoming common flaws in the
evaluation of selective classification systems": the share of all windows that are answered and wrong, averaged over
coverage; at most a half. AURC counts each early error again and again, AUGRC each window alike. Windows of one
confidence are answered together: their errors count in equal parts.

Confidence is the *pignistic margin*, the most probable label less the second: it belongs to the forced answer, doubt of
either kind (little calibration, poor signal) lowers it since ignorance is shared out evenly, and it needs no truth.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent.heads import Head
from agent.records import NORMAL, NOVELTY, Booleans, Floats, Integers, Verdicts
from training.answers import HEADS, Answer
from training.bootstrap import Estimate, percentiles
from training.markdown import table
from training.metrics import window_truth

DRAWS = 200
STEPS = np.arange(1, 11) / 10
"""Coverages at which the risk is told."""
HEADINGS = ("protocol", "answer", "u65", "u80", "right", "abstains", "AURC", "AUGRC", "risk falls with abstention")
NOTES = """In brackets: 95 % bootstrap interval over wearers. *Right*: the truth is in the set. AURC and AUGRC
(x 1000) belong to the forced answer, ordered by pignistic margin. *Risk falls*: at coverages 1, .9, ... .1 the risk
never rises by more than .001."""


@dataclass(frozen=True, slots=True)
class Judgements:
    """n windows of known truth."""

    wearer: Integers
    """(n,) number of the wearer."""
    truth: Integers
    """(n,) index in `LABELS`."""
    sets: dict[Head, Booleans]
    """(n, 3) what each head leaves."""
    forced: Integers
    """(n,) the most probable label."""
    margin: Floats
    """(n,) in [0, 1], see the top."""


@dataclass(frozen=True, slots=True)
class Selective:
    """One answer under one protocol."""

    protocol: str
    answer: str
    u65: Estimate
    u80: Estimate
    right: float
    abstains: float
    aurc: Estimate | None
    """Of the forced answer only."""
    augrc: Estimate | None
    risk: tuple[float, ...] = ()
    """At each of `STEPS`."""


def judgements(found: Sequence[Answer], window_s: float) -> Judgements:
    """All windows of known truth."""
    names = sorted({answer.item.recording.wearer for answer in found})
    parts = [_of_one(answer, names, window_s) for answer in found]
    wearer, truth, probability = (np.concatenate([part[place] for part in parts]) for place in range(3))
    sets = {head: np.concatenate([part[3][head] for part in parts]) for head in HEADS}
    ordered = np.sort(probability, axis=1)
    return Judgements(wearer, truth, sets, probability.argmax(axis=1), ordered[:, -1] - ordered[:, -2])


def measure(protocol: str, found: Judgements) -> list[Selective]:
    """The forced answer, then each head."""
    forced = np.eye(3, dtype=np.bool_)[found.forced]
    curve = _Curve(found.margin, found.forced != found.truth)
    results = [_measured(protocol, "forced", found, forced, curve)]
    return results + [_measured(protocol, head, found, labels, None) for head, labels in found.sets.items()]


def pignistic(verdicts: Verdicts) -> Floats:
    """(n, 3) probability of each label if one had to bet, rows sum to 1.

    On three labels belief and plausibility give the masses away: with S and P their sums, all three labels hold
    P + S - 2, so that the pignistic probability is (belief + plausibility) / 2 - (P + S - 2) / 6.
    """
    both = verdicts.belief + verdicts.plausibility
    return np.asarray(both / 2 - (both.sum(axis=1, keepdims=True) - 2) / 6)


def utilities(labels: Booleans, truth: Integers) -> tuple[Floats, Floats]:
    """(n,) u65 and (n,) u80 of (n, 3) sets."""
    x = labels[np.arange(len(truth)), truth] / labels.sum(axis=1)
    return -0.6 * x**2 + 1.6 * x, -1.2 * x**2 + 2.2 * x


def markdown(results: Sequence[Selective]) -> str:
    """A Markdown table and what it means."""
    return table(HEADINGS, [_line(one) for one in results]) + "\n\n" + NOTES


def draw(results: Sequence[Selective], path: Path) -> None:
    """The risk-coverage curves of the forced answer, as a picture."""
    import matplotlib as mpl  # dear to load, wanted seldom

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    for one in results:
        if one.risk:
            axes.plot(STEPS, one.risk, marker=".", label=one.protocol)
    axes.set(xlabel="coverage: share of windows answered", ylabel="risk: share of these wrong", xlim=(0, 1.02))
    axes.set_ylim(bottom=0)
    axes.legend(fontsize="small", frameon=False)
    figure.savefig(path)
    plt.close(figure)


class _Curve:
    """Errors in order of confidence, for any weights of the windows."""

    def __init__(self, confidence: Floats, wrong: Booleans) -> None:
        levels, self._level = np.unique(-np.round(confidence, 9), return_inverse=True)
        self._count, self._wrong = len(levels), wrong

    def errors(self, weight: Floats) -> tuple[Floats, Floats]:
        """(levels + 1,) answered and wrong, both as shares of all, from the most confident down."""
        answered = np.bincount(self._level, weight, self._count)
        wrong = np.bincount(self._level, weight * self._wrong, self._count)
        return np.r_[0.0, answered.cumsum()] / weight.sum(), np.r_[0.0, wrong.cumsum()] / weight.sum()

    def augrc(self, weight: Floats) -> float:
        answered, wrong = self.errors(weight)
        return float(np.trapezoid(wrong, answered))

    def aurc(self, weight: Floats) -> float:
        return float(self.risk(weight, (np.arange(1000) + 0.5) / 1000).mean())

    def risk(self, weight: Floats, coverage: Floats) -> Floats:
        answered, wrong = self.errors(weight)
        return np.asarray(np.interp(coverage, answered, wrong) / coverage)


def _of_one(
    answer: Answer, names: Sequence[str], window_s: float
) -> tuple[Integers, Integers, Floats, dict[Head, Booleans]]:
    """Wearer, truth, pignistic probability and sets of one recording's windows of known truth."""
    item = answer.item
    label, known = window_truth(item.recording.times_s, item.label, item.judged, answer.end_s, window_s)
    wearer = np.full(int(known.sum()), names.index(item.recording.wearer))
    sets = {head: answer.labels(head)[known] for head in HEADS}
    return wearer, np.where(label[known] == 1, NOVELTY, NORMAL), pignistic(answer.verdicts[HEADS[0]])[known], sets


def _measured(protocol: str, name: str, found: Judgements, labels: Booleans, curve: _Curve | None) -> Selective:
    u65, u80 = utilities(labels, found.truth)
    everyone = np.ones(len(found.truth))
    return Selective(
        protocol=protocol,
        answer=name,
        u65=_estimate(found.wearer, lambda weight: float(np.average(u65, weights=weight))),
        u80=_estimate(found.wearer, lambda weight: float(np.average(u80, weights=weight))),
        right=float(labels[np.arange(len(labels)), found.truth].mean()),
        abstains=float((labels.sum(axis=1) > 1).mean()),
        aurc=_estimate(found.wearer, curve.aurc) if curve else None,
        augrc=_estimate(found.wearer, curve.augrc) if curve else None,
        risk=tuple(curve.risk(everyone, STEPS).tolist()) if curve else (),
    )


def _estimate(wearer: Integers, figure: Callable[[Floats], float]) -> Estimate:
    """With the bootstrap of `training.bootstrap`, on windows instead of tallies."""
    count = int(wearer.max()) + 1
    value = figure(np.ones(len(wearer)))
    if count < 2:
        return Estimate(value, float("nan"), float("nan"))
    draws = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), DRAWS)
    return Estimate(value, *percentiles(np.array([figure(weights[wearer].astype(float)) for weights in draws])))


def _line(one: Selective) -> tuple[object, ...]:
    falls = "-"
    if one.risk:
        rises = np.diff(one.risk) < -0.001
        falls = "yes" if not rises.any() else f"not from {STEPS[1:][rises][-1]:.1f} to {STEPS[:-1][rises][-1]:.1f}"
    return (
        one.protocol,
        one.answer.replace("_", " "),
        _cell(one.u65),
        _cell(one.u80),
        f"{one.right:.3f}",
        f"{one.abstains:.3f}",
        _cell(one.aurc, 1000),
        _cell(one.augrc, 1000),
        falls,
    )


def _cell(one: Estimate | None, times: float = 1.0) -> str:
    if one is None:
        return "-"
    digits = 1 if times > 1 else 3
    value, low, high = (f"{times * part:.{digits}f}" for part in (one.value, one.low, one.high))
    return value if np.isnan(one.low) else f"{value} ({low}-{high})"
