"""Wrong measurements made on purpose: each kind of sensor fault at graded strength, with its label.

The kinds follow the taxonomy of Ni et al. 2009 ("Sensor network data fault types", ACM TOSN 5:25: offset, gain,
stuck-at, noise, spikes, clipping) and what a worn sensor adds: a strap that slips (rotation), a radio that loses
samples (dropout) and a clock that trembles (jitter).
"""

import numpy as np

from agent.records import Booleans, Floats, Singles

FAULTS = ("rotation", "gain", "offset", "dropout", "clipping", "stuck", "noise", "jitter")


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
    x, y, z = (axis / np.linalg.norm(axis, axis=1, keepdims=True)).T
    zero = np.zeros(rows)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(rows, 3, 3)
    angle = rng.uniform(-most_rad, most_rad, (rows, 1, 1))
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross))


def _rotation(rows: Singles, rng: np.random.Generator) -> Singles:
    """The strap slips half-way: 20 to 90 degrees from one instant on."""
    turned = np.einsum("nij,njt->nit", rotations(len(rows), rng, np.pi / 2), rows)
    return np.where(_from_some_instant(rows, rng), turned, rows).astype(np.float32)


def _gain(rows: Singles, rng: np.random.Generator) -> Singles:
    factor = 1 + rng.choice([-1.0, 1.0], (len(rows), 3, 1)) * rng.uniform(0.08, 0.5, (len(rows), 3, 1))
    return (rows * factor).astype(np.float32)


def _offset(rows: Singles, rng: np.random.Generator) -> Singles:
    """One axis or more."""
    way = rng.choice([-1.0, 1.0], (len(rows), 3, 1)) * _some_axes(rows, rng)
    return np.asarray(rows + way * rng.uniform(0.15, 1.0, (len(rows), 1, 1)), dtype=np.float32)


def _dropout(rows: Singles, rng: np.random.Generator) -> Singles:
    """Runs of missing samples, 10 to 45 % of the window."""
    samples = rows.shape[2]
    length = rng.integers(samples // 10, samples * 45 // 100, (len(rows), 1))
    start = rng.integers(0, samples, (len(rows), 1))
    gone = (np.arange(samples) - start) % samples < length
    return np.where(gone[:, None], np.nan, rows).astype(np.float32)


def _clipping(rows: Singles, rng: np.random.Generator) -> Singles:
    """The range ends below what the movement needs: between 40 and 90 % of the largest value."""
    top = np.nanmax(np.abs(rows), axis=(1, 2), keepdims=True, initial=0.1) * rng.uniform(0.4, 0.9, (len(rows), 1, 1))
    return np.clip(rows, -top, top).astype(np.float32)


def _stuck(rows: Singles, rng: np.random.Generator) -> Singles:
    """One axis, or all, holds its value from some instant on."""
    which = _some_axes(rows, rng)
    after = _from_some_instant(rows, rng)
    instant = after.argmax(axis=2, keepdims=True)
    held = np.take_along_axis(rows, np.broadcast_to(instant, (len(rows), 3, 1)), axis=2)
    return np.where(after & which, held, rows).astype(np.float32)


def _noise(rows: Singles, rng: np.random.Generator) -> Singles:
    """White noise of 0.1 to 1 g."""
    return (rows + rng.uniform(0.1, 1.0, (len(rows), 1, 1)) * rng.normal(size=rows.shape)).astype(np.float32)


def _jitter(rows: Singles, rng: np.random.Generator) -> Singles:
    """Samples stand at wrong instants: each is taken from up to four steps away."""
    samples = rows.shape[2]
    place = np.arange(samples) + rng.integers(-4, 5, (len(rows), samples))
    return np.take_along_axis(rows, np.clip(place, 0, samples - 1)[:, None], axis=2)


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
