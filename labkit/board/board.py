"""The board: one order for all that happens, and what is visible after it. No I/O, no clock, no wire.

An item is visible while its drawing is live and nothing that is in force hides it. Undo and redo flip the first,
clears and the like are the second, and none of them touches anything else; so they cost the same on a full board
as on an empty one, and a clear can be taken back without losing what was drawn after it.

Each method does one thing that an artist or the host asked for. It raises `BoardRefused` and changes nothing, or
returns what happened: `Op`s for those who watch, and a `record` from which the same can be made to happen again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from labkit.board.covers import Cover, Covers
from labkit.board.item import Item, Points, compact, points_text
from labkit.board.limits import BOARD_MAX_BYTES, BOARD_MAX_ITEMS, STROKE_MAX_POINTS, USED_IDS_MAX
from labkit.board.op_log import OpLog
from labkit.board.refusal import BoardRefused
from labkit.board.stacks import Stacks


@dataclass(frozen=True, slots=True)
class Op:
    """Something that happened, as JSON text.

    Attributes:
        text: with its `seq`; empty if the board has changed as a whole, and must be shown anew.
        plain: the same for those who take finished items only; empty if it is nothing to them.
    """

    text: str
    plain: str


Ops = tuple[Op, ...]
REPLACED = Op("", "")
"""The board has changed as a whole."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What came of a request. Both are empty if it was known already."""

    ops: Ops = ()
    record: str = ""


KNOWN = Accepted()


class Board:
    """Items in order, everyone's undo, and the log from which those who were away catch up.

    Args:
        epoch: a word for this life of the server.

    Attributes:
        items: all that are visible or could be again, by id.
        visible: how many are visible, growing ones too.
        used: the ids of items that are gone, so that none of them comes back.
    """

    def __init__(self, epoch: str) -> None:
        self.log = OpLog(epoch)
        self.items: dict[str, Item] = {}
        self.stacks = Stacks()
        self.covers = Covers()
        self.bytes = 0
        self.visible = 0
        self.used: dict[str, None] = {}

    # What is there

    @property
    def seq(self) -> int:
        """The number of the last thing that happened."""
        return self.log.seq

    def finished(self) -> list[Item]:
        """Return the visible items that are finished, in order."""
        items = [item for item in self.items.values() if item.visible and not item.growing]
        items.sort(key=lambda item: item.order)
        return items

    def growing(self) -> list[Item]:
        """Return the visible items that are growing."""
        return [item for item in self.items.values() if item.growing and item.visible]

    # What artists do

    def draw(
        self, artist_id: str, color: str, item_id: str, tool: str, width: float, points: Points
    ) -> Accepted:
        """Put a finished item on the board. Its id must be new."""
        if self.knows(item_id):
            raise BoardRefused("used_id", f"The id {item_id!r} is used already.", hint="choose a new one.")
        item = self._add(artist_id, color, item_id, tool, width, points)
        op = self._finish(item, draws=True)
        return Accepted((op,), f'["draw",{item.record},{item.points}]')

    def begin(
        self,
        artist_id: str,
        color: str,
        item_id: str,
        tool: str,
        width: float,
        points: Points,
        done: bool = False,
    ) -> Accepted:
        """Let a stroke begin, or with `done` be all there. One's own that has begun is known: nothing happens."""
        if self.knows(item_id):
            self._own(artist_id, item_id)
            return KNOWN
        if not done:
            item = self._add(artist_id, color, item_id, tool, width, points)
            text = f'{{"type":"begin","seq":{self._next()},{item.body}}}'
            self.log.add(text)
            return Accepted((Op(text, ""),), f'["begin",{item.record},{item.points}]')
        if not points:
            raise BoardRefused("bad_message", "A finished item has points.", expected="at least one point.")
        return self.draw(artist_id, color, item_id, tool, width, points)

    def extend(self, artist_id: str, item_id: str, at: int, points: Points) -> Accepted:
        """Let one's own stroke grow. Those of the points that it has already are skipped."""
        item = self._own(artist_id, item_id)
        if at > item.count:
            raise BoardRefused(
                "gap",
                f"The stroke has {item.count} points, and these begin at {at}.",
                hint=f"send the points from {item.count} on.",
                have=item.count,
            )
        new = points[item.count - at :]
        if not new:
            return KNOWN
        if not item.growing:
            raise BoardRefused(
                "ended",
                "This stroke was ended.",
                hint="draw the other points as a new one.",
                have=item.count,
            )
        if item.count + len(new) > STROKE_MAX_POINTS:
            raise BoardRefused(
                "bad_message",
                f"This stroke would have {item.count + len(new)} points.",
                expected=f"at most {STROKE_MAX_POINTS}.",
                hint="begin a new one.",
            )
        text = points_text(new)
        self._make_room(len(text))
        at = item.count
        item.extend(text, len(new))
        self.bytes += len(text) + 1
        op = f'{{"type":"points","seq":{self._next()},"id":{compact(item_id)},"at":{at},"points":[{text}]}}'
        self.log.add(op)
        head = compact(["extend", artist_id, item_id, at])
        return Accepted((Op(op, ""),), f"{head[:-1]},[{text}]]")

    def end(self, artist_id: str, item_id: str, at: int | None = None) -> Accepted:
        """Finish one's own stroke; with `at`, only if it has so many points. One without points vanishes."""
        item = self._own(artist_id, item_id)
        if at is not None and at != item.count:
            raise BoardRefused(
                "gap" if item.growing else "ended",
                f"The stroke has {item.count} points and not {at}.",
                hint=f"send the points from {item.count} on.",
                have=item.count,
            )
        if not item.growing:
            return KNOWN
        return Accepted((self._end(item),), compact(["end", artist_id, item_id]))

    def end_all(self, artist_id: str) -> Accepted:
        """Finish all strokes of an artist who is not here to go on with them."""
        items = [item for item in self.growing() if item.artist_id == artist_id]
        if not items:
            return KNOWN
        return Accepted(tuple(self._end(item) for item in items), compact(["end_all", artist_id]))

    def undo(self, artist_id: str) -> Accepted:
        """Take back one's own last visible item."""
        item = self.stacks.undo(artist_id)
        if item is None:
            raise BoardRefused("nothing_to_undo", "You have nothing to undo.")
        item.live = False
        self.visible -= 1
        return Accepted((self._removed([item.id]),), compact(["undo", artist_id]))

    def redo(self, artist_id: str) -> Accepted:
        """Bring back what one has undone last, in its old place."""
        item = self.stacks.next_redo(artist_id)
        if item is None:
            raise BoardRefused("nothing_to_redo", "You have nothing to redo.")
        if self.visible >= BOARD_MAX_ITEMS:
            raise _full()
        self.stacks.redone(item)
        item.live = True
        self.visible += 1
        return Accepted((self._drawn(item),), compact(["redo", artist_id]))

    def clear(self, artist_id: str) -> Accepted:
        """Hide everything. Nobody can undo or redo what was before; the host can take the clear back."""
        self._cover("clear", artist_id)
        text = f'{{"type":"clear","seq":{self._next()},"artist_id":{compact(artist_id)}}}'
        self.log.add(text)
        return Accepted((Op(text, text),), compact(["clear", artist_id]))

    def load(self, artist_id: str, items: Sequence[Sequence[Any]]) -> Accepted:
        """Put items in the place of all that is there; each is ``[color, tool, width, points, author]``."""
        first = self._next()
        added = [
            Item(self._unused(f"load-{first}-{number}"), author, color, tool, width, points)
            for number, (color, tool, width, points, author) in enumerate(items)
        ]
        size = sum(item.bytes for item in added)
        if len(added) > BOARD_MAX_ITEMS or size > BOARD_MAX_BYTES:
            raise _full()
        self._cover("load", artist_id, added)
        for number, item in enumerate(added):
            item.finish(first + number)
            self.keep(item)
        self._make_room(0)
        self.log.restart(first + len(added))
        return Accepted((REPLACED,), compact(["load", artist_id, list(items)]))

    # What the host does

    def hide(self, artist_id: str) -> Accepted:
        """Hide all that an artist has drawn, what they have undone too."""
        targets = [i for i in self.items.values() if i.artist_id == artist_id and not i.hidden_by]
        if not targets:
            raise BoardRefused("nothing_to_hide", f"{artist_id} has nothing on the board.")
        removed = [item.id for item in targets if item.visible]
        self.put(Cover("artist", artist_id, targets))
        return Accepted((self._removed(removed),), compact(["hide", artist_id]))

    def show(self, artist_id: str) -> Accepted:
        """Show again what was hidden of an artist."""
        found = self.covers.of_artist(artist_id)
        if not found:
            raise BoardRefused("nothing_to_show", f"Nothing of {artist_id} is hidden.")
        for cover in found:
            self._lift(cover)
        self.log.restart(self._next())
        return Accepted((REPLACED,), compact(["show", artist_id]))

    def uncover(self) -> Accepted:
        """Take back the last clear, load or hiding."""
        if not self.covers:
            raise BoardRefused("nothing_to_undo", "There is no clear to take back.")
        self._lift(self.covers.last)
        self.log.restart(self._next())
        return Accepted((REPLACED,), compact(["uncover"]))

    def forget(self, artist_id: str) -> Accepted:
        """Let an artist who won't come back have nothing to undo."""
        if artist_id not in self.stacks:
            return KNOWN
        self._drop(self.stacks.forget(artist_id))
        return Accepted((), compact(["forget", artist_id]))

    def begin_epoch(self, epoch: str) -> Accepted:
        """Begin another life of the server."""
        self.log.begin_epoch(epoch)
        return Accepted((), compact(["begin_epoch", epoch]))

    # Keeping it

    def knows(self, item_id: str) -> bool:
        """Tell whether an id is used, by an item or by one that is gone."""
        return item_id in self.items or item_id in self.used

    def _unused(self, item_id: str) -> str:
        """Return an id that nobody has used: clients choose theirs, and might choose ours."""
        while self.knows(item_id):
            item_id += "+"
        return item_id

    def keep(self, item: Item) -> None:
        """Have an item, as it is."""
        self.items[item.id] = item
        self.bytes += item.bytes
        self.visible += item.visible

    def put(self, cover: Cover) -> None:
        """Put a cover in force. Who draws on at something hidden is told that it is gone."""
        for item in cover.targets:
            self.visible -= item.visible
            item.hidden_by += 1
            if item.growing:
                item.finish(self._next())
        self._drop([item for item in cover.targets if not item.count])
        for final in self.covers.put(cover):
            self._settle(final)

    # Inside

    def _next(self) -> int:
        return self.log.seq + 1

    def _own(self, artist_id: str, item_id: str) -> Item:
        item = self.items.get(item_id)
        if item is None and item_id not in self.used:
            raise BoardRefused("gap", f"No stroke {item_id!r} has begun.", hint="send begin first.", have=0)
        if item is not None and item.artist_id != artist_id:
            raise BoardRefused("not_yours", f"{item_id!r} is somebody else's.")
        if item is None or not item.visible:
            raise BoardRefused("gone", "This stroke is gone: it was cleared or undone.")
        return item

    def _add(self, artist_id: str, color: str, item_id: str, tool: str, width: float, points: Points) -> Item:
        item = Item(item_id, artist_id, color, tool, width, points)
        if self.visible >= BOARD_MAX_ITEMS:
            raise _full()
        self._make_room(item.bytes)
        self.keep(item)
        return item

    def _make_room(self, size: int) -> None:
        """Make clears final, the oldest first, until so many bytes fit."""
        if self.bytes + size > BOARD_MAX_BYTES:
            reclaimable = self.covers.bytes
            if self.bytes - reclaimable + size > BOARD_MAX_BYTES:
                raise _full()
            while self.bytes + size > BOARD_MAX_BYTES and self.covers:
                self._settle(self.covers.pop_oldest())

    def _end(self, item: Item) -> Op:
        if item.count:
            return self._finish(item, draws=False)
        self._drop([item])
        return self._removed([item.id])

    def _finish(self, item: Item, *, draws: bool) -> Op:
        item.finish(self._next())
        self._drop(self.stacks.drawn(item))
        if draws:
            return self._drawn(item)
        seq, order = self._next(), item.order
        text = f'{{"type":"end","seq":{seq},"id":{compact(item.id)},"order":{order}}}'
        self.log.add(text)
        return Op(text, f'{{"type":"draw","seq":{seq},{item.body},"order":{order}}}')

    def _drawn(self, item: Item) -> Op:
        text = f'{{"type":"draw","seq":{self._next()},{item.body},"order":{item.order}}}'
        self.log.add(text)
        return Op(text, text)

    def _removed(self, ids: list[str]) -> Op:
        text = f'{{"type":"removed","seq":{self._next()},"ids":{compact(ids)}}}'
        self.log.add(text)
        return Op(text, text)

    def _cover(self, kind: str, artist_id: str, added: list[Item] | None = None) -> None:
        """Hide all that is visible; nobody can undo or redo what was before."""
        self._drop(self.stacks.forget_all())
        targets = [item for item in self.items.values() if item.visible]
        self.put(Cover(kind, artist_id, targets, added or []))

    def _lift(self, cover: Cover) -> None:
        """Take a cover back: what only it hides is visible again, and what it brought is gone."""
        self.covers.remove(cover)
        for item in cover.targets:
            item.hidden_by -= 1
            self.visible += item.visible
        self._drop([item for item in cover.added if item.id in self.items])

    def _settle(self, cover: Cover) -> None:
        """Make a cover final: what it hides is gone."""
        self._drop([item for item in cover.targets if item.id in self.items])

    def _drop(self, items: list[Item]) -> None:
        """Forget items, but for their ids."""
        for item in items:
            if self.items.pop(item.id, None) is None:
                continue
            self.visible -= item.visible
            item.live = False
            self.bytes -= item.bytes
            self.used[item.id] = None
        while len(self.used) > USED_IDS_MAX:
            del self.used[next(iter(self.used))]


def _full() -> BoardRefused:
    return BoardRefused(
        "board_full",
        "The board is full.",
        expected=f"at most {BOARD_MAX_ITEMS} items, and {BOARD_MAX_BYTES // 2**20} MiB of them.",
        hint="clear it, or undo something.",
    )
