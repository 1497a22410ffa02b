"""A story in words and arrows, for a terminal, a screen reader and a test."""

from __future__ import annotations

from collections.abc import Iterator

from labkit.wire.shown_text import columns, seconds
from labkit.wire.story import Row, Story
from labkit.wire.verdict import SIGNS

_ARROWS = {("client", True): "client ──▶ server", ("server", True): "client ◀── server",
           ("client", False): "client ──✗  server", ("server", False): "client  ✗── server"}  # fmt: skip
_NO_ARROW = " " * len(_ARROWS["client", True])


def timeline_text(story: Story) -> str:
    """Return a story as plain text, a line for each row, remarks on lines of their own below."""
    lines = [f"{story.title}  (client's port {story.port})"]
    lines += [f"{SIGNS[tone]} {sentence}" for tone, sentence in story.verdict]
    for row in story.rows:
        lines += _lines_of(row)
    return "\n".join(line.rstrip() for line in lines)


def _lines_of(row: Row) -> Iterator[str]:
    if row.kind == "fold":
        yield f"{'⋮':>10}  {row.label}"
        return
    number = f"#{row.number}" if row.number is not None else ""
    start = f"{seconds(row.at_s):>10}  {number:>6}  "
    if row.kind == "app":
        arrow = f"{'app':>{len(_NO_ARROW)}}"
    else:
        arrow = _ARROWS[row.sender, row.arrives] if row.sender is not None else _NO_ARROW
    size = f" ({row.size})" if row.size else ""
    what = f"{row.label} {row.detail}".strip()
    yield f"{start}{arrow}  {what}{size}"
    indent = " " * (columns(start) + len(_NO_ARROW) + 2)
    for tone, note in row.notes:
        yield f"{indent}{SIGNS[tone]} {note}"
