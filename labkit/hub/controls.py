"""What a room's host can do. The same for chat, rooms and drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labkit.hub.moderation import Moderation, Rules

if TYPE_CHECKING:
    from labkit.hub.rooms import Rooms


class Controls:
    """One room's rules, and what changing them does to those in it. `undo` takes the last change back.

    Clearing is not undone: what was cleared is meant to be gone.
    """

    __slots__ = ("_moderation", "_rooms", "room")

    def __init__(self, rooms: Rooms, room: str, moderation: Moderation) -> None:
        self._rooms = rooms
        self._moderation = moderation
        self.room = room

    @property
    def rules(self) -> Rules:
        """The rules as they are now."""
        return self._moderation.rules

    def lock(self) -> None:
        """Let nobody new in."""
        self._moderation.lock()

    def unlock(self) -> None:
        """Let people in again."""
        self._moderation.unlock()

    def mute(self, user: str) -> None:
        """Let a user read and not speak."""
        self._moderation.mute(user)

    def unmute(self, user: str) -> None:
        """Let a user speak again."""
        self._moderation.unmute(user)

    def kick(self, user: str) -> None:
        """Close a user's connections in this room with 4504 and keep them out."""
        self._moderation.kick(user)
        self._rooms.expel(self.room, user)

    def readmit(self, user: str) -> None:
        """Let a kicked user in again."""
        self._moderation.readmit(user)

    def slow(self, seconds: float) -> None:
        """Let each user speak once in so many seconds; 0 ends it."""
        self._moderation.slow(seconds)

    def clear(self, message: Any = None) -> None:
        """Forget what the room said. A message, if given, tells everyone, in order with the rest."""
        self._rooms.clear(self.room, message)

    def undo(self) -> bool:
        """Take back the last change of the rules; False if there is none."""
        return self._moderation.undo()
