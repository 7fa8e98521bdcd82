"""What the tests of the agent share: signals in g with a seed, and packets made from them."""

from collections.abc import Callable

import numpy as np
import pytest

from agent.records import Floats, Packet, Singles

Walking = Callable[[Floats], Singles]


def _walking_g(times_s: Floats) -> Singles:
    """(n, 3) g: gravity, a bounce at 1.8 Hz and a sensor's noise, the same for the same times."""
    noise = np.sin(times_s[:, None] * [1234.5, 2345.6, 3456.7]) * 0.006
    bounce = np.sin(2 * np.pi * 1.8 * times_s)[:, None] * [0.05, 0.1, 0.25]
    return (noise + bounce + [0.1, -0.2, 0.97]).astype(np.float32)


def _packet(
    start_s: float = 0.0,
    count: int = 50,
    *,
    rate_hz: float = 50.0,
    wearer: str = "w1",
    position: str = "waist",
    late_s: float = 0.0,
    device_s: float = 0.0,
    samples_g: Singles | None = None,
) -> Packet:
    """`count` samples from `start_s` on the gateway's clock; the device's own clock shows `device_s` more."""
    times_s = start_s + np.arange(count) / rate_hz
    samples = _walking_g(times_s) if samples_g is None else samples_g
    received_s = float(times_s[-1]) + late_s if count else start_s
    return Packet(wearer, position, times_s + device_s, samples, received_s)


@pytest.fixture(scope="session")
def walking_g() -> Walking:
    return _walking_g


@pytest.fixture(scope="session")
def packet() -> Callable[..., Packet]:
    return _packet
