"""What a room has said lately, numbered, so that a client can come back without a gap."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a room's story: the `epoch` is one life of the room, `seq` counts from 1 in it."""

    epoch: str
    seq: int

    @classmethod
    def parse(cls, since: str | None, epoch: str | None) -> Position | None:
        """Read the ``since`` and ``epoch`` of a client that comes back; None if it gave neither.

        What can't be read becomes a position that no room has, so that the client is told: not recovered.
        """
        if since is None and epoch is None:
            return None
        readable = since is not None and since.isascii() and since.isdigit() and len(since) <= 18
        return cls(epoch or "", int(since) if since is not None and readable else -1)


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored message: its number, its data as serialised, its size in bytes, and when it was said."""

    seq: int
    data: str | bytes
    size: int
    at: float


@dataclass(frozen=True, slots=True)
class Replay:
    """Where the room is now, and all that was missed. `missed` is None where not all of it is known."""

    position: Position
    missed: tuple[Entry, ...] | None


class History:
    """A ring of the newest messages, bounded in count, bytes and age."""

    __slots__ = ("_bytes", "_entries", "_max_bytes", "_max_messages", "_ttl_s", "epoch", "seq")

    def __init__(self, epoch: str, *, max_messages: int, max_bytes: int, ttl_s: float) -> None:
        self.epoch = epoch
        self.seq = 0
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, data: str | bytes, size: int, now: float) -> int:
        """Store a message and return its number."""
        self.seq += 1
        self._entries.append(Entry(self.seq, data, size, now))
        self._bytes += size
        while len(self._entries) > self._max_messages or self._bytes > self._max_bytes:
            self._forget_oldest()
        self.expire(now)
        return self.seq

    def expire(self, now: float) -> None:
        """Forget what is older than the time to live."""
        while self._entries and now - self._entries[0].at > self._ttl_s:
            self._forget_oldest()

    def clear(self) -> None:
        """Forget every message. Numbers go on, so nobody can resume into what was cleared."""
        self._entries.clear()
        self._bytes = 0

    def since(self, asked: Position | None, now: float) -> Replay:
        """Return all that was said after `asked`: all of it or, as None, nothing."""
        self.expire(now)
        here = Position(self.epoch, self.seq)
        if asked is None or asked.epoch != self.epoch or not 0 <= asked.seq <= self.seq:
            return Replay(here, None)
        count = self.seq - asked.seq
        if count > len(self._entries):
            return Replay(here, None)
        # The ring has no holes, so what was missed is its last `count` entries.
        return Replay(here, tuple(self._entries)[len(self._entries) - count :])

    def dump(self, now: float) -> dict[str, Any]:
        """Return what `load` needs, as plain JSON values; each message with its age in seconds."""
        self.expire(now)
        messages = [[round(now - entry.at, 3), entry.data] for entry in self._entries]
        return {"epoch": self.epoch, "seq": self.seq, "messages": messages}

    def load(self, dumped: Mapping[str, Any], now: float, *, older_s: float) -> None:
        """Go on where `dump` was called, `older_s` seconds ago.

        Raises:
            ValueError: these are no values of `dump`.
        """
        try:
            epoch, seq, messages = dumped["epoch"], dumped["seq"], dumped["messages"]
            entries = [(float(age_s), data) for age_s, data in messages]
        except (KeyError, TypeError) as error:
            raise ValueError(f"no dump of a history: {error!r}") from error
        known = isinstance(epoch, str) and type(seq) is int and seq >= len(entries)
        if not known or not all(isinstance(data, str) for _, data in entries):
            raise ValueError("no dump of a history: its epoch, number or texts are not what they should be")
        self.epoch, self.seq = epoch, seq - len(entries)
        for age_s, data in entries:
            self.append(data, len(data.encode()), now - age_s - older_s)
        self.expire(now)

    def _forget_oldest(self) -> None:
        self._bytes -= self._entries.popleft().size
