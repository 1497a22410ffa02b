"""One thing on a board: a stroke or a shape. Its points are kept as the JSON text that everyone gets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

Points = Sequence[Sequence[float]]


def compact(value: Any) -> str:
    """Serialise compactly, in ASCII: a lone surrogate in an id is then no trouble for anyone."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def points_text(points: Points) -> str:
    """Return points as JSON without the outer brackets, so that texts can be put together."""
    return compact(points)[1:-1]


class Item:
    """A stroke or shape, visible while it is `live` and `hidden_by` nobody.

    Attributes:
        artist_id: who drew it; only they may extend, end or undo it.
        count: how many points it has.
        order: its place among the visible; 0 while it grows.
        growing: it is not finished.
        live: False while it is undone.
        hidden_by: how many clears and the like hide it.
        record: its artist, colour, id, tool and width as JSON texts, for the board's records.
    """

    __slots__ = (
        "_head",
        "_texts",
        "artist_id",
        "bytes",
        "count",
        "growing",
        "hidden_by",
        "id",
        "live",
        "order",
        "record",
    )

    def __init__(
        self, item_id: str, artist_id: str, color: str, tool: str, width: float, points: Points
    ) -> None:
        self.id = item_id
        self.artist_id = artist_id
        self.order = 0
        self.growing = True
        self.live = True
        self.hidden_by = 0
        self.count = 0
        head = {"id": item_id, "artist_id": artist_id, "color": color, "tool": tool, "width": width}
        self._head = compact(head)[1:-1]
        self.record = compact([artist_id, color, item_id, tool, width])[1:-1]
        self._texts: list[str] = []
        self.bytes = len(self._head)
        if points:
            self.extend(points_text(points), len(points))

    @property
    def visible(self) -> bool:
        """Whether it is on the board, or growing there."""
        return self.live and not self.hidden_by

    @property
    def points(self) -> str:
        """Its points as JSON."""
        return f"[{','.join(self._texts)}]"

    @property
    def body(self) -> str:
        """Its fields as JSON without the outer braces: id, artist_id, color, tool, width, points."""
        return f'{self._head},"points":{self.points}'

    @property
    def text(self) -> str:
        """The item as JSON, with its order; or with a note that it is growing."""
        return f'{{{self.body},"growing":true}}' if self.growing else f'{{{self.body},"order":{self.order}}}'

    def extend(self, text: str, count: int) -> None:
        """Add points, given as JSON without the outer brackets."""
        self._texts.append(text)
        self.count += count
        self.bytes += len(text) + 1

    def finish(self, order: int) -> None:
        """End its growing and give it its place. What it grew from is put together."""
        self.growing = False
        self.order = order
        self._texts = [",".join(self._texts)]
