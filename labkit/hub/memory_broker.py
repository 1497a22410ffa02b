"""The broker of a single process."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from labkit.hub.broker import Deliver, Envelope
from labkit.hub.history import History, Position, Replay
from labkit.hub.limits import Limits
from labkit.hub.parcel import size_of


class _Topic:
    __slots__ = ("history", "idle_since", "listeners")

    def __init__(self) -> None:
        self.history: History | None = None
        self.listeners: list[Deliver] = []
        self.idle_since = 0.0


class MemoryBroker:
    """Delivers at once, in the order of publishing. Several hubs of one loop may share it.

    A topic that nobody listens to is kept while its history may still be asked for, so that a class
    whose Wi-Fi fails for ten seconds finds its room again.
    """

    healthy = True

    def __init__(self, *, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits or Limits()
        self._clock = clock
        self._topics: dict[str, _Topic] = {}
        self._idle: dict[str, _Topic] = {}
        self._waiting: deque[Envelope] = deque()
        self._delivering = False

    @property
    def topics(self) -> list[str]:
        """The topics that it remembers, sorted."""
        return sorted(self._topics)

    def publish(self, envelope: Envelope) -> None:
        """Number and store it if it is to be stored, then deliver it to every listener.

        What a listener publishes meanwhile comes after, so that all see one order.
        """
        self._waiting.append(envelope)
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._waiting:
                self._deliver(self._waiting.popleft())
        finally:
            self._delivering = False

    async def subscribe(self, topic: str, deliver: Deliver) -> None:
        """Have a topic's envelopes delivered from now on."""
        self._topic(topic).listeners.append(deliver)
        self._idle.pop(topic, None)

    def unsubscribe(self, topic: str, deliver: Deliver) -> None:
        """Stop it; the last listener's leaving starts the time for which the history is kept."""
        entry = self._topics.get(topic)
        if entry is None or deliver not in entry.listeners:
            return
        # A new list: the old one may be in the middle of a delivery.
        entry.listeners = [listener for listener in entry.listeners if listener != deliver]
        if not entry.listeners:
            self._rest(topic, entry)
            if entry.history is None or entry.history.seq == 0 or self._limits.room_kept_s <= 0:
                self._forget(topic)

    async def history(self, topic: str, since: Position | None) -> Replay:
        """Return the topic's position and what was stored after `since`."""
        return self._history(self._topic(topic)).since(since, self._clock())

    def clear(self, topic: str) -> None:
        """Forget what is stored for a topic."""
        entry = self._topics.get(topic)
        if entry is not None and entry.history is not None:
            entry.history.clear()

    def dump(self) -> dict[str, dict[str, Any]]:
        """Return the histories by topic, as plain JSON values."""
        now = self._clock()
        return {
            name: entry.history.dump(now) for name, entry in self._topics.items() if entry.history is not None
        }

    def load(self, dumped: Mapping[str, Mapping[str, Any]], *, older_s: float) -> None:
        """Go on with the histories of an earlier process, dumped `older_s` seconds ago.

        Raises:
            ValueError: these are no values of `dump`.
        """
        if older_s >= self._limits.room_kept_s:
            return
        for name, values in dumped.items():
            self._history(self._topic(name)).load(values, self._clock(), older_s=older_s)

    def sweep(self) -> None:
        """Forget the topics that nobody has listened to for `room_kept_s`."""
        now = self._clock()
        # In the order of falling idle, so the first that is kept ends it.
        for name, entry in list(self._idle.items()):
            if now - entry.idle_since < self._limits.room_kept_s:
                break
            self._forget(name)

    def _deliver(self, envelope: Envelope) -> None:
        entry = self._topics.get(envelope.topic)
        if entry is None and not envelope.stored:
            return
        entry = entry or self._topic(envelope.topic)
        if envelope.stored:
            seq = self._history(entry).append(envelope.data, size_of(envelope.data), self._clock())
            envelope = replace(envelope, seq=seq)
        for deliver in entry.listeners:
            deliver(envelope)

    def _topic(self, name: str) -> _Topic:
        entry = self._topics.get(name)
        if entry is None:
            entry = self._topics[name] = _Topic()
            self._rest(name, entry)
        return entry

    def _history(self, entry: _Topic) -> History:
        if entry.history is None:
            entry.history = History(
                secrets.token_hex(8),
                max_messages=self._limits.history_max_messages,
                max_bytes=self._limits.history_max_bytes,
                ttl_s=self._limits.history_ttl_s,
            )
        return entry.history

    def _rest(self, name: str, entry: _Topic) -> None:
        """Note that nobody listens to a topic now."""
        entry.idle_since = self._clock()
        self._idle[name] = entry
        while len(self._idle) > self._limits.rooms_kept_max:
            self._forget(next(iter(self._idle)))

    def _forget(self, name: str) -> None:
        del self._idle[name], self._topics[name]
