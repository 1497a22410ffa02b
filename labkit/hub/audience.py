"""The connections that listen to one topic, and the fan-out to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from labkit.hub.broker import Envelope
from labkit.hub.counters import Counters
from labkit.hub.parcel import Parcel
from labkit.hub.turn import Run, Turn


class Receiver(Protocol):
    """What takes an audience's parcels for one connection: its writer, or what holds them while it joins.

    Attributes:
        clear: writes a message at once, or returns False; None while anything has to be written before it.
    """

    clear: Callable[[str | bytes], bool] | None

    def offer(self, parcel: Parcel) -> None:
        """Queue a parcel."""

    def offer_run(self, run: Run) -> int:
        """Write several parcels if nothing is in the way, else queue them. Return the number of frames written."""

    def lost(self, error: Exception, ignored: int = 0) -> None:
        """Take note that `clear` failed, and that so many messages are not written."""


class Audience:
    """Who gets what comes back from the broker for a topic.

    Attributes:
        receivers: by connection id. Changed by `add` and `remove` alone.
        subscription: the task that subscribes, until it is done.
        subscribed: the broker delivers the topic.
    """

    __slots__ = ("_counters", "_turn", "receivers", "subscribed", "subscription", "topic")

    def __init__(self, topic: str, counters: Counters, turn: Turn) -> None:
        self.topic = topic
        self.receivers: dict[str, Receiver] = {}
        self.subscription: asyncio.Task[None] | None = None
        self.subscribed = False
        self._counters = counters
        self._turn = turn

    def add(self, connection_id: str, receiver: Receiver) -> None:
        """Have a receiver get what is delivered from now on, instead of the one that this connection had."""
        self._turn.hand_out()
        self.receivers[connection_id] = receiver

    def remove(self, connection_id: str) -> None:
        """Have a connection get nothing any more."""
        self._turn.hand_out()
        self.receivers.pop(connection_id, None)

    def deliver(self, envelope: Envelope) -> None:
        """Give an envelope to everyone: made ready once, then only queued. No app code runs in here."""
        parcel = Parcel(envelope.data, envelope.delivery, envelope.seq)
        self._counters.published += 1
        self._counters.offered += len(self.receivers) - (envelope.skip in self.receivers)
        if not self.receivers:
            return
        if parcel.reliable and not envelope.skip:
            self._turn.hold(self, parcel)
            return
        self._turn.hand_out()
        for connection_id, receiver in self.receivers.items():
            if connection_id != envelope.skip:
                receiver.offer(parcel)
        self._turn.wake()
