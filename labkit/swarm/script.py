"""What a simulated user says: one text a message, with the marker somewhere in it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

MARKER = "{marker}"
NUMBER = "{n}"

DEFAULT_MESSAGE = "Hello from user {n} {marker}"


class Script(Protocol):
    """Writes the messages. Whatever it returns must contain the marker as it is."""

    def message(self, client: int, marker: str) -> str:
        """Return the text that a client sends."""
        ...


@dataclass(frozen=True)
class Template:
    """A text with `{marker}` and maybe `{n}` in it; other braces stay, so it may be JSON."""

    text: str = DEFAULT_MESSAGE

    def message(self, client: int, marker: str) -> str:
        """Return the text with the client's number and the marker put in."""
        return self.text.replace(NUMBER, str(client)).replace(MARKER, marker)


STROKE_POINTS = 24


class Strokes:
    """A small stroke a message, each client's in a place of its own; the marker is the stroke's id.

    For the drawing app's plain contract: everybody gets each stroke, its author too.
    """

    def message(self, client: int, marker: str) -> str:
        """Return a `draw` of a ring, which grows a little with each that the client draws."""
        turn = sum(marker.encode()) % 97 / 97
        x, y, radius = 60 + client % 20 * 78, 60 + client // 20 * 98 % 900, 12 + 24 * turn
        angles = (2 * math.pi * step / (STROKE_POINTS - 1) for step in range(STROKE_POINTS))
        points = [[round(x + radius * math.cos(a)), round(y + radius * math.sin(a))] for a in angles]
        return json.dumps({"type": "draw", "id": marker, "tool": "pen", "width": 2, "points": points})


def script_for(url: str, message: str) -> Script:
    """Return what clients say at an address: a message of one's own, or what fits the app."""
    parts = urlsplit(url).path.strip("/").split("/")
    if message == DEFAULT_MESSAGE and parts[:2] == ["ws", "draw"]:
        return Strokes()
    return Template(message)
