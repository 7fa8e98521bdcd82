"""Markdown tables."""

from collections.abc import Iterable, Sequence


def table(headings: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """One line a row, under the headings; no line break at the end."""
    return "\n".join(line(cells) for cells in (headings, ["---"] * len(headings), *rows))


def line(cells: Iterable[object]) -> str:
    """One row: each cell as `str` has it."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
