"""What happens to sensors that are worn and not broken: losses and distortions of a whole recording, before ingest.

Each takes a recording and a source of draws, and gives the recording as it would have been measured or received.
Broken sensors are made elsewhere, see `training.faults`.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from agent.recording import Recording
from agent.records import Floats, Singles

PACKET_S = 1.0
"""As `agent.batch.packets` sends them."""
LOST = 0.1
ANGLE_DEG = 30.0
GAIN = 0.02
NOISE_DB = 20.0
SLOW_HZ = 25.0

Corruption = Callable[[Recording, np.random.Generator], Recording | None]
"""None = makes no sense for this recording."""


def _packet_loss(recording: Recording, rng: np.random.Generator) -> Recording:
    """One packet in ten never arrives, each position for itself."""
    packet = np.floor((recording.times_s - recording.times_s[0]) / PACKET_S).astype(np.int64)

    def received(samples: Singles) -> Singles:
        lost = rng.random(packet[-1] + 1) < LOST
        return np.where(lost[packet][:, None], np.float32(np.nan), samples)

    return _each(recording, received)


def _rotation(recording: Recording, rng: np.random.Generator) -> Recording:
    """Every sensor is worn 30 degrees askew, about an axis of its own."""
    return _each(recording, lambda samples: _turned(samples, rng))


def _slip(recording: Recording, rng: np.random.Generator) -> Recording:
    """From the middle of the recording on."""
    later = np.arange(len(recording.times_s))[:, None] >= len(recording.times_s) // 2
    return _each(recording, lambda samples: np.where(later, _turned(samples, rng), samples))


def _gain(recording: Recording, rng: np.random.Generator) -> Recording:
    """Each sensor shows 2 % too much or too little."""
    return _each(recording, lambda samples: samples * np.float32(1 + GAIN * rng.choice([-1, 1])))


def _noise(recording: Recording, rng: np.random.Generator) -> Recording:
    """White, a hundredth of the sensor's power over the recording, gravity included: some .06 g on each axis."""

    def noisy(samples: Singles) -> Floats:
        power = float(np.nanmean(samples.astype(np.float64) ** 2)) if np.isfinite(samples).any() else 0.0
        return np.asarray(samples + rng.normal(0.0, np.sqrt(power * 10 ** (-NOISE_DB / 10)), samples.shape))

    return _each(recording, noisy)


def _slow(recording: Recording, rng: np.random.Generator) -> Recording:
    """Sampled at 25 Hz, with no filter before it: of each 40 ms the first sample."""
    del rng  # nothing is left to chance
    tick = np.floor(recording.times_s * SLOW_HZ + 1e-6)
    first = np.flatnonzero(np.diff(tick, prepend=-np.inf) > 0)
    positions = {name: samples[first] for name, samples in recording.positions.items()}
    return replace(recording, times_s=recording.times_s[first], positions=positions)


def _missing(recording: Recording, rng: np.random.Generator) -> Recording | None:
    """Half of the sensors, one of two, is not worn."""
    names = list(recording.positions)
    if len(names) < 2:
        return None
    left = sorted(rng.choice(names, len(names) - len(names) // 2, replace=False).tolist())
    return replace(recording, positions={name: recording.positions[name] for name in left})


CORRUPTIONS: dict[str, Corruption] = {
    "none": lambda recording, rng: recording,
    "10 % packet loss": _packet_loss,
    "30 degrees rotation": _rotation,
    "30 degrees slip": _slip,
    "2 % gain": _gain,
    "20 dB noise": _noise,
    "25 Hz": _slow,
    "half the sensors": _missing,
}
"""Name -> what it does; the first is what the others are held against."""


def _each(recording: Recording, change: Callable[[Singles], Singles | Floats]) -> Recording:
    positions = {name: change(samples).astype(np.float32) for name, samples in recording.positions.items()}
    return replace(recording, positions=positions)


def _turned(samples: Singles, rng: np.random.Generator) -> Floats:
    axis = rng.normal(size=3)
    turn = Rotation.from_rotvec(np.deg2rad(ANGLE_DEG) * axis / np.linalg.norm(axis))
    return np.asarray(samples @ turn.as_matrix().T)
