"""A simulated person, for the demo and for tests: two minutes with a sensor on the right wrist and one at the waist.

What a sensor reads is built from its parts: gravity, turned by smooth changes of posture; the acceleration of those
turns at the end of a lever; the harmonics of gait; a fall; noise. The amplitudes were chosen to look like public
recordings of walking and of acted falls, and nothing else was fitted. It is a toy: nothing is trained on it and no
figure is measured on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent.recording import Recording
from agent.records import Floats, Singles

STANDARD_GRAVITY = 9.80665
"""m/s^2 in 1 g."""
RANGE_G = 16.0
"""What the simulated sensor can measure, either way."""
NOISE_G = 0.004
STEP_HZ = 1.8
"""Steps a second of easy walking."""
IMPACT_S = 0.75
"""From the first stumble to the ground."""
PULSE_S = 0.06
"""Length of the main blow."""
BLOW_G = (7.0, 8.0)
"""A hard fall: of SisFall's acted falls (waist, on the 50 Hz grid) one in ten peaks above 7.7 g, half above 4.6 g."""


@dataclass(frozen=True, slots=True)
class Episode:
    """What the person, or the sensor, did: the truth beside the recording."""

    start_s: float
    """Seconds from the start of the recording."""
    end_s: float
    kind: str
    """sitting, walking, arm_movements, fall, lying, getting_up or sensor_fault."""


@dataclass(frozen=True, slots=True)
class Site:
    """How one place on the body sits and moves. A *reading* is what the sensor shows at rest: 1 g, upward."""

    readings: dict[str, tuple[float, float, float]]
    """Posture -> reading in g on x, y, z; need not be of length 1."""
    forward: tuple[float, float, float]
    """Unit vector of the direction of walking, on the sensor's axes while standing."""
    sideways: tuple[float, float, float]
    lever_m: float
    """From the joint to the sensor."""
    bounce_g: float
    """First harmonic of gait, vertical."""
    surge_g: float
    """The same, forward."""
    sway_g: float
    """The same, sideways."""
    swing_rad: float
    """Half the arc of the arm's swing."""
    hits_s: float
    """When this place strikes the ground, against `IMPACT_S`."""


@dataclass(frozen=True, slots=True)
class Key:
    """A change of posture: from `at_s` on, the sensor turns to `reading` within `travel_s`."""

    at_s: float
    travel_s: float
    reading: tuple[float, float, float]


SITES = {
    "right_wrist": Site(
        readings={
            "sitting": (0.10, -0.05, 0.98),
            "walking": (-0.92, -0.36, 0.10),
            "lying": (0.20, 0.75, -0.62),
            "kneeling": (-0.55, 0.30, 0.40),
            "reach": (-0.35, -0.45, 0.82),
            "pour": (0.05, -0.90, 0.40),
            "wipe": (-0.25, -0.10, 0.96),
            "wipe_back": (0.20, -0.28, 0.94),
        },
        forward=(0.365, -0.931, 0.0),
        sideways=(0.0, 0.0, 1.0),
        lever_m=0.25,
        bounce_g=0.15,
        surge_g=0.07,
        sway_g=0.06,
        swing_rad=0.25,
        hits_s=-0.06,
    ),
    "waist": Site(
        readings={
            "sitting": (0.02, -0.94, -0.32),
            "walking": (0.02, -0.99, -0.08),
            "lying": (0.12, -0.06, -0.99),
            "kneeling": (0.10, -0.70, -0.70),
        },
        forward=(0.0, 0.0, -1.0),
        sideways=(1.0, 0.0, 0.0),
        lever_m=0.08,
        bounce_g=0.21,
        surge_g=0.10,
        sway_g=0.07,
        swing_rad=0.0,
        hits_s=0.0,
    ),
}

DAY = (
    Episode(0.0, 15.0, "sitting"),
    Episode(15.0, 37.0, "walking"),
    Episode(37.0, 53.0, "arm_movements"),
    Episode(53.0, 63.0, "walking"),
    Episode(63.0, 65.0, "fall"),
    Episode(65.0, 75.0, "lying"),
    Episode(75.0, 81.0, "getting_up"),
    Episode(81.0, 91.0, "sitting"),
    Episode(91.0, 115.0, "walking"),
    Episode(100.0, 110.0, "sensor_fault"),
    Episode(115.0, 120.0, "sitting"),
)
"""Two minutes. A `sensor_fault` lies over another episode: the wrist's sensor repeats one value."""


def simulate(
    rng: np.random.Generator,
    *,
    rate_hz: float = 50.0,
    episodes: Sequence[Episode] = DAY,
    wearer: str = "simulated",
) -> tuple[Recording, list[Episode]]:
    """Simulate a recording of `SITES`; the same generator state gives the same samples.

    Args:
        rng: source of all randomness.
        rate_hz: samples a second, at least 20 (a blow must not fall between two samples).
        episodes: what happens, ordered by start, the first at 0 s.
        wearer: pseudonym.

    Returns:
        The recording, seconds from 0, within +-`RANGE_G`, and its episodes.
    """
    times_s = np.arange(round(max(episode.end_s for episode in episodes) * rate_hz)) / rate_hz
    positions = {name: _site_samples(times_s, site, episodes, rng) for name, site in SITES.items()}
    for episode in _of_kind(episodes, "sensor_fault"):
        stuck = (times_s >= episode.start_s) & (times_s < episode.end_s)
        positions["right_wrist"][stuck] = positions["right_wrist"][np.argmax(stuck)]
    return Recording("simulated_two_minutes", wearer, times_s, positions), list(episodes)


def _site_samples(times_s: Floats, site: Site, episodes: Sequence[Episode], rng: np.random.Generator) -> Singles:
    """(n, 3) g: gravity as far as the body is supported, its turns, gait, blows, noise."""
    up = _upward(times_s, _keys(site, episodes, rng), rng)
    samples_g = up * _support(times_s, site, episodes)[:, None] + _turning_g(times_s, up, site)
    for episode in _of_kind(episodes, "walking"):
        samples_g += _gait_g(times_s, up, site, episode, rng)
    for episode in _of_kind(episodes, "fall"):
        samples_g += _blow_g(times_s, site, episode, rng)
    samples_g += rng.normal(0.0, NOISE_G, samples_g.shape)
    return np.clip(samples_g, -RANGE_G, RANGE_G).astype(np.float32)


# --- posture


def _keys(site: Site, episodes: Sequence[Episode], rng: np.random.Generator) -> list[Key]:
    """The changes of posture at one site, in order of time."""
    keys = [Key(-10.0, 1.0, site.readings["sitting"])]
    for episode in episodes:
        keys += _keys_of(site, episode, rng)
    return keys


def _keys_of(site: Site, episode: Episode, rng: np.random.Generator) -> list[Key]:
    readings = site.readings
    if episode.kind == "fall":
        return [Key(episode.start_s + 0.1, 0.7, readings["lying"])]
    if episode.kind == "getting_up":
        return [
            Key(episode.start_s + 0.3, 2.5, readings["kneeling"]),
            Key(episode.end_s - 2.5, 2.2, readings["walking"]),
        ]
    if episode.kind == "arm_movements" and "reach" in readings:
        return _arm_keys(site, episode, rng)
    if episode.kind in readings:
        return [Key(episode.start_s, rng.uniform(1.3, 1.8), readings[episode.kind])]
    return [Key(episode.start_s, 1.5, readings["sitting"])] if episode.kind == "arm_movements" else []


def _arm_keys(site: Site, episode: Episode, rng: np.random.Generator) -> list[Key]:
    """Reach for a glass, pour, put it back, then wipe the table; each pose is another time a little different."""
    poses = ("reach", "pour", "reach", "sitting", "wipe", "wipe_back", "wipe", "wipe_back", "wipe", "sitting")
    keys: list[Key] = []
    at_s = episode.start_s
    while at_s < episode.end_s - 2.5:
        pose = poses[len(keys) % len(poses)]
        travel_s = rng.uniform(0.6, 0.9) if pose.startswith("wipe") else rng.uniform(0.9, 1.4)
        x, y, z = np.asarray(site.readings[pose]) + rng.normal(0.0, 0.05, 3)
        keys.append(Key(at_s, travel_s, (x, y, z)))
        at_s += travel_s * rng.uniform(1.0, 1.5)
    return [*keys, Key(at_s, 1.0, site.readings["sitting"])]


def _upward(times_s: Floats, keys: Sequence[Key], rng: np.random.Generator) -> Floats:
    """(n, 3) unit vectors: what the sensor would read if the body held still at that moment."""
    up: Floats = np.tile(np.asarray(keys[0].reading), (len(times_s), 1))
    for key in keys:
        share = _minimum_jerk((times_s - key.at_s) / key.travel_s)[:, None]
        up = up * (1 - share) + np.asarray(key.reading) * share
    up += 0.01 * np.stack([_wander(times_s, rng) for _ in "xyz"], axis=1)  # nobody holds quite still
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    return up


def _turning_g(times_s: Floats, up: Floats, site: Site) -> Floats:
    """(n, 3) the acceleration of a sensor on a lever that turns with `up`."""
    velocity = np.gradient(up, times_s, axis=0)
    turning: Floats = -site.lever_m / STANDARD_GRAVITY * np.gradient(velocity, times_s, axis=0)
    return turning


def _minimum_jerk(share: Floats) -> Floats:
    """0 -> 1 the way that limbs move (Flash & Hogan 1985)."""
    done: Floats = np.clip(share, 0.0, 1.0)
    return done**3 * (10 - 15 * done + 6 * done**2)


def _wander(times_s: Floats, rng: np.random.Generator) -> Floats:
    """(n,) slow random drift: standard deviation about 1, nothing faster than about 1 Hz."""
    knots_s = np.arange(times_s[0], times_s[-1] + 1.5, 0.5)
    values = np.convolve(rng.normal(0.0, 1.6, len(knots_s)), (0.25, 0.5, 0.25), mode="same")
    place = (times_s - knots_s[0]) / 0.5
    left = place.astype(int)
    drift: Floats = values[left] + (values[left + 1] - values[left]) * _minimum_jerk(place - left)
    return drift


# --- gait


def _gait_g(times_s: Floats, up: Floats, site: Site, episode: Episode, rng: np.random.Generator) -> Floats:
    """(n, 3) harmonics of the step along the vertical and forward, of the stride (two steps) sideways."""
    cadence_hz = STEP_HZ * (rng.uniform(0.96, 1.04) + 0.015 * _wander(times_s, rng))
    phase = 2 * np.pi * np.cumsum(cadence_hz) * (times_s[1] - times_s[0])
    vertical = site.bounce_g * (np.cos(phase) + 0.35 * np.cos(2 * phase + 0.6) + 0.15 * np.cos(3 * phase + 1.1))
    forward = site.surge_g * (np.sin(phase + 0.4) + 0.30 * np.sin(2 * phase))
    sideways = site.sway_g * (np.sin(phase / 2) + 0.40 * np.sin(1.5 * phase + 0.3))
    swing_forward, swing_up = _arm_swing_g(phase / 2, site)
    body = up * (vertical + swing_up)[:, None] + np.outer(forward + swing_forward, site.forward)
    vigour = _ramp(times_s, episode) * (1 + 0.06 * _wander(times_s, rng))
    gait: Floats = (body + np.outer(sideways, site.sideways)) * vigour[:, None]
    return gait


def _arm_swing_g(stride_phase: Floats, site: Site) -> tuple[Floats, Floats]:
    """A pendulum of length L swinging at w: (g - L w^2) a along the arc, L a'^2 toward the joint."""
    turn_hz, length_m = STEP_HZ / 2, 2.4 * site.lever_m
    omega = 2 * np.pi * turn_hz
    angle, speed = site.swing_rad * np.sin(stride_phase), site.swing_rad * omega * np.cos(stride_phase)
    return (1 - length_m * omega**2 / STANDARD_GRAVITY) * angle, length_m * speed**2 / STANDARD_GRAVITY


def _ramp(times_s: Floats, episode: Episode) -> Floats:
    """(n,) 0 -> 1 -> 0: gait sets in over the first steps and dies away over the last."""
    rises = _minimum_jerk((times_s - episode.start_s - 0.5) / 1.5)
    return rises * _minimum_jerk((episode.end_s - times_s) / 0.8)


# --- fall


def _support(times_s: Floats, site: Site, episodes: Sequence[Episode]) -> Floats:
    """(n,) share of gravity that the ground gives back: a falling body feels little of it until it lands."""
    support = np.ones_like(times_s)
    for episode in _of_kind(episodes, "fall"):
        lands_s = episode.start_s + IMPACT_S + site.hits_s
        falling = _minimum_jerk((times_s - lands_s + 0.45) / 0.2) * (times_s < lands_s)
        support -= 0.9 * falling
    return support


def _blow_g(times_s: Floats, site: Site, episode: Episode, rng: np.random.Generator) -> Floats:
    """(n, 3) the blow, its ringing, and a smaller second blow, mostly against the side that lands."""
    since_s = times_s - (episode.start_s + IMPACT_S + site.hits_s)
    ring = np.exp(-np.clip(since_s - PULSE_S, 0, None) / 0.07) * np.sin(2 * np.pi * 9 * (since_s - PULSE_S))
    shape = _half_sine(since_s) + 0.3 * _half_sine(since_s - 0.28) - 0.4 * ring * (since_s >= PULSE_S)
    direction = np.asarray(site.readings["lying"]) + rng.normal(0.0, 0.2, 3)
    return np.outer(rng.uniform(*BLOW_G) * shape, direction / np.linalg.norm(direction))


def _half_sine(since_s: Floats) -> Floats:
    return np.where((since_s >= 0) & (since_s < PULSE_S), np.sin(np.pi * since_s / PULSE_S), 0.0)


def _of_kind(episodes: Sequence[Episode], kind: str) -> list[Episode]:
    return [episode for episode in episodes if episode.kind == kind]
