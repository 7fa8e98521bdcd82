"""A few shapes, drawn twice: as SVG for the page and as PNG for wherever a page cannot go; numpy and zlib alone."""

import struct
import zlib
from dataclasses import dataclass, replace
from html import escape

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-.:/%+,()' "
ROWS = (
    "75557262277174771717557117471774757711117575775717"
    "2575565656344436555674647746443455355755722271115255655"
    "4444757755655552555265644255636565534216722225555755552557755525555222"
    "71247007000000202020112445124502720000241222142224"
    "2200000000"
)
GLYPHS = {letter: ROWS[5 * place : 5 * place + 5] for place, letter in enumerate(LETTERS)}
"""Five rows of three pixels each, a row an octal digit."""
PLAIN = str.maketrans("éèêàùûôîç’", "eeeauuoic'")


@dataclass(frozen=True, slots=True)
class Rect:
    """A filled box."""

    x: float
    y: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float
    colour: str
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class Dot:
    """A disc."""

    x: float
    y: float
    radius: float
    colour: str


@dataclass(frozen=True, slots=True)
class Text:
    """Words on a baseline; `anchor` as in SVG: start, middle, end."""

    x: float
    y: float
    words: str
    colour: str = "#333333"
    anchor: str = "start"
    size: float = 12.0


Shape = Rect | Line | Dot | Text


def lowered(shapes: list[Shape], by: float) -> list[Shape]:
    """The same, further down."""
    return [
        replace(one, y1=one.y1 + by, y2=one.y2 + by) if isinstance(one, Line) else replace(one, y=one.y + by)
        for one in shapes
    ]


def svg(shapes: list[Shape], width: int, height: int, title: str) -> str:
    """The drawing as an SVG element."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" font-family="sans-serif">'
    )
    return "\n".join([head, f"<title>{escape(title)}</title>", *map(_element, shapes), "</svg>"])


def _element(shape: Shape) -> str:
    if isinstance(shape, Rect):
        box = f'x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.width:.1f}" height="{shape.height:.1f}"'
        return f'<rect {box} fill="{shape.colour}"/>'
    if isinstance(shape, Line):
        ends = f'x1="{shape.x1:.1f}" y1="{shape.y1:.1f}" x2="{shape.x2:.1f}" y2="{shape.y2:.1f}"'
        return f'<line {ends} stroke="{shape.colour}" stroke-width="{shape.width:g}"/>'
    if isinstance(shape, Dot):
        return f'<circle cx="{shape.x:.1f}" cy="{shape.y:.1f}" r="{shape.radius:g}" fill="{shape.colour}"/>'
    place = f'x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{shape.size:g}" text-anchor="{shape.anchor}"'
    return f'<text {place} fill="{shape.colour}">{escape(shape.words)}</text>'


def png(shapes: list[Shape], width: int, height: int) -> bytes:
    """The drawing as a PNG, twice as many pixels a side."""
    scale = 2
    pixels = np.full((height * scale, width * scale, 3), 255, np.uint8)
    for shape in shapes:
        _paint(pixels, shape, scale)
    rows = np.concatenate([np.zeros((len(pixels), 1), np.uint8), pixels.reshape(len(pixels), -1)], axis=1)
    head = struct.pack(">IIBBBBB", width * scale, height * scale, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in parts)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _paint(pixels: Pixels, shape: Shape, scale: int) -> None:
    colour = [int(shape.colour[place : place + 2], 16) for place in (1, 3, 5)]
    if isinstance(shape, Rect):
        (x, y), (right, below) = (shape.x, shape.y), (shape.x + shape.width, shape.y + shape.height)
        pixels[round(y * scale) : round(below * scale), round(x * scale) : round(right * scale)] = colour
    elif isinstance(shape, Line):
        steps = int(scale * max(abs(shape.x2 - shape.x1), abs(shape.y2 - shape.y1))) + 1
        half = shape.width / 2
        for x, y in zip(np.linspace(shape.x1, shape.x2, steps), np.linspace(shape.y1, shape.y2, steps), strict=True):
            _box(pixels, scale * (x - half), scale * (y - half), scale * (x + half), scale * (y + half), colour)
    elif isinstance(shape, Dot):
        rows, columns = np.ogrid[: pixels.shape[0], : pixels.shape[1]]
        inside = (columns - scale * shape.x) ** 2 + (rows - scale * shape.y) ** 2 <= (scale * shape.radius) ** 2
        pixels[inside] = colour
    else:
        _write(pixels, shape, scale, colour)


def _box(pixels: Pixels, left: float, top: float, right: float, below: float, colour: list[int]) -> None:
    row, column = max(round(top), 0), max(round(left), 0)
    pixels[row : max(round(below), row + 1), column : max(round(right), column + 1)] = colour


def _write(pixels: Pixels, text: Text, scale: int, colour: list[int]) -> None:
    """Capitals of three by five dots; what has no glyph is left blank."""
    dot = max(1, round(scale * text.size / 9))
    words = text.words.translate(PLAIN).upper()
    left = scale * text.x - {"start": 0.0, "middle": 2.0, "end": 4.0}[text.anchor] * dot * len(words)
    for place, letter in enumerate(words):
        for row, bits in enumerate(GLYPHS.get(letter, "00000")):
            for column in range(3):
                if int(bits, 8) & (4 >> column):
                    x, y = left + dot * (4 * place + column), scale * text.y + dot * (row - 5)
                    _box(pixels, x, y, x + dot, y + dot, colour)
