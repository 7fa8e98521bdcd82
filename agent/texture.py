"""Rows -> the texture of their signal: closed-form numbers of a window alone, of the kind that faults change."""

from dataclasses import dataclass

import numpy as np

from agent.features import fill_missing
from agent.quality import SAME_G
from agent.records import Floats, Singles

REST_G = 0.02
"""A segment is at rest where no axis spreads more: gravity alone is measured."""
BLOCK = 128
"""Rows at a time."""


@dataclass(frozen=True, slots=True)
class Texture:
    """Of m windows, from their samples alone."""

    mean: Floats
    """(m, 3) g"""
    spread: Floats
    """(m, 3) g"""
    activity: Floats
    """(m,) length of the spread, g"""
    level: Floats
    """(m,) log of the mean length of the acceleration"""
    rest: Floats
    """(m,) log of the length at rest; NaN = it never rests"""
    rough: Floats
    """(m, 3) log of the power of the second difference against the first: 1.1 for white noise, far below for bodies"""
    floor: Floats
    """(m,) log of the white noise that would explain the calmest segment, in mg"""
    lonely: Floats
    """(m,) log of 1 + the largest jerk of one axis that no other shares, in 0.1 g"""
    flat: Floats
    """(m,) log of 1 + neighbouring samples at the top of a moving axis"""
    repeats: Floats
    """(m, 3) share of neighbouring samples that are the same"""


def texture(samples_g: Singles, segments: int) -> Texture:
    """In blocks that stay in the processor's cache: three times as fast."""
    starts = range(0, max(len(samples_g), 1), BLOCK)
    parts = [_block(samples_g[start : start + BLOCK], segments) for start in starts]
    columns = zip(*parts, strict=True)
    return Texture(*(np.concatenate(column).astype(np.float64) for column in columns))


def _block(samples_g: Singles, segments: int) -> tuple[Singles, ...]:
    """The fields of `Texture`, in their order."""
    filled = fill_missing(samples_g)
    m, _, samples = filled.shape
    size = samples // segments
    parts = filled.reshape(m, 3, segments, size)
    of_parts = parts.mean(axis=3)
    within = np.maximum(np.einsum("ijkl,ijkl->ijk", parts, parts) / size - of_parts * of_parts, 0.0)  # variance
    spread = np.sqrt(within.mean(axis=2) + of_parts.var(axis=2))
    lengths = np.sqrt(np.einsum("ijk,ijk->ik", of_parts, of_parts))
    first = np.diff(filled, axis=2)
    second = np.diff(first, axis=2)
    power = np.einsum("ijk,ijk->ij", first, first) / (samples - 1)
    bends = second[..., : segments * ((samples - 2) // segments)].reshape(m, 3, segments, -1)
    jerk = np.einsum("ijkl,ijkl->ijk", bends, bends) / bends.shape[3]
    return (
        of_parts.mean(axis=2),
        spread,
        np.sqrt((spread * spread).sum(axis=1)),
        np.log(np.maximum(np.sqrt(np.einsum("ijk,ijk->ik", filled, filled)).mean(axis=1), 0.1)),
        _rest(within, lengths),
        np.log((jerk.mean(axis=2) + 1e-7) / (power + 1e-6)),
        np.log(1e3 * np.sqrt(jerk.mean(axis=1).min(axis=1) / 6) + 1.0),
        _lonely(np.abs(second)),
        _flat(filled, spread),
        (np.abs(first) < SAME_G).mean(axis=2),
    )


def _rest(within: Singles, lengths: Singles) -> Singles:
    calm = within.max(axis=1) < REST_G**2  # (m, segments)
    length = (lengths * calm).sum(axis=1) / np.maximum(calm.sum(axis=1), 1)
    return np.where(calm.any(axis=1), np.log(np.maximum(length, 0.1)), np.nan)


def _lonely(jerk: Singles) -> Singles:
    """Of an axis beyond twice that of the next: (m, 3, samples) sizes."""
    one, two, three = jerk[:, 0], jerk[:, 1], jerk[:, 2]
    larger, smaller = np.maximum(one, two), np.minimum(one, two)
    most, next_most = np.maximum(larger, three), np.maximum(smaller, np.minimum(larger, three))
    return np.asarray(np.log1p(10 * np.maximum(most - 2 * next_most, 0).max(axis=1)), dtype=np.float32)


def _flat(filled: Singles, spread: Singles) -> Singles:
    """Clipping leaves neighbours at the very top; a moving body leaves one."""
    size = np.abs(filled)
    at_top = size > size.max(axis=2, keepdims=True) - 0.003
    pairs = np.count_nonzero(at_top[..., 1:] & at_top[..., :-1], axis=2)
    return np.asarray(np.log1p(np.where(spread > 0.05, pairs, 0).max(axis=1)), dtype=np.float32)
