"""A board as lines of JSON: one for each thing that happened, or all of it as it is now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from labkit.board.board import Board
from labkit.board.covers import Cover
from labkit.board.item import Item, compact
from labkit.board.refusal import BoardRefused

REPLAYED = frozenset(
    {
        "draw",
        "begin",
        "extend",
        "end",
        "end_all",
        "undo",
        "redo",
        "clear",
        "load",
        "hide",
        "show",
        "uncover",
        "forget",
        "begin_epoch",
    }
)
"""What a record may say: the methods of a board that change it."""


def replay(board: Board, record: str) -> None:
    """Make happen again what a record says.

    Raises:
        ValueError: it is no record of this board's.
    """
    try:
        name, *arguments = json.loads(record)
        if name not in REPLAYED:
            raise ValueError(f"{name!r} is nothing that a board does")
        getattr(board, name)(*arguments)
    except (ValueError, TypeError, RecursionError, BoardRefused) as error:
        raise ValueError(f"this did not happen on this board: {error}") from error


def dump(board: Board) -> Iterator[str]:
    """Yield the whole board as lines, from which `restore` makes it again."""

    def known(items: list[Item]) -> list[str]:
        return [item.id for item in items if item.id in board.items]

    yield compact({"epoch": board.log.epoch, "seq": board.seq, "ended": board.log.ended})
    for item in board.items.values():
        flags = f'"order":{item.order},"live":{int(item.live)},"growing":{int(item.growing)}'
        yield f"{{{item.body},{flags}}}"
    for cover in board.covers:
        ids = {"targets": known(cover.targets), "added": known(cover.added)}
        yield compact({"cover": cover.kind, "artist_id": cover.artist_id, **ids})
    for artist_id, stack in board.stacks:
        yield compact({"stack": artist_id, "done": known(stack.done), "undone": known(stack.undone)})
    yield compact({"used": list(board.used)})


def restore(lines: Iterable[str]) -> Board:
    """Return the board that was dumped.

    Raises:
        ValueError: these are not the lines of a board, or not all of them.
    """
    values = (json.loads(line) for line in lines)
    try:
        head = next(values)
        board = Board(head["epoch"])
        board.log.restore(head["seq"], head["ended"])
        for value in values:
            _add(board, value)
            if "used" in value:
                return board
    except (KeyError, TypeError, RecursionError, StopIteration) as error:
        raise ValueError(f"this is no line of a board: {error!r}") from error
    raise ValueError("the end of this board is missing")


def _add(board: Board, value: dict[str, Any]) -> None:
    def named(name: str) -> list[Item]:
        return [board.items[item_id] for item_id in value[name]]

    if "points" in value:
        item = Item(*(value[name] for name in ("id", "artist_id", "color", "tool", "width", "points")))
        item.live = bool(value["live"])
        board.keep(item)
        if not value["growing"]:
            item.finish(value["order"])
    elif "cover" in value:
        board.put(Cover(value["cover"], value["artist_id"], named("targets"), named("added")))
    elif "stack" in value:
        board.stacks.restore(value["stack"], named("done"), named("undone"))
    elif "used" in value:
        board.used = dict.fromkeys(value["used"])
