"""One client's connection, as an app uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labkit.hub import close_codes
from labkit.hub.bucket import Bucket
from labkit.hub.heartbeat import Heartbeat
from labkit.hub.history import Position
from labkit.hub.limits import REFUSAL_RATE
from labkit.hub.parcel import RELIABLE, Delivery, Parcel
from labkit.hub.refusal import Refused
from labkit.hub.room import Joined, Room
from labkit.hub.writer import Writer

if TYPE_CHECKING:
    from labkit.hub.hub import Hub

Welcome = Callable[[Joined], Any]


class Connection:
    """A registered connection. What it does for its client is checked here; the hub itself may do anything.

    Attributes:
        id: made by the server, unique among all hubs of a broker.
        user: who this is, as the app established it. Never taken from a message.
        host: whether the room's rules bind it. True for the instructor.
        rooms: the rooms that it is in, by name.
    """

    __slots__ = (
        "_buckets",
        "_hub",
        "_patience",
        "heartbeat",
        "host",
        "id",
        "rooms",
        "scope",
        "user",
        "writer",
    )

    def __init__(
        self, hub: Hub, connection_id: str, user: str, *, host: bool, writer: Writer, heartbeat: Heartbeat
    ) -> None:
        self._hub = hub
        self.id = connection_id
        self.user = user
        self.host = host
        self.rooms: dict[str, Room] = {}
        self.writer = writer
        self.heartbeat = heartbeat
        self.scope: asyncio.Timeout | None = None
        self._buckets: dict[str, Bucket] = {}
        self._patience: Bucket | None = None

    def __repr__(self) -> str:
        return f"<Connection {self.id} of {self.user!r} in {sorted(self.rooms)}>"

    @property
    def closing(self) -> tuple[int, str] | None:
        """The close code and reason once the end has begun, None before."""
        return self.writer.closing

    # What the client gets

    def send(self, message: Any, delivery: Delivery = RELIABLE) -> None:
        """Send a message to this client alone. Never waits."""
        self.writer.send(Parcel(self._hub.encode(message), delivery))

    def refuse(self, refusal: Refused) -> None:
        """Tell the client that something was refused; close it when it won't stop."""
        self._hub.counters.refused[refusal.code] += 1
        now = self._hub.clock()
        if self._patience is None:
            self._patience = Bucket(REFUSAL_RATE, now)
        if self._patience.take(now) > 0:
            self.close(refusal.close_code, f"too many refusals: {refusal.happened}")
        else:
            self.send(refusal.as_message())

    def close(self, code: int = close_codes.NORMAL, reason: str = "") -> None:
        """Close the connection after what waits for it, and end its handler at its next wait."""
        self.writer.close(code, reason)

    # Rooms

    async def join(
        self, room: str, *, since: Position | None = None, welcome: Welcome | None = None
    ) -> Joined:
        """Enter a room.

        The client gets, in this order and with nothing between: the welcome, what it missed, what is said
        from now on. It misses nothing and gets nothing twice.

        Args:
            since: where it was before, to get what it missed: all of that or nothing.
            welcome: makes the first message from what entering came to; may be as large as it needs.

        Raises:
            Refused: the room is locked, the user was kicked out, or the name or the number of rooms is wrong.
                If it leaves the `connect` block, it closes the connection with the right code.
        """
        return await self._hub.enter(self, room, since, welcome)

    def leave(self, room: str) -> None:
        """Leave a room at once, without grace."""
        self._hub.exit(self, room, grace_s=0.0)

    def publish(
        self,
        room: str,
        message: Any,
        *,
        delivery: Delivery = RELIABLE,
        to_others: bool = False,
        rate: str = "message",
    ) -> bool:
        """Say something in a room that this client is in.

        Args:
            to_others: leave out this connection.
            rate: which of the hub's rates it counts against; empty for none.

        Returns:
            False if it was refused; the client has been told why, unless the rate is a silent one.
        """
        if not self.may_publish(room, rate=rate):
            return False
        self.stop_typing(room)
        self._hub.publish(room, message, delivery=delivery, skip=self if to_others else None)
        return True

    def may_publish(self, room: str, *, rate: str = "message") -> bool:
        """Check all that `publish` checks, for an app that changes its own state first."""
        if not self.may(rate):
            return False
        try:
            self._hub.check_speech(self, room)
        except Refused as refusal:
            self.refuse(refusal)
            return False
        return True

    def check_publish(self, room: str, *, rate: str = "message", slowed: bool = True) -> None:
        """Check all that `publish` checks, and raise `Refused` if it would be: for an app that says more about it.

        Args:
            slowed: slow mode counts this. False for what takes something back.
        """
        self.spend(rate)
        self._hub.check_speech(self, room, slowed=slowed)

    def whisper(self, to: str, message: Any) -> bool:
        """Send a message to all connections of a user and of one's own; False if the user is not here."""
        if not self.may():
            return False
        if not self._hub.is_here(to):
            self.refuse(Refused("not_here", f"{to!r} is not here.", hint="look at the list of who is."))
            return False
        for user in dict.fromkeys((to, self.user)):
            self._hub.send_to(user, message)
        return True

    def typing(self, room: str) -> bool:
        """Note that the client types; True if the others are due to hear of it."""
        return self._hub.start_typing(self, room)

    def stop_typing(self, room: str) -> None:
        """Note that it stopped. Publishing and leaving do this by themselves."""
        if room in self.rooms:
            self._hub.stop_typing(self.rooms[room], self.user)

    # What the adapter reports

    def may(self, rate: str = "message") -> bool:
        """Spend one token of a rate; False if there was none, and the client has been told."""
        if not rate:
            return True
        try:
            self.spend(rate)
        except Refused as refusal:
            if self._hub.rates[rate].silent:
                self._hub.counters.refused[refusal.code] += 1
            else:
                self.refuse(refusal)
            return False
        return True

    def spend(self, rate: str) -> None:
        """Spend one token of a rate, or raise `Refused` if there is none."""
        limit = self._hub.rates[rate]
        now = self._hub.clock()
        bucket = self._buckets.get(rate)
        if bucket is None:
            bucket = self._buckets[rate] = Bucket(limit, now)
        wait_s = bucket.take(now)
        if wait_s > 0.0:
            raise Refused(
                "too_fast",
                "Too many messages.",
                expected=f"at most {limit.per_s:g} a second, {limit.burst:g} at once.",
                hint=f"wait {wait_s:.2f} s.",
                retry_after_s=wait_s,
            )

    def heard(self, size: int) -> bool:
        """Note a message from the client, of so many bytes; False if it is too big, which closes it."""
        self._hub.counters.heard += 1
        self._hub.counters.heard_bytes += size
        self.heartbeat.heard(self._hub.clock())
        if size > self._hub.limits.max_message_bytes:
            self.close(
                close_codes.TOO_BIG, f"a message is at most {self._hub.limits.max_message_bytes} bytes"
            )
            return False
        return True

    def pong(self) -> None:
        """Note the client's answer to an app-level ping."""
        self._hub.counters.pongs += 1
        self.heartbeat.pong(self._hub.clock())

    def gone(self, code: int) -> None:
        """Note that the client has closed or was lost, with this close code. Nothing more is sent."""
        # The handler sees this end for itself, so it need not be ended.
        self.scope = None
        self.writer.abandon(code)
