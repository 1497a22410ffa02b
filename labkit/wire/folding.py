"""A long story made short: its beginning, its end and whatever is remarkable; the rest counted."""

from __future__ import annotations

import dataclasses
from collections import Counter

from labkit.wire.shown_text import counted, seconds
from labkit.wire.story import Row, Story

MAX_ROWS = 48
"""As many rows as a picture has; a longer story is folded to about that."""

EDGE_ROWS = 14
"""Rows that always stay, at either end."""


def fold(story: Story, max_rows: int = MAX_ROWS) -> Story:
    """Return a story of about so many rows at most; what is left out is counted, and named by its numbers."""
    rows = story.rows
    if len(rows) <= max_rows:
        return story
    edge = min(EDGE_ROWS, max_rows // 3)
    kept = {*range(edge), *range(len(rows) - edge, len(rows))}
    remarkable = [place for place, row in enumerate(rows) if is_remarkable(row) and place not in kept]
    kept.update(remarkable[: max_rows - 2 * edge])
    return _keep(story, kept)


def window(story: Story, first: int, last: int) -> Story:
    """Return the part of a story from one frame to another, both by number and included."""
    places = [
        place
        for place, row in enumerate(story.rows)
        if row.number is not None and first <= row.number <= last
    ]
    return _keep(story, set(range(places[0], places[-1] + 1)) if places else set())


def is_remarkable(row: Row) -> bool:
    """Tell whether a row should be seen even in a short story."""
    return row.tone in ("bad", "warn") or row.label == "close" or row.kind in ("note", "response")


def _keep(story: Story, kept: set[int]) -> Story:
    shown: list[Row] = []
    new_place: dict[int, int] = {}
    gap: list[Row] = []
    for place, row in enumerate(story.rows):
        if place not in kept:
            gap.append(row)
            continue
        if gap:
            shown.append(_folded(gap))
            gap = []
        new_place[place] = len(shown)
        shown.append(row)
    if gap:
        shown.append(_folded(gap))
    ties = tuple(
        dataclasses.replace(tie, rows=tuple(new_place[row] for row in tie.rows))
        for tie in story.ties
        if all(row in new_place for row in tie.rows)
    )
    return dataclasses.replace(story, rows=tuple(shown), ties=ties)


def _folded(gap: list[Row]) -> Row:
    if len(gap) == 1 and gap[0].kind == "fold":
        return gap[0]
    kinds = Counter(row.label if row.kind == "frame" else row.kind for row in gap)
    listed = ", ".join(f"{number} {name}" for name, number in kinds.most_common(4))
    numbers = [row.number for row in gap if row.number is not None]
    which = f", frames {numbers[0]} to {numbers[-1]}" if numbers else ""
    lasted = seconds(gap[-1].at_s - gap[0].at_s)
    return Row(
        "fold",
        gap[0].at_s,
        f"{counted(len(gap), 'row')} not drawn{which}: {listed}, in {lasted}",
        tone="quiet",
    )
