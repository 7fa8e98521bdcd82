"""Samples of arms that reach and legs that step, with known truth, sent in packets of which some are lost.

What is asked of it is how clocks apart and packets lost bend ratios, not how well movement is detected.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from agent.compose import Sender
from agent.counters import Counters
from agent.ingest import Streams
from agent.languages import LANGUAGES
from agent.layout import POSITIONS, Layout
from agent.limbs.figures import ArmDay, arm_day
from agent.limbs.legs import LegDay, leg_day
from agent.limbs.watch import Limbs
from agent.records import Floats, Packet, Singles
from agent.settings import Limbs as Settings
from agent.windows import Cutter

RATE_HZ = 50
PACKET_S = 1
SLOT_S, REACH_S = 20, 10
"""An arm reaches for the first ten seconds of a slot, or not at all."""
NOISE_G = 0.004
START_S = 20_000.4 * 86_400
WRISTS, ANKLES = ("left_wrist", "right_wrist"), ("left_ankle", "right_ankle")
DELAY_S = 0.02
CUT = 20
"""Windows are cut after so many packets: how often does not matter."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens to the sensors. Pairs are (left, right)."""

    sync_s: float = 0.0
    """The left devices' clocks are behind by this; with Unix time that is told, not mended."""
    lost: tuple[float, float] = (0.0, 0.0)
    """Share of the packets that never come."""
    gain: tuple[float, float] = (1.0, 1.0)
    """Reading over truth."""


def reaching(used: np.ndarray, rng: np.random.Generator) -> Singles:
    """(n, 3) g of an arm that reaches in the slots of (slots,) `used`."""
    times_s = np.arange(len(used) * SLOT_S * RATE_HZ) / RATE_HZ
    moves = used[(times_s // SLOT_S).astype(int)] & (times_s % SLOT_S < REACH_S)
    angle = np.radians(30) * np.sin(np.pi * times_s) * moves
    turned = np.radians(40) * np.sin(times_s / 300) + angle  # postures change, slowly
    up = np.stack([np.sin(turned), 0.3 * np.cos(times_s / 200), np.cos(turned)], axis=1)
    noisy: Floats = up / np.linalg.norm(up, axis=1, keepdims=True) + rng.normal(0, NOISE_G, up.shape)
    samples: Singles = noisy.astype(np.float32)
    return samples


def stepping(
    times_s: Floats, contacts_s: Floats, swing_s: float = 0.42, shock_g: float = 2.5, seed: int = 0
) -> Singles:
    """(n, 3) g of a leg: quiet while it stands, loud while it swings, a shock at each contact."""
    samples = np.tile([0.1, -0.2, 0.97], (len(times_s), 1))
    samples = samples + np.random.default_rng(seed).normal(0, NOISE_G, (len(times_s), 3))
    for contact_s in contacts_s:
        in_air = (times_s > contact_s - swing_s) & (times_s < contact_s)
        phase = (times_s[in_air] - contact_s) / swing_s
        samples[in_air, 0] += 0.9 * np.sin(2 * np.pi * phase)
        samples[in_air, 2] += 0.5 * np.sin(2 * np.pi * 1.5 * phase)
        since_s = times_s - contact_s
        ringing = (since_s >= 0) & (since_s < 0.12)
        samples[ringing, 2] += shock_g * np.exp(-since_s[ringing] / 0.03) * np.cos(60 * since_s[ringing])
    return samples.astype(np.float32)


def arms(ratio: float, slots: int, trouble: Trouble, seed: int = 0) -> tuple[float, ArmDay]:
    """Use of the left arm over that of the right, as it was and as the agent's books tell it."""
    rng = np.random.default_rng(seed)
    use = np.arange(slots) < 0.8 * slots, np.arange(slots) < 0.8 * ratio * slots
    right, left = (rng.permutation(one) for one in use)
    left[-1] = right[-1] = True  # a sensor that is still at the end may be off
    limbs = _sent(WRISTS, (reaching(left, rng), reaching(right, rng)), trouble, rng)
    day = limbs.ledger.day(0)
    return left.sum() / right.sum(), arm_day(day, 0, awake_h=1e-9)


def legs(swing_s: tuple[float, float], left_step_s: float, seconds: int, trouble: Trouble, seed: int = 0) -> LegDay:
    """Legs of a walk with strides of 1.1 s, as the agent's books tell them."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(seconds * RATE_HZ) / RATE_HZ
    right_s = np.arange(2.0, seconds - 2.0, 1.1) + rng.normal(0, 0.01, len(np.arange(2.0, seconds - 2.0, 1.1)))
    left_s = right_s + left_step_s + rng.normal(0, 0.01, len(right_s))
    samples = tuple(
        stepping(times_s, contacts, swing, seed=side)
        for side, (contacts, swing) in enumerate(zip((left_s, right_s), swing_s, strict=True))
    )
    limbs = _sent(ANKLES, samples, trouble, rng)
    return leg_day(limbs.ledger.day(0), 0, awake_h=1e-9)


def _sent(
    positions: tuple[str, str], samples: tuple[Singles, ...], trouble: Trouble, rng: np.random.Generator
) -> Limbs:
    """The agent's limbs after all packets that came."""
    layout = Layout(positions=POSITIONS)
    streams = Streams(layout, Counters())
    sender = Sender("site", "gateway", "bundle", "0" * 64, 0.01, layout, SimpleNamespace(), LANGUAGES["en"])  # type: ignore[arg-type]
    limbs, cutter = Limbs(sender, streams, Settings()), Cutter(streams)
    for number, packet in enumerate(_packets(positions, samples, trouble, rng)):
        streams.put(packet)
        if number % CUT == 0:
            limbs.follow(cutter.cut(), packet.received_s)
    limbs.follow(cutter.cut(), packet.received_s)
    return limbs


def _packets(
    positions: tuple[str, str], samples: tuple[Singles, ...], trouble: Trouble, rng: np.random.Generator
) -> Iterator[Packet]:
    each = PACKET_S * RATE_HZ
    for first in range(0, len(samples[0]), each):
        rows = slice(first, first + each)
        times_s = START_S + np.arange(first, first + each) / RATE_HZ
        received_s = float(times_s[-1]) + DELAY_S
        for side, position in enumerate(positions):
            device_s = times_s - (trouble.sync_s if side == 0 else 0.0)
            if rng.random() >= trouble.lost[side] or first == 0:
                yield Packet("anna", position, device_s, trouble.gain[side] * samples[side][rows], received_s)
