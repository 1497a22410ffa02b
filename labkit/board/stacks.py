"""What each artist can undo and redo: their own newest items, a bounded number of them."""

from __future__ import annotations

from collections.abc import Iterator

from labkit.board.item import Item
from labkit.board.limits import UNDO_DEPTH

STACKS_KEPT_MAX = 500
"""So many artists' stacks are kept; beyond it those of the ones who did nothing for longest go."""


class Stack:
    """One artist's: `done` can be undone, `undone` can be redone, the newest last."""

    __slots__ = ("done", "undone")

    def __init__(self) -> None:
        self.done: list[Item] = []
        self.undone: list[Item] = []


class Stacks:
    """All artists' stacks. A method that makes undone items final returns them: nobody can bring them back."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[str, Stack] = {}

    def __contains__(self, artist_id: str) -> bool:
        return artist_id in self._of

    def __iter__(self) -> Iterator[tuple[str, Stack]]:
        return iter(self._of.items())

    def drawn(self, item: Item) -> list[Item]:
        """Note a new item: its artist can undo it, and can redo nothing any more."""
        stack = self._touch(item.artist_id)
        final, stack.undone = stack.undone, []
        stack.done.append(item)
        del stack.done[:-UNDO_DEPTH]
        while len(self._of) > STACKS_KEPT_MAX:
            final += self._of.pop(next(iter(self._of))).undone
        return final

    def undo(self, artist_id: str) -> Item | None:
        """Move an artist's last visible item to what can be redone, and return it."""
        stack = self._of.get(artist_id)
        item = _last(stack.done) if stack else None
        if item is not None:
            stack = self._touch(artist_id)
            stack.done.remove(item)
            stack.undone.append(item)
        return item

    def next_redo(self, artist_id: str) -> Item | None:
        """Return what a redo would bring back, if anything."""
        stack = self._of.get(artist_id)
        return _last(stack.undone) if stack else None

    def redone(self, item: Item) -> None:
        """Move an item back to what can be undone."""
        stack = self._touch(item.artist_id)
        stack.undone.remove(item)
        stack.done.append(item)

    def forget(self, artist_id: str) -> list[Item]:
        """Drop an artist's stacks: what they did is final."""
        stack = self._of.pop(artist_id, None)
        return stack.undone if stack else []

    def forget_all(self) -> list[Item]:
        """Drop everybody's stacks."""
        final = [item for stack in self._of.values() for item in stack.undone]
        self._of.clear()
        return final

    def restore(self, artist_id: str, done: list[Item], undone: list[Item]) -> None:
        """Set an artist's stacks."""
        stack = self._touch(artist_id)
        stack.done, stack.undone = done, undone

    def _touch(self, artist_id: str) -> Stack:
        """Return an artist's stacks, as the ones that were used last."""
        stack = self._of.pop(artist_id, None) or Stack()
        self._of[artist_id] = stack
        return stack


def _last(items: list[Item]) -> Item | None:
    """Return the newest that the host does not hide."""
    return next((item for item in reversed(items) if not item.hidden_by), None)
