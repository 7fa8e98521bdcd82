"""Steps and their evenness against annotated footsteps (`healthy_gait`), and in people after a stroke.

Feet are read as ankles are. The wearers in `LOOKED_AT` were looked at while the way of telling contacts was made; the
figures are of the others. The annotations tell, of each foot, when it left the ground and when it came down.

Some recordings have lost samples without a mark: the annotation runs away from the signal. Such walks are told from the
signal and the annotation alone, so that no contact missed by us can excuse itself: `kept_time`.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from agent.batch import cut_recording
from agent.layout import POSITIONS, Layout
from agent.limbs.columns import ARMS, LEGS, SIDES, TRUNK
from agent.limbs.contact import NOISE_G
from agent.limbs.gait import PLACE, Gait
from agent.limbs.interval import Of, Sums, quotient
from agent.limbs.legs import OF_STRIDES, SUMMED
from agent.limbs.steps import Feet, Steps
from agent.recording import Recording
from agent.records import Floats, Integers
from training.datasets import open_dataset
from training.errors import DataError

LAYOUT = Layout(positions=POSITIONS)
PLACES = ("left_ankle", "right_ankle", "lower_back")
LOOKED_AT = ("01", "04", "06", "09", "12", "14", "17")
"""Wearers of `healthy_gait` whose figures are not told."""
LATE_S = 2.0
"""A contact is booked in the second that ends about so long after it."""
NEAR_S = 0.25
"""A contact told so near to an annotated one is that one."""
HELD_S = 3.0
"""Whoever has walked stands on, and a sensor sends on: so long the last sample is held where a recording ends."""
FLAT_S = (0.20, 0.15)
"""A foot lies flat from so long after its contact to so long before it leaves the ground."""
HOLE = 1.75
"""A stride so many times as long as the walk's median has no contact annotated within: steps of the turn were left out.
"""


@dataclass(frozen=True, slots=True)
class Walk:
    """One walk there and back. Times in seconds, asymmetries left less right."""

    wearer: str
    steps: int
    """Annotated contacts within the walk."""
    told: int
    """Contacts told within it."""
    by_trunk: float
    """Steps told by the sensor on the back."""
    found: float
    """Share of the annotated contacts before the turn that were told."""
    extra: int
    """Contacts told before the turn that are none."""
    step_asymmetry: tuple[float, float]
    """Mean step time, as annotated and as told, before the turn."""
    swing_asymmetry: tuple[float, float]
    swing_ratio: float
    """Left over right, as told."""
    kept_time: bool
    """At every annotated stride the foot is louder while it should swing than while it should lie flat."""
    kept_before: bool
    """The same, up to the turn."""
    whole: bool
    """No annotated stride holds a contact that was left out."""
    annotated_after: float
    """Step asymmetry as annotated after the turn."""
    errors: dict[str, float]
    """ln(figure told / annotated) of the whole walk, by name in `DETECTOR_LOG_SD`."""


def walks(root: Path | None) -> Iterator[Walk]:
    """Every walk of `healthy_gait` of the wearers that are told of; errors as in `open_dataset`."""
    for item in open_dataset("healthy_gait", root, lambda wearer: wearer.split("-")[1] not in LOOKED_AT):
        path = Path(root or "") / "healthy_gait" / f"{item.recording.name}.parquet"
        told = json.loads(pq.read_schema(path).metadata[b"meta"])
        yield _walk(item.recording, told)


def _walk(recording: Recording, told: dict[str, list[list[int]]]) -> Walk:
    feet, sums, end_s = told_of(recording)
    start_s, stop_s = (float(one) / 100 for one in told["TrialBoundaries"])  # type: ignore[arg-type]
    turn_s = float(told["UTurnBoundaries"][0]) / 100  # type: ignore[arg-type]
    spans = [np.array(told[f"{side.title()}FootEvents"]) / 100 for side in SIDES]
    inside = (feet.at_s > start_s) & (feet.at_s < stop_s + NEAR_S)
    booked = (end_s - LATE_S > start_s) & (end_s - LATE_S < stop_s + NEAR_S)
    walked = [span[span[:, 1] < stop_s + NEAR_S] for span in spans]
    true = [span[span[:, 1] < turn_s] for span in spans]
    back = [span[span[:, 0] > told["UTurnBoundaries"][1] / 100] for span in walked]  # type: ignore[operator]
    near = [feet.at_s[(feet.side == side) & (feet.at_s > start_s)] for side in (0, 1)]
    near = [one[one < true[side][-1, 1] + NEAR_S] for side, one in enumerate(near)]
    apart = [np.abs(true[side][:, 1, None] - near[side][None]) for side in (0, 1)]
    annotated = evenness(_annotated(true))
    ours = evenness(feet.of(np.flatnonzero((feet.at_s > start_s) & (feet.at_s < turn_s))))
    return Walk(
        wearer=recording.wearer,
        steps=sum(map(len, walked)),
        told=int(inside.sum()),
        by_trunk=float(sums[booked, PLACE["trunk_steps"]].sum()),
        found=float(np.mean(np.concatenate([one.min(axis=1, initial=9.0) <= NEAR_S for one in apart]))),
        extra=sum(int((one.min(axis=0, initial=9.0) > NEAR_S).sum()) for one in apart),
        step_asymmetry=(annotated["step_s"], ours["step_s"]),
        swing_asymmetry=(annotated["swing_s"], ours["swing_s"]),
        swing_ratio=ours["swing_ratio"],
        kept_time=all(_in_time(recording, side, span) for side, span in zip(SIDES, walked, strict=True)),
        kept_before=all(_in_time(recording, side, span) for side, span in zip(SIDES, true, strict=True)),
        whole=all(bool(np.diff(span[:, 1]).max() < HOLE * np.median(np.diff(span[:, 1]))) for span in walked),
        annotated_after=evenness(_annotated(back))["step_s"],
        errors=_apart(summed(feet.of(np.flatnonzero(inside))), summed(_annotated(walked))),
    )


def _in_time(recording: Recording, side: str, spans: Floats) -> bool:
    """Whether (k, 2) annotated swings of a foot lie where its signal swings."""
    samples, times_s = recording.positions[f"{side}_foot"], recording.times_s
    level = np.log(np.linalg.norm(np.diff(samples, axis=0, prepend=samples[:1]), axis=1) + NOISE_G)
    for before, after in itertools.pairwise(spans):
        flat = level[(times_s >= before[1] + FLAT_S[0]) & (times_s < after[0] - FLAT_S[1])]
        swung = [level[(times_s >= one[0]) & (times_s < one[1])] for one in (before, after)]
        if not all(map(len, swung)) or (len(flat) and np.concatenate(swung).mean() <= flat.mean()):
            return False
    return True


def told_of(recording: Recording) -> tuple[Feet, Floats, Floats]:
    """All contacts of a recording; sums (n, columns) of its seconds and their ends, all by the agent's own path."""
    held = round(HELD_S * 100)
    times_s = np.append(recording.times_s, recording.times_s[-1] + (1 + np.arange(held)) / 100)
    positions = {
        name.replace("foot", "ankle"): np.concatenate([samples, np.repeat(samples[-1:], held, axis=0)])
        for name, samples in recording.positions.items()
    }
    renamed = Recording(recording.name, recording.wearer, times_s, positions)
    windows = cut_recording(renamed, LAYOUT)
    place: Integers = np.array([PLACES.index(name) for name in positions])
    pace, feet = Gait(LAYOUT).see(windows, place)
    return feet, pace.sums, pace.end_s


def _annotated(true: list[Floats]) -> Feet:
    """Of (k, 2) times of leaving and meeting the ground of each foot."""
    sides = np.repeat([0, 1], [len(one) for one in true])
    spans = np.concatenate(true)
    return Feet(np.zeros(len(spans), np.int64), sides, spans[:, 1], spans[:, 1] - spans[:, 0], np.ones(len(spans)))


def summed(feet: Feet) -> Sums:
    """What the books hold of contacts."""
    order = np.argsort(feet.at_s)
    feet, sums = feet.of(order), np.zeros((len(order), len(LEGS)))
    alone = Feet(np.arange(len(order)), feet.side, feet.at_s, feet.swing_s, feet.peak_g)
    Steps().follow(alone, np.zeros(len(order), np.int64), sums)
    return Sums(np.concatenate([np.zeros(len(ARMS)), sums.sum(axis=0), np.zeros(len(TRUNK))]))


def evenness(feet: Feet) -> dict[str, float]:
    """Mean step and swing time, left less right, and the ratio of the swings, left over right."""
    total = summed(feet)
    step = [float(total[f"step_s_{side}"] / np.maximum(total[f"paired_{side}"], 1)) for side in SIDES]
    swing = [float(total[f"swing_s_{side}"] / np.maximum(total[f"strides_{side}"], 1)) for side in SIDES]
    return {"step_s": step[0] - step[1], "swing_s": swing[0] - swing[1], "swing_ratio": swing[0] / swing[1]}


def _apart(ours: Sums, true: Sums) -> dict[str, float]:
    """ln(figure told / annotated), by name in `DETECTOR_LOG_SD`."""
    of: dict[str, Of] = {"steps": lambda sums: sums["steps_left"] + sums["steps_right"], **OF_STRIDES}
    apart = {name: float(np.log(one(ours) / one(true))) for name, one in of.items()}
    for name in ("step_time", "swing_time"):
        left, right = (quotient(*(f"{column}_{side}" for column in SUMMED[name])) for side in SIDES)
        apart[name] = float(np.log(left(ours) / right(ours)) - np.log(left(true) / right(true)))
    return apart


def after_stroke(root: Path) -> dict[str, tuple[float, int]]:
    """Of each walker of `stroke_gait_examples`: ratio of swing times left over right, and steps told.

    Raises:
        DataError: the files are missing.
    """
    told = {}
    for path in sorted((root / "stroke_gait_examples").glob("walk_*.parquet")):
        table = pq.read_table(path)
        positions = {
            f"{side}_foot": np.stack([table.column(f"{side}_foot_acc_{axis}_g").to_numpy() for axis in "xyz"], axis=1)
            for side in SIDES
        }
        times_s = table.column("t_ms").to_numpy() / 1000
        rising = np.concatenate([[True], np.diff(times_s) > 0])
        recording = Recording(
            path.stem, path.stem, times_s[rising], {name: x[rising].astype(np.float32) for name, x in positions.items()}
        )
        feet, _, _ = told_of(recording)
        told[path.stem] = (evenness(feet)["swing_ratio"], len(feet.at_s))
    if not told:
        raise DataError(f"dataset stroke_gait_examples: no walk_*.parquet in {root / 'stroke_gait_examples'}")
    return told
