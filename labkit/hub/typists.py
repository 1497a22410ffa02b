"""Who is typing, each until a deadline, so that no indicator stays lit for somebody who left."""

from __future__ import annotations


class Typists:
    """The users of one room who are typing."""

    __slots__ = ("_min_interval_s", "_said", "_ttl_s", "_until")

    def __init__(self, *, ttl_s: float, min_interval_s: float) -> None:
        self._ttl_s = ttl_s
        self._min_interval_s = min_interval_s
        self._until: dict[str, float] = {}
        self._said: dict[str, float] = {}

    def __contains__(self, user: str) -> bool:
        return user in self._until

    @property
    def users(self) -> list[str]:
        """Everyone who is typing, sorted."""
        return sorted(self._until)

    def start(self, user: str, now: float) -> tuple[bool, float]:
        """Note a sign of typing. Return whether the others are due to hear of it, and the new deadline."""
        deadline = self._until[user] = now + self._ttl_s
        tell = user not in self._said or now - self._said[user] >= self._min_interval_s
        if tell:
            self._said[user] = now
        return tell, deadline

    def stop(self, user: str) -> bool:
        """Forget a user, who spoke or left; True if they were typing."""
        self._said.pop(user, None)
        return self._until.pop(user, None) is not None

    def expire(self, user: str, now: float) -> bool:
        """Forget a user whose deadline has come; True if they stopped by this."""
        if now < self._until.get(user, float("inf")):
            return False
        return self.stop(user)
