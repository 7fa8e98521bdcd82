"""An explanation as a picture: SVG, made with string templates alone, for a page of a browser or of a report.

One panel a position, those that raised the score first: the signal of its three axes, what the model expects there (a
band of two standard deviations around the level), the segments that added to the score shaded by how much, and the
stretch that is told framed. On the right what each axis of the position added. The colours tell axes apart for
colour-blind eyes too (Okabe, Ito 2008, "Color Universal Design"). Without samples the band of what was measured is
drawn in place of the trace.
"""

from collections.abc import Iterable
from html import escape

import numpy as np

from agent.expect import measured
from agent.explain import Why
from agent.records import AXES, Floats, Singles

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP = 900, 150, 64, 220, 84, 46
"""Pixels."""
COLOURS = {"x": "#D55E00", "y": "#009E73", "z": "#0072B2", "magnitude": "#555555"}
SHADE, FRAME, INK, FAINT_INK = "#E69F00", "#CC3311", "#222222", "#888888"
LEAST_SPAN_G = 0.5
"""A panel shows at least so much from bottom to top: noise must not look like a storm."""
BAND = 2.0
"""Standard deviations."""


def draw(why: Why, title: str, *, trace: bool = True) -> str:
    """The picture of one window.

    Args:
        why: the explanation.
        title: a sentence, shown above and read out by screen readers.
        trace: draw the samples; else only the level and spread that each segment had.
    """
    order = _order(why)
    height = TOP + len(order) * (PANEL + GAP) + 12 + 16 * (len(_wrapped(title)) - 1)
    top = TOP + 16 * (len(_wrapped(title)) - 1)
    parts = [_head(title, height), *_legend(top - 26)]
    for number, position in enumerate(order):
        parts += _panel(why, position, top + number * (PANEL + GAP), trace=trace)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _order(why: Why) -> list[int]:
    added = [_added(why, position).sum() for position in range(len(why.positions))]
    return sorted(range(len(why.positions)), key=lambda one: (why.positions[one] not in why.faulty, -added[one]))


def _added(why: Why, position: int) -> Floats:
    """(4 axes, segments) what raised the score."""
    if why.decomposition is None:
        return np.zeros((4, max(why.segments, 1)))
    return np.asarray(np.maximum(why.decomposition.by_place[position], 0), dtype=np.float64)


def _head(title: str, height: int) -> str:
    lines = "".join(
        f'<text x="16" y="{24 + 16 * n}" font-size="13" fill="{INK}">{escape(line)}</text>'
        for n, line in enumerate(_wrapped(title))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="Helvetica, Arial, sans-serif" role="img"><title>{escape(title)}</title>'
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>{lines}'
    )


def _wrapped(text: str, width: int = 118) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        if len(line) + len(word) + 1 > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return [*lines, line]


def _legend(y: int) -> Iterable[str]:
    x = LEFT
    for name in ("x", "y", "z"):
        yield f'<line x1="{x}" y1="{y - 4}" x2="{x + 18}" y2="{y - 4}" stroke="{COLOURS[name]}" stroke-width="2"/>'
        yield f'<text x="{x + 23}" y="{y}" font-size="11" fill="{INK}">{name}</text>'
        x += 50
    yield f'<rect x="{x}" y="{y - 9}" width="18" height="9" fill="{COLOURS["z"]}" opacity="0.18"/>'
    yield f'<text x="{x + 23}" y="{y}" font-size="11" fill="{INK}">expected</text>'
    x += 90
    yield f'<rect x="{x}" y="{y - 9}" width="18" height="9" fill="{SHADE}" opacity="0.45"/>'
    yield f'<text x="{x + 23}" y="{y}" font-size="11" fill="{INK}">added to the score</text>'
    x += 140
    yield f'<rect x="{x}" y="{y - 9}" width="18" height="9" fill="none" stroke="{FRAME}" stroke-width="1.5"/>'
    yield f'<text x="{x + 23}" y="{y}" font-size="11" fill="{INK}">what is told</text>'


def _panel(why: Why, position: int, top: int, *, trace: bool) -> Iterable[str]:
    name, samples = why.positions[position], why.samples_g[position]
    right = WIDTH - RIGHT
    low, high = _limits(why, position)
    shown = escape(name.replace("_", " "))
    yield f'<text x="{LEFT}" y="{top - 6}" font-size="12" font-weight="bold" fill="{INK}">{shown}</text>'
    yield f'<rect x="{LEFT}" y="{top}" width="{right - LEFT}" height="{PANEL}" fill="none" stroke="#cccccc"/>'
    yield from _shades(why, position, top)
    yield from _scale(why, low, high, top)
    if why.level_g is not None and why.spread_g is not None:
        yield from _bands(why.level_g[position], why.spread_g[position], low, high, top, 0.18)
    if trace:
        yield from _traces(samples, low, high, top)
    elif why.level_g is not None:
        level, spread = measured(samples[None], why.segments)
        yield from _bands(level[0], spread[0], low, high, top, 0.45)
    yield from _frame(why, name, top)
    if why.decomposition is not None:
        yield from _bars(why, position, top)


def _limits(why: Why, position: int) -> tuple[float, float]:
    samples = why.samples_g[position]
    values = [samples[np.isfinite(samples)]]
    if why.level_g is not None and why.spread_g is not None:
        level, spread = why.level_g[position, :, :3], BAND * why.spread_g[position, :, :3]
        values += [(level - spread).ravel(), (level + spread).ravel()]
    every = np.concatenate(values)
    low, high = (float(every.min()), float(every.max())) if len(every) else (-1.0, 1.0)
    middle, half = (low + high) / 2, max(high - low, LEAST_SPAN_G) * 0.54
    return middle - half, middle + half


def _across(place: float) -> float:
    """Share of the window, 0 to 1 -> x in pixels."""
    return LEFT + place * (WIDTH - RIGHT - LEFT)


def _up(value: float, low: float, high: float, top: int) -> float:
    """G -> y in pixels."""
    return top + PANEL * (high - value) / (high - low)


def _shades(why: Why, position: int, top: int) -> Iterable[str]:
    added = _added(why, position).sum(axis=0)
    everywhere = sum(_added(why, one).sum() for one in range(len(why.positions)))
    for segment, value in enumerate(added):
        share = value / max(everywhere, 1e-9)
        if share > 0.02:
            x, width = _across(segment / len(added)), (WIDTH - RIGHT - LEFT) / len(added)
            yield (
                f'<rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="{PANEL}" fill="{SHADE}" '
                f'opacity="{0.08 + 0.4 * share:.2f}"><title>{share:.0%} of what raised the score</title></rect>'
            )


def _bands(level: Singles, spread: Singles, low: float, high: float, top: int, opacity: float) -> Iterable[str]:
    segments = len(level)
    for axis, name in enumerate(AXES[:3]):
        for segment in range(segments):
            upper = _up(float(level[segment, axis] + BAND * spread[segment, axis]), low, high, top)
            lower = _up(float(level[segment, axis] - BAND * spread[segment, axis]), low, high, top)
            x, width = _across(segment / segments), (WIDTH - RIGHT - LEFT) / segments
            yield (
                f'<rect x="{x:.1f}" y="{upper:.1f}" width="{width:.1f}" height="{max(lower - upper, 1.5):.1f}" '
                f'fill="{COLOURS[name]}" opacity="{opacity}"/>'
            )


def _traces(samples: Singles, low: float, high: float, top: int) -> Iterable[str]:
    count = samples.shape[1]
    for axis, name in enumerate(AXES[:3]):
        for run in _runs(np.isfinite(samples[axis])):
            points = " ".join(
                f"{_across((n + 0.5) / count):.1f},{_up(float(samples[axis, n]), low, high, top):.1f}" for n in run
            )
            yield f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="1.4"/>'


def _runs(there: np.ndarray) -> list[list[int]]:
    """Indices of what is there, unbroken: nothing is drawn across a gap."""
    edges = np.flatnonzero(np.diff(there.astype(np.int8))) + 1
    return [run.tolist() for run in np.split(np.arange(len(there)), edges) if len(run) and there[run[0]]]


def _scale(why: Why, low: float, high: float, top: int) -> Iterable[str]:
    for value in _ticks(low, high):
        y = _up(value, low, high, top)
        yield f'<line x1="{LEFT - 4}" y1="{y:.1f}" x2="{LEFT}" y2="{y:.1f}" stroke="{FAINT_INK}"/>'
        yield (
            f'<text x="{LEFT - 7}" y="{y + 4:.1f}" font-size="10" text-anchor="end" fill="{FAINT_INK}">'
            f"{value:g} g</text>"
        )
    segments = max(why.segments, 1)
    for segment in range(segments + 1):
        before_s = why.segment_s * (segments - segment)
        yield (
            f'<text x="{_across(segment / segments):.1f}" y="{top + PANEL + 13}" font-size="10" text-anchor="middle" '
            f'fill="{FAINT_INK}">{f"-{before_s:.1f}" if before_s else "0"} s</text>'
        )


def _ticks(low: float, high: float) -> list[float]:
    step = next(one for one in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if (high - low) / one <= 6 or one == 20)
    return [round(n * step, 3) for n in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def _frame(why: Why, name: str, top: int) -> Iterable[str]:
    for start, stop in _told(why, name):
        x, end = _across(start), _across(stop)
        yield (
            f'<rect x="{x:.1f}" y="{top + 1}" width="{end - x:.1f}" height="{PANEL - 2}" fill="none" '
            f'stroke="{FRAME}" stroke-width="1.5"/>'
        )


def _told(why: Why, name: str) -> Iterable[tuple[float, float]]:
    """From and to, as shares of the window: all of it where the sensor is at fault."""
    account, window_s = why.account, why.segment_s * why.segments
    if name in why.faulty:
        yield 0.0, 1.0
    elif account is not None and account.position == name and window_s:
        yield 1 + account.start_s / window_s, 1 + account.end_s / window_s


def _bars(why: Why, position: int, top: int) -> Iterable[str]:
    """What each axis added, and the position in all."""
    added, x = _added(why, position).sum(axis=1), WIDTH - RIGHT + 84
    everywhere = sum(_added(why, one).sum() for one in range(len(why.positions)))
    share = added.sum() / max(everywhere, 1e-9)
    yield (
        f'<text x="{WIDTH - RIGHT + 14}" y="{top + 14}" font-size="12" fill="{INK}">'
        f"{share:.0%} of what raised the score</text>"
    )
    for axis, name in enumerate(AXES):
        y, width = top + 30 + 26 * axis, 90 * added[axis] / max(everywhere, 1e-9)
        yield f'<text x="{x - 6}" y="{y + 11}" font-size="11" text-anchor="end" fill="{INK}">{name}</text>'
        yield f'<rect x="{x}" y="{y}" width="{width:.1f}" height="14" fill="{COLOURS[name]}"/>'
        yield f'<text x="{x + width + 4:.1f}" y="{y + 11}" font-size="10" fill="{FAINT_INK}">{added[axis]:.2f}</text>'
