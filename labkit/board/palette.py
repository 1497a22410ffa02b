"""Which colour an artist gets: one that nobody present has, for as long as there are any."""

from __future__ import annotations

import colorsys
from collections.abc import Collection

# Neighbours differ in hue, and all are readable on white and on near-black (contrast of 3:1 and more).
PALETTE = (
    "#d6336c",
    "#1c7ed6",
    "#2b8a3e",
    "#e8590c",
    "#7048e8",
    "#0c8599",
    "#a37200",
    "#868e96",
    "#4263eb",
    "#5c940d",
    "#ae3ec9",
    "#d9480f",
    "#087f5b",
    "#f03e3e",
    "#1971c2",
    "#9c36b5",
    "#a36a3c",
    "#2f9e44",
    "#7950f2",
    "#e64980",
    "#1098ad",
    "#bf7b16",
    "#3b5bdb",
    "#c2255c",
)

GOLDEN_ANGLE = 0.381966
"""Of a turn: hues that are this far apart never come close to one another soon."""


def free_color(taken: Collection[str], preferred: str = "") -> str:
    """Return a colour as ``#rrggbb`` that is not taken: the preferred one, one of the palette, or a made one."""
    for color in (preferred, *PALETTE):
        if color and color not in taken:
            return color
    number = 0
    while (color := _made(number)) in taken:
        number += 1
    return color


def _made(number: int) -> str:
    red, green, blue = colorsys.hls_to_rgb(number * GOLDEN_ANGLE % 1.0, 0.42 + 0.04 * (number % 3), 0.7)
    return "#" + "".join(f"{round(255 * part):02x}" for part in (red, green, blue))
