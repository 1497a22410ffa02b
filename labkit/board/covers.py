"""What hides items: clears, loads, and an artist's strokes hidden by the host. Each can be taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from labkit.board.item import Item
from labkit.board.limits import HIDDEN_MAX_ITEMS, UNDO_DEPTH


@dataclass(eq=False, slots=True)
class Cover:
    """Something that hides items.

    Attributes:
        kind: ``clear``, ``load`` or ``artist``.
        artist_id: who cleared or loaded, or whose items are hidden.
        targets: what it hides, settled when it was made: what is drawn later stays.
        added: what a load brought.
        number: how many have been made up to this one.
    """

    kind: str
    artist_id: str
    targets: list[Item]
    added: list[Item] = field(default_factory=list)
    number: int = 0


class Covers:
    """The covers that are in force and can be taken back, the newest last; bounded in number and items.

    Attributes:
        made: how many there have been.
    """

    __slots__ = ("_covers", "_targets", "made")

    def __init__(self) -> None:
        self._covers: list[Cover] = []
        self._targets = 0
        self.made = 0

    def __len__(self) -> int:
        return len(self._covers)

    def __iter__(self) -> Iterator[Cover]:
        return iter(self._covers)

    @property
    def last(self) -> Cover:
        """The newest."""
        return self._covers[-1]

    @property
    def bytes(self) -> int:
        """What the hidden items take."""
        return sum({item.id: item.bytes for cover in self._covers for item in cover.targets}.values())

    def of_artist(self, artist_id: str) -> list[Cover]:
        """Return those that hide an artist's items as such."""
        return [cover for cover in self._covers if cover.kind == "artist" and cover.artist_id == artist_id]

    def put(self, cover: Cover) -> list[Cover]:
        """Add one, and return those that can't be taken back any more."""
        self.made += 1
        cover.number = self.made
        self._covers.append(cover)
        self._targets += len(cover.targets)
        final = []
        while len(self._covers) > UNDO_DEPTH or (self._targets > HIDDEN_MAX_ITEMS and len(self._covers) > 1):
            final.append(self.pop_oldest())
        return final

    def remove(self, cover: Cover) -> None:
        """Take one out."""
        self._covers.remove(cover)
        self._targets -= len(cover.targets)

    def pop_oldest(self) -> Cover:
        """Take the oldest out."""
        cover = self._covers[0]
        self.remove(cover)
        return cover
