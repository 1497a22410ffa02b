"""Many deadlines, one alarm."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Deadlines(Generic[Key]):
    """At most one deadline a key; setting it again moves it."""

    def __init__(self) -> None:
        self._when: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._when)

    def __contains__(self, key: Key) -> bool:
        return key in self._when

    def set(self, key: Key, when: float) -> None:
        """Set or move a key's deadline."""
        self._when[key] = when
        heapq.heappush(self._heap, (when, next(self._order), key))
        # Moved deadlines leave their old entries behind; sweep before these outnumber the rest.
        if len(self._heap) > 64 + 2 * len(self._when):
            self._heap = [entry for entry in self._heap if self._when.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)

    def clear(self, key: Key) -> None:
        """Forget a key's deadline, if it has one."""
        self._when.pop(key, None)

    def due(self, now: float) -> list[Key]:
        """Take out and return the keys whose deadline has come, earliest first."""
        keys = []
        while (when := self.earliest()) is not None and when <= now:
            key = heapq.heappop(self._heap)[2]
            del self._when[key]
            keys.append(key)
        return keys

    def earliest(self) -> float | None:
        """Return the time of the next deadline, None if there is none."""
        while self._heap and self._when.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None
