"""What every dataset gives: recordings of real people, with the truth beside each sample."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agent.recording import Recording


@dataclass(frozen=True, slots=True)
class Labelled:
    """One recording and what is known of it."""

    recording: Recording
    """`recording.wearer` is `<dataset>-<person>`; `recording.name` is unique among those with the same positions."""
    dataset: str
    """Name of the dataset, one of `datasets.NAMES`."""
    activity: str
    """What the person was asked to do, in the dataset's own words; empty = not stated."""
    normal: bool
    """The whole recording is normal activity, fit for training and calibration."""
    label: NDArray[np.int8]
    """(n,) 1 = the sample belongs to an anomalous event (a fall, a freeze), 0 = it does not."""
    judged: NDArray[np.bool_]
    """(n,) False = outside the experiment, its truth unknown: counts neither as normal wear nor as an event."""
    shippable: bool
    """A model trained on it may ship, with citation."""
    calm: NDArray[np.bool_] | None = None
    """(n,) the sample is normal wear; None = all of them are, or none, as `normal` says. See `calm_samples`."""

    def calm_samples(self) -> NDArray[np.bool_]:
        """(n,) normal wear: a recording of days is not lost to learning because of one fall."""
        return np.full(len(self.label), self.normal) if self.calm is None else self.calm


def worn_at(positions: Collection[str], items: Iterable[Labelled]) -> Iterator[Labelled]:
    """Each with those positions only; a recording that has none of them is left out."""
    for item in items:
        kept = {name: samples for name, samples in item.recording.positions.items() if name in positions}
        if kept:
            yield replace(item, recording=replace(item.recording, positions=kept))
