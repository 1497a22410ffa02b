"""The hub: who is connected, and what goes to whom.

    hub = Hub(duplicates="replace", on_left=say_goodbye)

    async with hub.connect(transport, user="ada") as connection:    # register ... unregister, close
        await connection.join("lobby")
        connection.publish("lobby", {"message": "hello"})

It knows no web framework: a transport is anything with `send` and `close`. Everything is on one event loop.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields
from functools import partial
from typing import Any

from labkit.errors import ConnectionClosed, LabError
from labkit.hub import close_codes
from labkit.hub.alarm import Alarm
from labkit.hub.audience import Audience
from labkit.hub.broker import Broker, Envelope
from labkit.hub.connection import Connection
from labkit.hub.controls import Controls
from labkit.hub.counters import Counters, HubStats
from labkit.hub.heartbeat import Beat, Heartbeat
from labkit.hub.limits import MESSAGE_RATE, Limits, Rate
from labkit.hub.logins import Duplicates, displaced
from labkit.hub.memory_broker import MemoryBroker
from labkit.hub.parcel import RELIABLE, VOLATILE, Delivery, Encode, to_json
from labkit.hub.refusal import Refused
from labkit.hub.rooms import Hook, Rooms
from labkit.hub.subscriptions import Subscriptions
from labkit.hub.transport import Transport
from labkit.hub.turn import Turn
from labkit.hub.writer import Writer

logger = logging.getLogger("labkit.hub")

Ping = Callable[[float], Any]


def ping_message(now: float) -> dict[str, object]:
    """Return the app-level ping, ``{"type": "ping", "t": milliseconds of the hub's clock}``."""
    return {"type": "ping", "t": int(now * 1000)}


class Hub:
    """Connections, rooms and messages of one app. Hubs share nothing, unless given one broker.

    Args:
        duplicates: what happens when a connected user connects again.
        on_left: called with room and user when a user has left for good, after the grace.
        on_quiet: called with room and user when somebody stopped typing, by whatever way.
        rates: the token buckets of each connection, by name; ``message`` is there by default.
        ping: makes the app-level ping from the time; None for no heartbeat.
        encode: serialises a message, once for all who get it.
        broker: what carries the messages; by default they stay in this process.
        clock: seconds that never step back.
    """

    def __init__(
        self,
        *,
        duplicates: Duplicates = "allow",
        on_left: Hook | None = None,
        on_quiet: Hook | None = None,
        limits: Limits | None = None,
        rates: Mapping[str, Rate] | None = None,
        ping: Ping | None = ping_message,
        encode: Encode = to_json,
        broker: Broker | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits or Limits()
        self.rates = {"message": MESSAGE_RATE, **(rates or {})}
        self.encode = encode
        self.clock = clock
        self.counters = Counters()
        self.alarm = Alarm(clock)
        self._duplicates = duplicates
        self._ping = ping
        self._broker = MemoryBroker(limits=self.limits, clock=clock) if broker is None else broker
        self._turn = Turn(self.counters)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ids = (f"{secrets.token_hex(4)}-{number}" for number in itertools.count(1))
        self._connections: dict[str, Connection] = {}
        self._users: dict[str, Audience] = {}
        self._draining = False
        self._last_present: dict[str, list[str]] = {}
        self._subscriptions = Subscriptions(self._broker, self._spawn)
        self._rooms = Rooms(
            registered=self._connections,
            broker=self._broker,
            subscriptions=self._subscriptions,
            limits=self.limits,
            counters=self.counters,
            turn=self._turn,
            alarm=self.alarm,
            clock=clock,
            encode=encode,
            on_left=on_left,
            on_quiet=on_quiet,
        )
        self.enter = self._rooms.enter
        self.exit = self._rooms.exit
        self.check_speech = self._rooms.check_speech
        self.start_typing = self._rooms.start_typing
        self.stop_typing = self._rooms.stop_typing

    # Connections

    @asynccontextmanager
    async def connect(
        self,
        transport: Transport,
        *,
        user: str,
        host: bool = False,
        batches: bool = False,
        pings: bool = True,
    ) -> AsyncIterator[Connection]:
        """Register an accepted connection for as long as the block lasts, and always close it explicitly.

        The block ends by itself when the hub closes the connection. It closes with 1000 when the block
        is done, with the refusal's code on `Refused`, and with 1011 on any other error.

        Args:
            user: who this is, established by the app.
            host: the room's rules don't bind this one.
            batches: the client takes several texts in a frame, one a line (it offered that subprotocol).
            pings: the client knows the hub's ping. One that does not may take it for something else.

        Raises:
            Refused: nothing was registered and the transport is untouched: close it with `close_code`.
        """
        connection = await self._register(transport, user, host=host, batches=batches, pings=pings)
        try:
            async with asyncio.timeout(None) as scope:
                connection.scope = scope
                if connection.closing is not None:
                    self._end_block(connection)
                try:
                    yield connection
                finally:
                    connection.scope = None
            connection.close()
        except Refused as refusal:
            self.counters.refused[refusal.code] += 1
            connection.close(refusal.close_code, refusal.happened)
        except asyncio.CancelledError:
            connection.close(close_codes.SERVICE_RESTART, "the server is stopping")
            raise
        except Exception as error:
            if not self._ended_by_us(connection, scope, error):
                connection.close(close_codes.INTERNAL_ERROR, "internal error")
                # A handler that returns before its close frame is written leaves the client with 1006.
                await connection.writer.wait_closed()
                raise
        finally:
            self._retire(connection)
        await connection.writer.wait_closed()

    def is_here(self, user: str) -> bool:
        """Tell whether a user has a connection to this hub."""
        return user in self._users

    # Messages

    def publish(
        self,
        room: str,
        message: Any,
        *,
        delivery: Delivery = RELIABLE,
        skip: Connection | None = None,
        stored: bool = True,
    ) -> None:
        """Send a message to everyone in a room. Never waits.

        A reliable one is numbered, stored for those who come back, and in the same order for all. An app that
        numbers and stores for itself has it not `stored`.
        """
        self._check_loop()
        self._broker.publish(
            Envelope(
                f"room:{room}",
                self.encode(message),
                delivery,
                stored=stored and delivery is RELIABLE,
                skip=skip.id if skip else "",
            )
        )

    def send_to(self, user: str, message: Any, *, delivery: Delivery = RELIABLE) -> None:
        """Send a message to all connections of a user; nothing happens if there are none. Never waits."""
        self._check_loop()
        self._broker.publish(Envelope(f"user:{user}", self.encode(message), delivery))

    # Rooms

    def rooms(self) -> dict[str, int]:
        """Return the rooms with somebody in them, and how many users each has."""
        return self._rooms.members()

    def users(self, room: str) -> list[str]:
        """Return the users in a room, those in their grace too: sorted, each once."""
        found = self._rooms.get(room)
        return found.presence.users if found else []

    def connections(self, room: str, user: str) -> int:
        """Return how many connections a user has in a room; 0 for one who is absent, or in the grace."""
        found = self._rooms.get(room)
        return len(found.presence.connections(user)) if found else 0

    def typing(self, room: str) -> list[str]:
        """Return the users who are typing in a room, sorted."""
        found = self._rooms.get(room)
        return found.typists.users if found else []

    def controls(self, room: str) -> Controls:
        """Return what the host of a room can do."""
        return self._rooms.controls(room)

    # The end

    async def drain(self, reason: str = "the server is restarting") -> None:
        """Let nobody in any more and close everyone with 1012, within `drain_s`.

        Call it before the server's own shutdown, which closes without a reason.
        """
        if not self._draining:  # `close` after `drain` knows nobody any more
            self._last_present = {room: self.users(room) for room in self._rooms.members()}
        self._draining = True
        leaving = list(self._connections.values())
        try:
            async with asyncio.timeout(self.limits.drain_s):
                for first in range(0, len(leaving), self.limits.drain_batch):
                    for connection in leaving[first : first + self.limits.drain_batch]:
                        connection.close(close_codes.SERVICE_RESTART, reason)
                    await asyncio.sleep(0)
                for connection in leaving:
                    await connection.writer.wait_closed()
        except TimeoutError:
            logger.warning("gave up on clients that did not take their close frame in time")
        finally:
            for connection in leaving:
                connection.writer.give_up()
                self._retire(connection)
            self.alarm.stop()  # nobody can come back before `close`, so nobody's grace ends before it

    async def close(self, reason: str = "the server is restarting") -> None:
        """Drain, then end every task and timer of the hub. Nothing is left running; it may be used anew."""
        await self.drain(reason)
        self._rooms.vanish()
        self.alarm.stop()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._draining = False

    def dump(self) -> dict[str, Any]:
        """Return what the next life of a closed hub needs, as plain JSON values: histories, and who was here.

        A broker outside of this process keeps the histories itself.
        """
        histories = self._broker.dump() if isinstance(self._broker, MemoryBroker) else {}
        return {"present": self._last_present, "histories": histories}

    def load(self, dumped: Mapping[str, Any], *, older_s: float) -> None:
        """Go on where another hub was closed, `older_s` seconds ago. Its users may come back unnoticed.

        Raises:
            ValueError: these are no values of `dump`.
        """
        present, histories = dumped.get("present"), dumped.get("histories")
        if not isinstance(present, dict) or not isinstance(histories, dict):
            raise ValueError("no dump of a hub: it lacks `present` or `histories`")
        if isinstance(self._broker, MemoryBroker):
            self._broker.load(histories, older_s=older_s)
        if older_s < self.limits.room_kept_s:
            for room, users in present.items():
                for user in users:
                    self._rooms.expect(room, user, self.limits.restart_grace_s)

    def stats(self) -> HubStats:
        """Return a snapshot of all figures."""
        self._turn.hand_out()
        writers = [connection.writer for connection in self._connections.values()]
        rtts = [c.heartbeat.rtt_s for c in self._connections.values() if c.heartbeat.rtt_s is not None]
        totals = {field.name: getattr(self.counters, field.name) for field in fields(Counters)}
        totals["refused"] = dict(self.counters.refused)
        totals["closed"] = dict(self.counters.closed)
        waiting = sum(len(writer.outbox) for writer in writers)
        queued = totals.pop("offered") - totals["dropped"] - totals["replaced"] - totals["overflows"]
        queued -= totals.pop("ignored") + totals.pop("held")
        return HubStats(
            connections=len(writers),
            users=len(self._users),
            rooms=len(self._rooms),
            outbox_messages=waiting,
            queued=queued,
            written=queued - totals["discarded"] - waiting,
            outbox_bytes=sum(writer.outbox.bytes for writer in writers),
            blocked_now=sum(writer.outbox.stalled for writer in writers),
            tasks=len(self._tasks),
            deadlines=len(self.alarm),
            rtt_max_s=max(rtts, default=None),
            broker_healthy=self._broker.healthy,
            **totals,
        )

    # Inside

    async def _register(
        self, transport: Transport, user: str, *, host: bool, batches: bool, pings: bool
    ) -> Connection:
        self._bind_loop()
        try:
            replaced = self._check_admission(user)
        except Refused as refusal:
            self.counters.refused[refusal.code] += 1
            raise
        now = self.clock()
        writer = Writer(
            transport,
            batches=batches,
            limits=self.limits,
            counters=self.counters,
            turn=self._turn,
            spawn=self._spawn,
        )
        heartbeat = Heartbeat(now, interval_s=self.limits.app_ping_s, slack_s=self.limits.app_pong_slack_s)
        connection = Connection(self, next(self._ids), user, host=host, writer=writer, heartbeat=heartbeat)
        writer.on_closing = partial(self._closing, connection)
        audience = self._users.setdefault(user, Audience(f"user:{user}", self.counters, self._turn))
        audience.add(connection.id, writer)
        self._connections[connection.id] = connection
        self.counters.accepted += 1
        if pings:
            self._beat(connection)
        # The newer one is here before the older ones go, so its user never seems absent.
        for older in replaced:
            self._connections[older].close(close_codes.REPLACED, "you connected again elsewhere")
        try:
            await self._subscriptions.ready(audience)
        except BaseException:
            writer.abandon(close_codes.NO_FRAME)
            self._retire(connection)
            raise
        return connection

    def _check_admission(self, user: str) -> list[str]:
        """Return the ids of the connections that a new one replaces, or raise `Refused`."""
        if self._draining:
            raise Refused("draining", "The server is restarting.", hint="come back in a moment.")
        if len(self._connections) >= self.limits.max_connections:
            raise Refused(
                "full", f"All {self.limits.max_connections} places are taken.", hint="come back later."
            )
        present = list(self._users[user].receivers) if user in self._users else []
        return list(displaced(self._duplicates, user, present, most=self.limits.connections_per_user))

    def _closing(self, connection: Connection) -> None:
        """The end of a connection has begun: unregister it, and end its handler."""
        self._retire(connection)
        self._end_block(connection)

    def _end_block(self, connection: Connection) -> None:
        if connection.scope is not None:
            connection.scope.reschedule(asyncio.get_running_loop().time())

    def _ended_by_us(self, connection: Connection, scope: asyncio.Timeout, error: Exception) -> bool:
        if isinstance(error, TimeoutError):
            return scope.expired()
        return isinstance(error, ConnectionClosed) and connection.closing is not None

    def _retire(self, connection: Connection) -> None:
        """Unregister a connection, once, whoever notices its end first."""
        if self._connections.pop(connection.id, None) is None:
            return
        self.counters.retired += 1
        self.alarm.clear(("beat", connection.id))
        audience = self._users[connection.user]
        audience.remove(connection.id)
        if not audience.receivers:
            del self._users[connection.user]
            self._subscriptions.end(audience)
        grace_s = self._grace_s(connection)
        for room in list(connection.rooms):
            self._rooms.exit(connection, room, grace_s=grace_s)

    def _grace_s(self, connection: Connection) -> float:
        code = connection.closing[0] if connection.closing else close_codes.NORMAL
        if code == close_codes.REPLACED:
            return max(self.limits.replace_grace_s, self.limits.presence_grace_s)
        return 0.0 if code in (close_codes.NORMAL, close_codes.KICKED) else self.limits.presence_grace_s

    def _beat(self, connection: Connection) -> None:
        if self._ping is None:
            return
        now = self.clock()
        beat, again_at = connection.heartbeat.check(now)
        if beat is Beat.GIVE_UP:
            self.counters.silent += 1
            connection.close(close_codes.SILENT, "no answer to a ping")
            return
        if beat is Beat.PING:
            self.counters.pings += 1
            connection.send(self._ping(now), VOLATILE)
        self.alarm.set(("beat", connection.id), again_at, partial(self._beat, connection))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._reap)
        return task

    def _reap(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a task of the hub failed", exc_info=error)

    def _bind_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop and self._connections:
            raise _wrong_loop()
        self._loop = loop

    def _check_loop(self) -> None:
        if self._loop is not None and self._connections and asyncio.get_running_loop() is not self._loop:
            raise _wrong_loop()


def _wrong_loop() -> LabError:
    return LabError(
        "This hub was called from another thread or event loop than its connections'.",
        expected="all calls on the loop that the connections are served on.",
        hint="loop.call_soon_threadsafe(hub.publish, room, message).",
    )
