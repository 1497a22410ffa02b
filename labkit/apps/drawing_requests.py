"""What an artist's message asks of a board."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from pydantic import TypeAdapter, ValidationError

from labkit.apps.artists import Person
from labkit.apps.live_board import LiveBoard
from labkit.apps.messages.drawing import (
    Begin,
    Clear,
    Draw,
    End,
    Points,
    Redo,
    Request,
    Saved,
    SavedItem,
    Undo,
)
from labkit.board.board import Accepted, Board
from labkit.board.export import as_json
from labkit.board.refusal import BoardRefused
from labkit.board.shelf import Shelf
from labkit.hub import Refused
from labkit.hub.close_codes import TOO_FAST

_ITEMS: TypeAdapter[list[SavedItem]] = TypeAdapter(list[SavedItem])


def perform(board: Board, artist: Person, request: Request) -> Accepted:
    """Do what an artist asks for, in their name and colour whatever the message says.

    Raises:
        BoardRefused: the board does not take it, and is as it was.
    """
    match request:
        case Draw(id=item_id, tool=tool, width=width, points=points):
            return board.draw(artist.id, artist.color, item_id, tool, width, points)
        case Begin(id=item_id, tool=tool, width=width, points=points, done=done):
            return board.begin(artist.id, artist.color, item_id, tool, width, points, done)
        case Points(id=item_id, at=at, points=points):
            return board.extend(artist.id, item_id, at, points)
        case End(id=item_id, at=count):
            return board.end(artist.id, item_id, count)
        case Undo():
            return board.undo(artist.id)
        case Redo():
            return board.redo(artist.id)
        case Clear():
            return board.clear(artist.id)
    raise TypeError(f"a board can't do {request!r}")


async def save(live: LiveBoard, shelf: Shelf, name: str) -> Saved:
    """Save a board by a name.

    Raises:
        BoardRefused: there is no room for it.
    """
    text = as_json(live.name, live.board.finished())
    await asyncio.to_thread(shelf.save, name, text)
    return Saved(name=name, lasting=shelf.lasting)


async def load(live: LiveBoard, shelf: Shelf, name: str, artist: Person) -> Accepted:
    """Put what was saved by a name in the place of all that is on a board.

    Raises:
        BoardRefused: nothing was saved by that name, or it can't be read, or is too large.
    """
    items = await asyncio.to_thread(_read, shelf, name)
    return live.board.load(artist.id, items)


def _read(shelf: Shelf, name: str) -> list[list[Any]]:
    text = shelf.load(name)
    if text is None:
        raise BoardRefused("no_drawing", f"Nothing was saved by the name {name[:40]!r}.")
    try:
        items = _ITEMS.validate_python(json.loads(text)["items"], strict=True)
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        raise BoardRefused("no_drawing", f"The drawing {name[:40]!r} can't be read.") from error
    return [[item.color, item.tool, item.width, item.points, item.artist_id] for item in items]


def told(refusal: Refused | BoardRefused, request: object) -> Refused:
    """Return a refusal as its sender is to get it: about which message, and which stroke."""
    if isinstance(refusal, BoardRefused):
        have = {} if refusal.have is None else {"have": refusal.have}
        refusal = Refused(refusal.code, refusal.happened, expected=refusal.expected, hint=refusal.hint).about(
            **have
        )
        refusal.close_code = TOO_FAST  # after too many of these, come back: what a board refuses bars nobody
    subject = {"about": getattr(request, "type", None), "id": getattr(request, "id", None)}
    return refusal.about(**{key: value for key, value in subject.items() if value is not None})
