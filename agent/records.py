"""The frozen records that travel along the pipeline; each field says its shape, unit and range.

Batches, not objects: after `ingest`, a record holds arrays over all windows of one tick.
A *row* is one position of one wearer over one window; a *window* is one wearer over one window
and owns one row for each position that was heard. `owner` maps rows to windows.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

RuntimeName = Literal["onnx", "onnx-cuda", "onnx-tensorrt", "litert"]
"""What runs the network; see `agent.runtime`."""

LABELS = ("normal", "noise", "novelty")
"""The three labels of a verdict, in the order of every `(n, 3)` array below."""
NORMAL, NOISE, NOVELTY = range(3)

CAUSES = ("", "ambiguous", "too_little_calibration", "unlike_anything_seen", "poor_signal")
"""Why a verdict abstains; index 0 = it does not."""

AXES = ("x", "y", "z", "magnitude")
"""What a contribution can belong to: the three axes of the sensor, and the length of the acceleration."""


PARTS = ("open", "fall", "freezing")
"""What a score is made of: how unlike anything normal; how like the falls that were labelled; trembling in place."""
OPEN, FALL, FREEZING = range(3)


FAULTS = ("rotation", "gain", "offset", "dropout", "clipping", "stuck", "noise", "jitter")
"""Faults that the network learns to name, in the order of `Scores.faults`."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A run of samples from one wearable, as it reached the gateway."""

    wearer: str
    """Pseudonym of the person."""
    position: str
    """Where the sensor sits, for example `left_wrist`."""
    times_s: Floats
    """(n,) seconds on the device's own clock, strictly increasing."""
    samples_g: Singles
    """(n, 3) acceleration in g; NaN = missing."""
    received_s: float
    """When it reached the gateway, seconds on the gateway's clock."""


@dataclass(frozen=True, slots=True)
class Windows:
    """All windows due in one tick, for all wearers, ordered by end, then wearer."""

    wearer: Integers
    """(n,) slot of the wearer, see `ingest.Streams.wearers`."""
    end_s: Floats
    """(n,) end of the window, seconds on the gateway's clock."""
    owner: Integers
    """(m,) window that each row belongs to, ascending."""
    stream: Integers
    """(m,) slot of the stream (wearer x position), see `ingest.Streams`."""
    family: Integers
    """(m,) index of the position's family in the bundle's layout (wrist, waist, ...)."""
    samples_g: Singles
    """(m, 3, samples) acceleration in g on the bundle's grid; NaN = missing."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Evidence of a wrong measurement, one value in [0, 1] a row: 0 = none, 1 = certain."""

    stuck: Floats
    """(m,) an axis, or all, repeats one value where a worn sensor cannot."""
    clipped: Floats
    """(m,) the sensor's range was exceeded: tops are cut off."""
    spikes: Floats
    """(m,) single samples that no body can produce."""
    gravity: Floats
    """(m,) the length of the acceleration is not what 1 g and the movement explain: gain or offset."""
    dropout: Floats
    """(m,) evidence from the share of missing samples."""
    missing: Floats
    """(m,) share of missing samples, in [0, 1]."""
    non_wear: Floats
    """(m,) stillness long enough that the sensor is probably not worn."""
    white: Floats
    """(m,) samples shake at random, each for itself: noise, or samples out of their time."""
    left: Floats
    """(m,) an arm lies still while the trunk of its wearer walks: the sensor was left behind."""

    FAULTS = ("stuck", "clipped", "spikes", "gravity", "dropout", "white", "left")
    BORNE = ("gravity", "white")
    """Faults under which something violent still shows: it is as if seen through a bad window."""

    def faults(self) -> Floats:
        """(m, 7) the evidence of faults, columns as in `FAULTS`."""
        return np.stack([getattr(self, name) for name in self.FAULTS], axis=1)

    def blinding(self) -> Floats:
        """(m,) strongest evidence of a fault that is not borne."""
        columns = [getattr(self, name) for name in self.FAULTS if name not in self.BORNE]
        return np.asarray(np.max(columns, axis=0, initial=0.0))


@dataclass(frozen=True, slots=True)
class Trust:
    """Was it measured right? Masses of each row; what is left of 1 is ignorance, on all three labels."""

    right: Floats
    """(m,) in [0, 1]: on {normal, novelty}."""
    wrong: Floats
    """(m,) in [0, 1]: on {noise}; right + wrong <= 1."""
    alien: Booleans
    """(m,) unlike anything seen in training, known falls and faults included."""
    borne: Booleans
    """(m,) wrong by a fault under which something violent still shows."""

    def of(self, rows: Integers) -> "Trust":
        """Some rows of it."""
        return Trust(self.right[rows], self.wrong[rows], self.alien[rows], self.borne[rows])

    def wholly_wrong(self) -> Booleans:
        """(m,) rows of which {noise} is believed more than all else together."""
        return np.asarray(self.wrong >= LEAST_BELIEF)


LEAST_BELIEF = 0.5
"""From here on, belief in one label is at least the plausibility of all others."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What the network says of each row. Higher = stranger."""

    score: Floats
    """(m,) nonconformity score, standardised per family: 0 = median normal window; NaN = not scorable."""
    parts: Floats
    """(m, 3) what it is made of, see `PARTS`; standardised likewise; -inf = not to be had here."""
    embedding: Singles
    """(m, d) place of the row among normal windows."""
    aleatoric: Floats
    """(m,) spread that the model expects of this kind of movement (unitless, >= 0)."""
    epistemic: Floats
    """(m,) distance to the nearest normal prototype, share of the open score in [0, 1]."""
    disagreement: Floats
    """(m,) how far the teachers of the ensemble would disagree on such a window, as the student foretells (>= 0)."""
    faults: Floats
    """(m, 8) chance in [0, 1] of each of `FAULTS`, as the student sees it."""


@dataclass(frozen=True, slots=True)
class Surprise:
    """Calibrated scores, one value a window (all positions merged)."""

    score: Floats
    """(n,) the strangest position's score; NaN = none could be scored."""
    leading_row: Integers
    """(n,) the row that set the score; -1 = none."""
    p_value: Floats
    """(n,) share of normal half-minutes whose strangest window is at least as strange, in (0, 1]; NaN = not scored."""
    p_low: Floats
    """(n,) lower end of the 95 % interval that follows from the finite calibration set."""
    p_high: Floats
    """(n,) upper end."""
    smallest_p: Floats
    """(n,) the smallest p-value that this calibration set can give."""
    p_population: Floats
    """(n,) p-value by the population alone, whatever the wearer's own wear has added since."""
    own: Integers
    """(n,) the wearer's own half-minutes, in this regime, that `p_value` rests on."""

    def of(self, rows: Integers) -> "Surprise":
        """Some windows of it."""
        return Surprise(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The set-valued answers of one tick, one a window."""

    labels: Booleans
    """(n, 3) which of `LABELS` cannot be ruled out; at least one a row."""
    belief: Floats
    """(n, 3) in [0, 1]."""
    plausibility: Floats
    """(n, 3) in [0, 1], >= belief."""
    cause: Integers
    """(n,) index in `CAUSES`; 0 exactly where one label is left."""
    alpha: Floats
    """(n,) level at which `normal` was ruled out."""

    def of(self, rows: Integers) -> "Verdicts":
        """Some windows of it."""
        return Verdicts(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class Standing:
    """What the calibration of each window's wearer has come to."""

    regime: Integers
    """(n,) index in `agent.regime.REGIMES`: what the wearer was doing just before."""
    at_most_per_day: Floats
    """(n,) false alarms a day below which the wearer's rate lies with 95 %."""
    needed: Floats
    """(n,) half-minutes of the wearer's own, in this regime, until the budget can be promised; inf = it never can."""
