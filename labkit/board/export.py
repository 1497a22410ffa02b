"""A board as a file for others: SVG, or JSON. Whatever artists sent is data in it, and never markup."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from labkit.board.item import Item, compact

WIDTH, HEIGHT = 1600, 1000
"""The board's logical size. What lies outside of it is kept, and not shown."""
PAPER = "#ffffff"


def as_json(name: str, items: Iterable[Item]) -> str:
    """Return ``{"board": name, "items": [item...]}``, in drawing order."""
    return f'{{"board":{compact(name)},"items":[{",".join(item.text for item in items)}]}}'


def as_svg(name: str, items: Iterable[Item]) -> str:
    """Return the board as an SVG image; erasing is drawn in the colour of the paper."""
    shapes = "\n".join(shape for item in items for shape in _shapes(json.loads(item.text)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">\n'
        f"<title>{escape(_printable(name))}</title>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>\n'
        f'<g fill="none" stroke-linecap="round" stroke-linejoin="round">\n{shapes}\n</g>\n</svg>\n'
    )


def _shapes(item: dict[str, Any]) -> Iterator[str]:
    points = item["points"]
    color = PAPER if item["tool"] == "eraser" else item["color"]
    pen = f"stroke={quoteattr(color)} stroke-width={quoteattr(_number(item['width']))}"
    (x1, y1), (x2, y2) = points[0], points[-1]
    is_flat = x1 == x2 or y1 == y2  # SVG shows no rect or ellipse without a width and a height
    match item["tool"]:
        case "rect" if not is_flat:
            x, y, width, height = min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1)
            yield f"<rect {_attributes(x=x, y=y, width=width, height=height)} {pen}/>"
        case "ellipse" if not is_flat:
            cx, cy, rx, ry = (x1 + x2) / 2, (y1 + y2) / 2, abs(x2 - x1) / 2, abs(y2 - y1) / 2
            yield f"<ellipse {_attributes(cx=cx, cy=cy, rx=rx, ry=ry)} {pen}/>"
        case "line" | "rect" | "ellipse":
            yield f"<line {_attributes(x1=x1, y1=y1, x2=x2, y2=y2)} {pen}/>"
        case _:
            yield f'<path d="{_smooth(points)}" {pen}/>'


def _smooth(points: list[list[float]]) -> str:
    """Return the curve that the page draws: through the middles between points, bent towards each point."""
    places = [f"{_number(x)},{_number(y)}" for x, y in points]
    middles = [
        f"{_number((x1 + x2) / 2)},{_number((y1 + y2) / 2)}" for (x1, y1), (x2, y2) in pairwise(points)
    ]
    curves = [f"Q{place} {middle}" for place, middle in zip(places[1:-1], middles[1:], strict=True)]
    # A point alone is a line to itself, which round ends make a dot.
    return " ".join([f"M{places[0]}", *curves, f"L{places[-1]}"])


def _attributes(**values: float) -> str:
    return " ".join(f'{name}="{_number(value)}"' for name, value in values.items())


def _number(value: float) -> str:
    return f"{float(value):.2f}".rstrip("0").rstrip(".")


def _printable(name: str) -> str:
    """Leave out what XML does not allow at all."""
    return "".join(char if char.isprintable() else "�" for char in name)
