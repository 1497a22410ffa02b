"""What the host can do to a drawing board, besides its rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labkit.apps.boards import Boards
from labkit.apps.live_board import LiveBoard
from labkit.board.board import Accepted, Board
from labkit.board.refusal import BoardRefused
from labkit.hub import Refused

HOST = "host"
"""The artist in whose name the host clears."""


class BoardHost:
    """The boards, as the host's view wants an app's things: see `host_view.Things`."""

    def __init__(self, boards: Boards) -> None:
        self._boards = boards
        self._rules_at: dict[str, list[int]] = {}

    def clear(self, room: str) -> None:
        """Take everything off a board."""
        self._do(room, lambda board: board.clear(HOST))

    def hide(self, room: str, user: str) -> None:
        """Hide what an artist has drawn."""
        self._do(room, lambda board: board.hide(user))

    def show(self, room: str, user: str) -> None:
        """Show it again."""
        self._do(room, lambda board: board.show(user))

    def undo(self, room: str) -> bool:
        """Take the last clear, load or hiding back, unless the rules were changed since."""
        marks = self._rules_at.get(room, [])
        live = self._boards.get(room)
        if (
            live is not None
            and live.board.covers
            and live.board.covers.last.number > (marks[-1] if marks else 0)
        ):
            live.accept(live.board.uncover())
            return True
        if marks:
            marks.pop()
        return False

    def rules_changed(self, room: str) -> None:
        """Note that this came after all that was done to the board so far."""
        live = self._boards.get(room)
        self._rules_at.setdefault(room, []).append(live.board.covers.made if live else 0)

    def describe(self, room: str) -> dict[str, Any]:
        """Return whose drawings are hidden, and what the artists are called and draw in."""
        live = self._boards.get(room)
        if live is None:
            return {}
        covers = live.board.covers
        hidden = sorted({cover.artist_id for cover in covers if cover.kind == "artist"})
        names = {person.id: person.name for person in live.artists.here.values()}
        colors = {person.id: person.color for person in live.artists.here.values()}
        return {"hidden": hidden, "names": names, "colors": colors}

    def _do(self, room: str, what: Callable[[Board], Accepted]) -> None:
        live: LiveBoard | None = self._boards.get(room)
        if live is None:
            raise Refused("bad_room", f"There is no board {room!r} now.")
        try:
            live.accept(what(live.board))
        except BoardRefused as refusal:
            raise Refused(refusal.code, refusal.happened) from None
