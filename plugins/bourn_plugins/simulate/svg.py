"""A small writer of SVG: as much of it as charts need. Equal calls give equal bytes."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

PALETTE = (
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#ff9da7", "#9c755f",
    "#86bcb6", "#d37295", "#a0cbe8",
)  # fmt: skip
INK, GRID = "#333333", "#dddddd"
FONT = "DejaVu Sans,Helvetica,Arial,sans-serif"


class Svg:
    """A picture of a size in pixels; y grows downwards."""

    def __init__(self, width: float, height: float) -> None:
        self.width = width
        self.height = height
        self._parts: list[str] = []

    def rect(
        self, x: float, y: float, width: float, height: float, fill: str, *, title: str = "", stroke: str = ""
    ) -> None:
        """Draw a filled rectangle; `title` shows where the pointer rests on it."""
        edge = f' stroke="{stroke}" stroke-width="0.5"' if stroke else ""
        body = f"><title>{escape(title)}</title></rect>" if title else "/>"
        box = f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"'
        self._parts.append(f'<rect {box} fill="{fill}"{edge}{body}')

    def line(self, x1: float, y1: float, x2: float, y2: float, stroke: str = GRID) -> None:
        """Draw a thin line."""
        self._parts.append(
            f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" stroke="{stroke}"/>'
        )

    def polygon(self, points: list[tuple[float, float]], fill: str) -> None:
        """Fill an area."""
        text = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        self._parts.append(f'<polygon points="{text}" fill="{fill}"/>')

    def polyline(self, points: list[tuple[float, float]], stroke: str) -> None:
        """Draw a line through points."""
        text = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        self._parts.append(f'<polyline points="{text}" fill="none" stroke="{stroke}" stroke-width="1.5"/>')

    def text(self, x: float, y: float, words: str, *, anchor: str = "start", size: int = 11) -> None:
        """Write words; `anchor` is start, middle or end."""
        self._parts.append(
            f'<text x="{_n(x)}" y="{_n(y)}" font-size="{size}" text-anchor={quoteattr(anchor)} '
            f'fill="{INK}">{escape(words)}</text>'
        )

    def __str__(self) -> str:
        size = f'width="{_n(self.width)}" height="{_n(self.height)}"'
        box = f'viewBox="0 0 {_n(self.width)} {_n(self.height)}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} font-family="{FONT}">'
        back = f'<rect width="{_n(self.width)}" height="{_n(self.height)}" fill="white"/>'
        return "\n".join((head, back, *self._parts, "</svg>\n"))


def _n(value: float) -> str:
    """Write a coordinate to a hundredth of a pixel."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
