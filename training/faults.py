"""Wrong measurements made on purpose: what each kind of sensor fault does to samples, and the draws of the training.

The kinds follow the taxonomy of Ni et al. 2009 ("Sensor network data fault types", ACM TOSN 5:25: offset, gain,
stuck-at, noise, spikes, clipping, drift) and what a worn sensor adds: a strap that slips (rotation), axes that are
taken for each other, a radio that loses samples (dropout) and a clock that trembles (jitter).

What a fault does is one function of samples and of its strength, for windows of the training (n, 3, samples) and for a
whole stream alike (n = 1, `training.benchmarks.noise_novelty`). Which fault, and how strong, is drawn elsewhere.
"""

import numpy as np

from agent.records import FAULTS, Booleans, Floats, Integers, Singles


def corrupt(samples_g: Singles, rng: np.random.Generator, share: float = 0.5) -> tuple[Singles, Singles]:
    """Give some rows one fault each.

    Args:
        samples_g: (n, 3, samples) in g, NaN = missing.
        rng: source of all draws.
        share: of the rows that get a fault.

    Returns:
        Samples of the same shape (dropout leaves NaN), and (n, 8) labels, 1 in the column of the fault.
    """
    out = samples_g.copy()
    kind = np.where(rng.random(len(out)) < share, rng.integers(0, len(FAULTS), len(out)), -1)
    for index, name in enumerate(FAULTS):
        rows = np.flatnonzero(kind == index)
        if len(rows):
            out[rows] = _MAKE[name](out[rows], rng)
    return out, (kind[:, None] == np.arange(len(FAULTS))).astype(np.float32)


def rotations(rows: int, rng: np.random.Generator, most_rad: float = np.pi) -> Floats:
    """(rows, 3, 3) rotations about uniform axes by up to `most_rad` (Rodrigues' formula)."""
    axis = rng.normal(size=(rows, 3))
    return rotation(axis, rng.uniform(-most_rad, most_rad, rows))


def rotation(axis: Floats, angle_rad: Floats) -> Floats:
    """(n, 3, 3) rotations about axes (n, 3) of any length by angles (n,)."""
    x, y, z = (axis / np.linalg.norm(axis, axis=1, keepdims=True)).T
    zero = np.zeros(len(axis))
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    angle = angle_rad[:, None, None]
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross))


# --- what a fault does: rows (n, 3, samples) in g; what it is given beside them broadcasts against that


def turned(rows: Singles, turn: Floats, share: Floats) -> Singles:
    """Slips on its strap: turned by (n, 3, 3) where `share` is 1, on the straight way there where it is between."""
    there = np.einsum("nij,njt->nit", turn, rows)
    between = rows + share * (there - rows)
    length = np.linalg.norm(rows, axis=1, keepdims=True)  # the straight way is too short in its middle
    between *= length / np.maximum(np.linalg.norm(between, axis=1, keepdims=True), 1e-9)
    return np.where((share > 0) & (share < 1), between, np.where(share > 0, there, rows)).astype(np.float32)


def scaled(rows: Singles, factor: Floats) -> Singles:
    """Gain."""
    return (rows * factor).astype(np.float32)


def shifted(rows: Singles, by_g: Floats) -> Singles:
    """Offset; with one that grows, drift."""
    return np.asarray(rows + by_g, dtype=np.float32)


def dropped(rows: Singles, gone: Booleans) -> Singles:
    """Samples are lost."""
    return np.where(gone, np.nan, rows).astype(np.float32)


def clipped(rows: Singles, top_g: Floats) -> Singles:
    """The range ends at `top_g`."""
    return np.clip(rows, -top_g, top_g).astype(np.float32)


def held(rows: Singles, which: Booleans) -> Singles:
    """Stuck: where `which`, the last value from before is repeated; an axis that is stuck from its start holds that."""
    places = np.where(which, 0, np.arange(rows.shape[2]))
    last = np.maximum.accumulate(np.broadcast_to(places, rows.shape), axis=2)
    return np.take_along_axis(rows, last, axis=2)


def noisy(rows: Singles, spread_g: Floats, rng: np.random.Generator) -> Singles:
    """White noise is added."""
    return (rows + spread_g * rng.normal(size=rows.shape)).astype(np.float32)


def misplaced(rows: Singles, steps: Integers) -> Singles:
    """Jitter: each sample is taken from so many steps away, alike on all axes."""
    samples = rows.shape[2]
    place = np.arange(samples) + steps
    return np.take_along_axis(rows, np.clip(place, 0, samples - 1)[:, None], axis=2)


def leaping(rows: Singles, leap_g: Floats) -> Singles:
    """Spikes: single values leap by `leap_g`, which is 0 almost everywhere."""
    return np.asarray(rows + leap_g, dtype=np.float32)


def exchanged(rows: Singles, order: tuple[int, int, int], sign: tuple[int, int, int]) -> Singles:
    """Axes are taken for each other, or the wrong way round."""
    return np.asarray(rows[:, list(order)] * np.array(sign, np.float32)[:, None], dtype=np.float32)


# --- the draws of the training


def _rotation(rows: Singles, rng: np.random.Generator) -> Singles:
    """The strap slips half-way: up to 90 degrees from one instant on."""
    turn = rotations(len(rows), rng, np.pi / 2)
    return turned(rows, turn, _from_some_instant(rows, rng).astype(float))


def _gain(rows: Singles, rng: np.random.Generator) -> Singles:
    return scaled(rows, 1 + rng.choice([-1.0, 1.0], (len(rows), 3, 1)) * rng.uniform(0.08, 0.5, (len(rows), 3, 1)))


def _offset(rows: Singles, rng: np.random.Generator) -> Singles:
    """One axis or more."""
    way = rng.choice([-1.0, 1.0], (len(rows), 3, 1)) * _some_axes(rows, rng)
    return shifted(rows, way * rng.uniform(0.15, 1.0, (len(rows), 1, 1)))


def _dropout(rows: Singles, rng: np.random.Generator) -> Singles:
    """Runs of missing samples, 10 to 45 % of the window."""
    samples = rows.shape[2]
    length = rng.integers(samples // 10, samples * 45 // 100, (len(rows), 1))
    start = rng.integers(0, samples, (len(rows), 1))
    gone = (np.arange(samples) - start) % samples < length
    return dropped(rows, gone[:, None])


def _clipping(rows: Singles, rng: np.random.Generator) -> Singles:
    """The range ends below what the movement needs: between 40 and 90 % of the largest value."""
    top = np.nanmax(np.abs(rows), axis=(1, 2), keepdims=True, initial=0.1) * rng.uniform(0.4, 0.9, (len(rows), 1, 1))
    return clipped(rows, top)


def _stuck(rows: Singles, rng: np.random.Generator) -> Singles:
    """One axis, or all, holds its value from some instant on."""
    which = _some_axes(rows, rng)
    after = _from_some_instant(rows, rng)
    return held(
        rows, np.asarray(np.roll(after, 1, axis=2) & after & which)
    )  # the value at the instant is still its own


def _noise(rows: Singles, rng: np.random.Generator) -> Singles:
    """White noise of 0.1 to 1 g."""
    return noisy(rows, rng.uniform(0.1, 1.0, (len(rows), 1, 1)), rng)


def _jitter(rows: Singles, rng: np.random.Generator) -> Singles:
    """Samples stand at wrong instants: each is taken from up to four steps away."""
    return misplaced(rows, rng.integers(-4, 5, (len(rows), rows.shape[2])))


def _some_axes(rows: Singles, rng: np.random.Generator) -> Booleans:
    """(n, 3, 1) True for one axis at least: a fault that changes nothing must not be labelled as one."""
    half = rng.random((len(rows), 3, 1)) < 0.5
    return np.asarray(half | (rng.integers(0, 3, (len(rows), 1, 1)) == np.arange(3)[:, None]))


def _from_some_instant(rows: Singles, rng: np.random.Generator) -> np.ndarray:
    """(n, 1, samples) True from an instant in the first three quarters on."""
    samples = rows.shape[2]
    return np.asarray(np.arange(samples) >= rng.integers(0, samples * 3 // 4, (len(rows), 1, 1)))


_MAKE = {
    "rotation": _rotation,
    "gain": _gain,
    "offset": _offset,
    "dropout": _dropout,
    "clipping": _clipping,
    "stuck": _stuck,
    "noise": _noise,
    "jitter": _jitter,
}
