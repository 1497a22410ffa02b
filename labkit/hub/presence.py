"""Who is in a room: users, each with the connections that they hold, and a moment of grace."""

from __future__ import annotations

from enum import Enum, auto


class Exit(Enum):
    """What a connection's leaving meant for its user."""

    UNKNOWN = auto()
    """This connection was not here: an older clean-up, nothing changed."""
    STILL_HERE = auto()
    """Another connection of the same user remains."""
    AWAY = auto()
    """The last connection is gone; the user has until the grace is over to come back unnoticed."""
    GONE = auto()
    """The user has left."""


class Presence:
    """The users of one room. Every decision is by connection id, so an old one can't remove a new one."""

    __slots__ = ("_away", "_here")

    def __init__(self) -> None:
        self._here: dict[str, set[str]] = {}
        self._away: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._here) + len(self._away)

    def __contains__(self, user: str) -> bool:
        return user in self._here or user in self._away

    @property
    def users(self) -> list[str]:
        """Everyone present, those in their grace too: sorted, each once."""
        return sorted([*self._here, *self._away])

    def connections(self, user: str) -> list[str]:
        """The ids of a user's connections, sorted."""
        return sorted(self._here.get(user, ()))

    def enter(self, user: str, connection_id: str) -> bool:
        """Add a connection; True if its user was not present before, not even in grace."""
        returning = self._away.pop(user, None) is not None
        connections = self._here.setdefault(user, set())
        first = not connections and not returning
        connections.add(connection_id)
        return first

    def expect(self, user: str, deadline: float) -> None:
        """Count a user as present who was here in the server's last life, until the deadline."""
        if user not in self._here:
            self._away[user] = deadline

    def exit(self, user: str, connection_id: str, now: float, grace_s: float) -> Exit:
        """Remove a connection; with a grace of 0 its user's last one makes the user gone at once."""
        connections = self._here.get(user)
        if connections is None or connection_id not in connections:
            return Exit.UNKNOWN
        connections.remove(connection_id)
        if connections:
            return Exit.STILL_HERE
        del self._here[user]
        if grace_s <= 0:
            return Exit.GONE
        self._away[user] = now + grace_s
        return Exit.AWAY

    def expire(self, user: str, now: float) -> bool:
        """End a user's grace if it is over; True if the user is gone by this."""
        deadline = self._away.get(user)
        if deadline is None or now < deadline:
            return False
        del self._away[user]
        return True

    def drop(self, user: str) -> bool:
        """End a user's grace at once; True if the user is gone by this."""
        return self._away.pop(user, None) is not None
