"""`python -m training limbs`: the figures of arm use and its changes, from the datasets under `--root`.

Nothing that ships is learnt from these datasets; the learned detector is judged with each wearer left out in turn.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from agent.binomial import Z_95_BOTH
from agent.limbs.change import Found
from agent.limbs.legs import DETECTOR_LOG_SD
from agent.records import Floats
from training.bootstrap import Estimate
from training.datasets import data_root
from training.limbs import bilateral, days, duration, gait, use
from training.markdown import table

SECTIONS = ("use", "duration", "hands", "change", "months", "gait", "legs")
METHODS = {
    "counts": "thresholded counts",
    "gross": "gross movement (GM)",
    "both": "GM and counts (GMAC)",
    "learned": "learned, other wearers",
}
NOTES = {
    "use": """Youden's index against two therapists with video, mean over arms [95 % bootstrap interval over
wearers]; each wearer left out in turn for the learned detector, runs kept whole. Sure: where it does not abstain.
Duration: mean |share of the recording told as use - true share|. Ratio: root mean square error of ln(use ratio).
Tasks are scripted.""",
    "duration": """|share of the recording told as use - true share|, mean over arms [95 % bootstrap interval over
wearers], and its bias; each wearer left out in turn, and what a way learns comes from detectors that left out both that
wearer and the one they judge.""",
    "hands": "Right hand's share of the counts, median over wearers [least, most]. Sensors are not calibrated.",
    "change": """200 simulated wearers each; spread: standard deviation between days of ln(use ratio). Promise: at
least 60 judged days to a false event on average. Relapse of 20 % after 28 days.""",
    "gait": """Feet and back of healthy wearers who were not looked at before, there and back; contacts against the
annotated ones [95 % bootstrap interval over wearers]. Asymmetry: error of left less right, before the turn. Some
recordings have lost samples unmarked: a walk kept time where the foot is louder in every annotated swing than in the
stance between, which asks nothing of the contacts told. A hole: two steps of the turn annotated as one stride. After a
stroke: both walkers of `stroke_gait_examples`, named by how clinicians saw them.""",
    "legs": """200 simulated wearers each, three measures a day that share the promise of one false event in 60 judged
days; 20 % less of one of them after 28 days.""",
    "months": """Real patients, months put behind each other; what is found cannot be checked against anything.
Shuffled: the same days in random order, where every event is false.""",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Tell `parser` what `main` needs."""
    parser.add_argument("--root", type=Path, help="folder of the datasets (default: $VEILLE_DATA or ../shared/data)")
    parser.add_argument("--section", action="append", choices=SECTIONS, help="may be repeated; default: all")


def main(args: argparse.Namespace) -> int:
    """Print the tables.

    Raises:
        DataError: a dataset is missing.
    """
    root = data_root(args.root)
    makers = {
        "use": _use,
        "duration": _duration,
        "hands": _hands,
        "change": _change,
        "months": _months,
        "gait": _gait,
        "legs": _legs,
    }
    for name in args.section or SECTIONS:
        print(makers[name](root) + "\n\n" + NOTES[name] + "\n", flush=True)
    return 0


def _use(root: Path) -> str:
    judged, lines = use.judge(root), []
    for method, title in METHODS.items():
        ours = [one for one in judged if one.method == method]
        who = [one.wearer for one in ours]
        ratio = np.sqrt(np.mean([one.log_ratio_error**2 for one in ours]))
        sure = _over_wearers([one.youden_sure for one in ours], who)
        lines.append(
            (
                title,
                _cell(_over_wearers([one.youden for one in ours], who)),
                _cell(sure) if method == "learned" else "-",
                f"{np.mean([one.abstained for one in ours]):.2f}",
                _cell(_over_wearers([abs(one.duration_error) for one in ours], who)),
                f"{ratio:.2f}",
            )
        )
    return table(("method", "Youden", "Youden, sure", "abstains", "duration error", "ratio error"), lines)


def _duration(root: Path) -> str:
    lines = []
    for way, errors in duration.judge(root).items():
        who, size = [wearer for wearer, _ in errors], [abs(error) for _, error in errors]
        bias = float(np.mean([error for _, error in errors]))
        lines.append((way.replace("_", " "), _cell(_over_wearers(size, who)), f"{max(size):.2f}", f"{bias:+.3f}"))
    return table(("way", "error", "largest", "bias"), lines)


def _over_wearers(values: Sequence[float], wearers: Sequence[str]) -> Estimate:
    """Mean over arms with a percentile interval from 2000 draws of wearers."""
    value, who = np.array(values), np.array(wearers)
    names, rng = np.unique(who), np.random.default_rng(0)
    by_wearer = {name: value[who == name] for name in names}
    draws = [np.concatenate([by_wearer[name] for name in rng.choice(names, len(names))]).mean() for _ in range(2000)]
    low, high = np.quantile(draws, (0.025, 0.975))
    return Estimate(float(value.mean()), float(low), float(high))


def _by_wearer(values: Sequence[float], wearers: Sequence[str]) -> Floats:
    """(wearers,) mean of each."""
    return np.array([np.mean([v for v, w in zip(values, wearers, strict=True) if w == name]) for name in set(wearers)])


def _cell(one: Estimate) -> str:
    return f"{one.value:.3f} [{one.low:.2f}, {one.high:.2f}]"


def _hands(root: Path) -> str:
    told, lines = bilateral.actions(root), []
    for action in sorted({one.action for one in told}):
        shares = np.array([one.share_right for one in told if one.action == action])
        lines.append((action, f"{np.median(shares):.2f} [{shares.min():.2f}, {shares.max():.2f}]"))
    rest = np.array([(one.rest_before, one.rest_after) for one in told if np.isfinite(one.rest_before)])
    calibrated = "{:.3f} g, {:.3f} g".format(*rest.mean(axis=0)) if len(rest) else "no rest of 2.56 s in any recording"
    lines.append(("error of 1 g at rest, before and after calibration", calibrated))
    return table(("action", "right hand's share of the counts"), lines)


def _change(root: Path) -> str:
    lines = []
    for spread in days.SPREADS:
        one = days.simulate(spread)
        found = (f"{one.within_three:.2f}", f"{one.within_seven:.2f}", f"{one.size_error:.3f}")
        lines.append((f"{spread:.2f}", f"{one.days_to_false:.0f}", *found))
    return table(("spread", "days to a false event", "found in 3 days", "in 7 days", "error of size"), lines)


def _gait(root: Path) -> str:
    told = list(gait.walks(root))
    kept = [walk for walk in told if walk.kept_time]
    uneven = np.abs(np.log([walk.swing_ratio for walk in told]))
    lines = [("wearers, walks, annotated contacts", _heads(told))]
    sets = {"": told, ", walks that kept time": kept, ", those annotated without a hole": [w for w in kept if w.whole]}
    for which, walks in sets.items():
        lines += [(f"walks{which}", f"{len(walks)}")] if which else []
        lines += [(f"{what}{which}", figure) for what, figure in _counted(walks)]
    there = [walk for walk in told if walk.kept_before]
    lines.append(("walks that kept time up to the turn", f"{len(there)}"))
    for name, of in (("step", 0), ("swing", 1)):
        lines += _uneven(name, [(walk.wearer, (walk.step_asymmetry, walk.swing_asymmetry)[of]) for walk in there])
    lines += _known(kept)
    turned = [1000 * abs(walk.step_asymmetry[0] - walk.annotated_after) for walk in kept]
    apart = _over_wearers(turned, [walk.wearer for walk in kept])
    lines += [
        ("annotated step-time asymmetry, after the turn against before: mean of |difference|, ms", _cell(apart)),
        ("swing time, left over right: mean of |ln|, healthy", f"{uneven.mean():.3f}, largest {uneven.max():.3f}"),
    ]
    for name, (ratio, count) in gait.after_stroke(root).items():
        lines.append((f"the same after a stroke, {name}", f"{abs(np.log(ratio)):.3f} ({count} contacts)"))
    return table(("what", "figure"), lines)


def _heads(walks: list[gait.Walk]) -> str:
    return f"{len({walk.wearer for walk in walks})}, {len(walks)}, {sum(walk.steps for walk in walks)}"


def _counted(walks: list[gait.Walk]) -> list[tuple[str, str]]:
    """Contacts of feet and steps by the back against the annotation."""
    steps, who = sum(walk.steps for walk in walks), [walk.wearer for walk in walks]
    feet, back = (
        [abs(one / walk.steps - 1) for one, walk in zip(counts, walks, strict=True)]
        for counts in ([walk.told for walk in walks], [walk.by_trunk for walk in walks])
    )
    return [
        ("contacts told, less annotated", f"{100 * (sum(walk.told for walk in walks) / steps - 1):+.1f} %"),
        ("the same, a walk: mean of |error|", _cell(_over_wearers(feet, who))),
        ("found before the turn; extra", f"{np.mean([w.found for w in walks]):.4f}; {sum(w.extra for w in walks)}"),
        ("steps by the back alone", f"{100 * (sum(walk.by_trunk for walk in walks) / steps - 1):+.1f} %"),
        ("the same, a walk: mean of |error|, back", _cell(_over_wearers(back, who))),
    ]


def _known(walks: list[gait.Walk]) -> list[tuple[str, str]]:
    """Whether the detector's error is as known: how many wearers' mean errors lie within its 95 %."""
    who, told = [walk.wearer for walk in walks], []
    for name in walks[0].errors:
        means = _by_wearer([walk.errors[name] for walk in walks], who)
        held = int((np.abs(means) <= Z_95_BOTH * DETECTOR_LOG_SD[name]).sum())
        told.append(f"{name} {held} ({np.sqrt((means**2).mean()):.3f})")
    return [(f"of {len(set(who))} wearers, within the known error (root mean square, ln)", ", ".join(told))]


def _uneven(name: str, told: list[tuple[str, tuple[float, float]]]) -> list[tuple[str, str]]:
    """Errors of an asymmetry; `told` = wearer, and the asymmetry as annotated and as told."""
    who, errors = [wearer for wearer, _ in told], [1000 * (one - true) for _, (true, one) in told]
    means = np.abs(_by_wearer(errors, who))
    return [
        (f"{name}-time asymmetry, a walk: mean of |error|, ms", _cell(_over_wearers([*map(abs, errors)], who))),
        ("the same, mean of a wearer's walks, ms: mean, largest", f"{means.mean():.1f}, {means.max():.1f}"),
    ]


def _legs(root: Path) -> str:
    lines = []
    for spread in days.SPREADS:
        one = days.simulate(spread, measures=3)
        found = (f"{one.within_three:.2f}", f"{one.within_seven:.2f}", f"{one.size_error:.3f}")
        lines.append((f"{spread:.2f}", f"{one.days_to_false:.0f}", *found))
    return table(("spread", "days to a false event", "found in 3 days", "in 7 days", "error of size"), lines)


def _months(root: Path) -> str:
    lines = []
    for one in days.patients(root):
        told = "; ".join(map(_told, one.changes)) or "none"
        facts = (one.name, one.days, one.left_out, f"{one.spread:.2f}", told)
        lines.append((*facts, f"{one.shuffled_days_to_false:.0f}"))
    headings = ("patient", "days", "left out", "spread", "changes told", "shuffled: days to a false event")
    return table(headings, lines)


def _told(found: Found) -> str:
    return f"{100 * found.size:+.0f} % [{100 * found.low:+.0f}, {100 * found.high:+.0f}] since day {found.since + 1}"
