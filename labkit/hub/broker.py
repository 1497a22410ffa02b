"""The seam between a hub and what carries its messages: memory here, Valkey or Redis elsewhere.

A hub delivers only what comes back from its broker, so that every hub on one broker shows the same
messages in the same order. A broker for several processes needs, for each topic: a counter, a stream
with a bound and a time to live, and a publish, done in one step on the server (a Lua call, say).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from labkit.hub.history import Position, Replay
from labkit.hub.parcel import RELIABLE, Delivery


@dataclass(frozen=True, slots=True)
class Envelope:
    """A serialised message on its way to a topic.

    Attributes:
        topic: ``room:NAME`` or ``user:NAME``.
        stored: whether the broker numbers it and keeps it for those who come back.
        skip: id of the connection that does not get it, empty for none.
        seq: its number in the topic, given by the broker; None unless stored.
    """

    topic: str
    data: str | bytes
    delivery: Delivery = RELIABLE
    stored: bool = False
    skip: str = ""
    seq: int | None = None


Deliver = Callable[[Envelope], None]


class Broker(Protocol):
    """What a hub asks of a broker. The synchronous calls queue what needs the network.

    Calls for one topic take effect in the order in which they were made, so an unsubscribe and a
    subscribe that follow each other can't cross. `deliver` is called on the hub's loop, one envelope
    at a time, stored ones in the order of `seq`, and never from within another call of it.
    """

    def publish(self, envelope: Envelope) -> None:
        """Send an envelope to all subscribers of its topic, the caller's own too. Never waits."""

    async def subscribe(self, topic: str, deliver: Deliver) -> None:
        """Have a topic's envelopes delivered from now on; return when that is so."""

    def unsubscribe(self, topic: str, deliver: Deliver) -> None:
        """Stop it."""

    async def history(self, topic: str, since: Position | None) -> Replay:
        """Return the topic's position and all that was stored after `since`, or that this is not known.

        Every envelope numbered up to the returned position is in the replay or older than `since`;
        those after it are delivered, and may be so before this returns.
        """

    def clear(self, topic: str) -> None:
        """Forget what is stored for a topic. Its numbers go on."""

    def sweep(self) -> None:
        """Forget what has expired. A hub calls this now and then."""

    @property
    def healthy(self) -> bool:
        """False while messages may be missed: the hub's server should then not count as ready."""
