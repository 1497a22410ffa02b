"""All rooms of a hub: entering, leaving, grace, typing, rules, and the vanishing of empty ones."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from labkit.errors import ConnectionClosed
from labkit.hub import close_codes
from labkit.hub.alarm import Alarm
from labkit.hub.broker import Broker, Envelope
from labkit.hub.connection import Connection, Welcome
from labkit.hub.controls import Controls
from labkit.hub.counters import Counters
from labkit.hub.history import Position, Replay
from labkit.hub.limits import Limits
from labkit.hub.moderation import Moderation
from labkit.hub.parcel import RELIABLE, Encode, Parcel
from labkit.hub.presence import Exit
from labkit.hub.refusal import Refused
from labkit.hub.room import Intake, Joined, Room, check_name
from labkit.hub.subscriptions import Subscriptions
from labkit.hub.turn import Turn

logger = logging.getLogger("labkit.hub")

Hook = Callable[[str, str], None]
"""Called with a room's name and a user."""


class Rooms:
    """The rooms, by name. `on_left` and `on_quiet` are the app's; what they raise is logged and counted."""

    def __init__(
        self,
        *,
        registered: Mapping[str, Connection],
        broker: Broker,
        subscriptions: Subscriptions,
        limits: Limits,
        counters: Counters,
        turn: Turn,
        alarm: Alarm,
        clock: Callable[[], float],
        encode: Encode,
        on_left: Hook | None,
        on_quiet: Hook | None,
    ) -> None:
        self._registered = registered
        self._broker = broker
        self._subscriptions = subscriptions
        self._limits = limits
        self._counters = counters
        self._turn = turn
        self._alarm = alarm
        self._clock = clock
        self._encode = encode
        self._on_left = on_left
        self._on_quiet = on_quiet
        self._rooms: dict[str, Room] = {}
        self._moderation: dict[str, Moderation] = {}
        self._emptied_at = 0.0

    def __len__(self) -> int:
        return len(self.members())

    def members(self) -> dict[str, int]:
        """Return the rooms with somebody in them, and how many users each has."""
        return {name: len(room.presence) for name, room in self._rooms.items() if room.presence}

    def get(self, name: str) -> Room | None:
        """Return a room that exists now."""
        return self._rooms.get(name)

    # Entering

    async def enter(
        self, connection: Connection, name: str, since: Position | None, welcome: Welcome | None
    ) -> Joined:
        """Do what `Connection.join` says."""
        self._check_entry(connection, name)
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = Room(name, self._counters, self._turn, self._limits)
            self._alarm.clear(("rules", name))
        intake = Intake(connection.writer, self._limits)
        room.add(connection.id, intake)
        connection.rooms[name] = room
        try:
            await self._subscriptions.ready(room)
            replay = await self._broker.history(room.topic, since)
            # Much may have happened meanwhile.
            if connection.closing is not None:
                raise ConnectionClosed(*connection.closing, "server")
            self._check_rules(connection, name)
        except BaseException:
            self.exit(connection, name, grace_s=0.0)
            raise
        return self._admit(connection, room, intake, replay, since, welcome)

    def _admit(
        self,
        connection: Connection,
        room: Room,
        intake: Intake,
        replay: Replay,
        since: Position | None,
        welcome: Welcome | None,
    ) -> Joined:
        """Let a connection in at one instant: nothing is said in the room while this runs."""
        self._turn.hand_out()  # what was said in this turn is in the replay; the intake has to know it
        position = replay.position
        missed = [Parcel(entry.data, RELIABLE, entry.seq) for entry in replay.missed or ()]
        recovered = (
            None if since is None else replay.missed is not None and connection.writer.outbox.fits(missed)
        )
        if not recovered:
            missed = []
            # It starts anew, from now: what was said while it joined is in what the app shows it first.
            position = Position(position.epoch, max([position.seq, *(p.seq or 0 for p in intake.held)]))
        live = [parcel for parcel in intake.held if parcel.seq is None or parcel.seq > position.seq]
        first = room.presence.enter(connection.user, connection.id)
        self._alarm.clear(("grace", room.name, connection.user))
        if recovered is not None:
            self._counters.recovered += recovered
            self._counters.not_recovered += not recovered
        joined = Joined(room.name, position, recovered, len(missed), first, len(room.presence))
        message = welcome(joined) if welcome else None
        if message is not None:
            connection.writer.send_free(self._encode(message))
        # Fan-out counted what was held; what of it is sent now is counted again.
        self._counters.held += len(intake.held)
        for parcel in (*missed, *live):
            connection.writer.send(parcel)
        room.add(connection.id, connection.writer)
        return joined

    def _check_entry(self, connection: Connection, name: str) -> None:
        if connection.closing is not None:
            raise ConnectionClosed(*connection.closing, "server")
        check_name(name, self._limits)
        if name in connection.rooms:
            raise Refused("bad_room", f"You are in {name!r} already.", expected="to enter a room once.")
        if len(connection.rooms) >= self._limits.rooms_per_connection:
            most = self._limits.rooms_per_connection
            raise Refused(
                "too_many_rooms",
                f"You are in {most} rooms already.",
                expected=f"at most {most} a connection.",
            )
        self._check_rules(connection, name)

    def _check_rules(self, connection: Connection, name: str) -> None:
        room = self._rooms.get(name)
        present = room is not None and connection.user in room.presence
        if (moderation := self._moderation.get(name)) is not None:
            moderation.check_entry(connection.user, present=present, host=connection.host)

    # Leaving

    def exit(self, connection: Connection, name: str, *, grace_s: float) -> None:
        """Take a connection out of a room, once; its user has the grace to come back unnoticed."""
        room = connection.rooms.pop(name, None)
        if room is None:
            return
        room.remove(connection.id)
        now = self._clock()
        outcome = room.presence.exit(connection.user, connection.id, now, grace_s)
        if outcome in (Exit.AWAY, Exit.GONE):
            self.stop_typing(room, connection.user)
        if outcome is Exit.AWAY:
            key = ("grace", name, connection.user)
            self._alarm.set(key, now + grace_s, partial(self._grace_over, room, connection.user))
        elif outcome is Exit.GONE:
            self._left(room, connection.user)
        self._vanish_if_empty(room)

    def expel(self, name: str, user: str) -> None:
        """Close all connections of a user in a room, and end their grace."""
        room = self._rooms.get(name)
        if room is None:
            return
        for connection_id in room.presence.connections(user):
            self._registered[connection_id].close(close_codes.KICKED, "the host has removed you")
        if room.presence.drop(user):
            self._alarm.clear(("grace", name, user))
            self._left(room, user)
            self._vanish_if_empty(room)

    def _grace_over(self, room: Room, user: str) -> None:
        if room.presence.expire(user, self._clock()):
            self._left(room, user)
            self._vanish_if_empty(room)

    def _left(self, room: Room, user: str) -> None:
        if (moderation := self._moderation.get(room.name)) is not None:
            moderation.forget(user, self._clock())
        self._call(self._on_left, room.name, user)

    def _vanish_if_empty(self, room: Room) -> None:
        if not room.empty or self._rooms.get(room.name) is not room:
            return
        del self._rooms[room.name]
        self._subscriptions.end(room)
        self._keep_rules(room.name)
        self._emptied_at = self._clock()
        if ("sweep",) not in self._alarm:
            self._alarm.set(("sweep",), self._emptied_at + self._limits.room_kept_s, self._sweep)

    def _sweep(self) -> None:
        self._broker.sweep()
        next_sweep = self._emptied_at + self._limits.room_kept_s
        if next_sweep > self._clock():
            self._alarm.set(("sweep",), next_sweep, self._sweep)

    def vanish(self) -> None:
        """Let every room go, for the hub is closing. Nobody is told."""
        for room in self._rooms.values():
            self._subscriptions.end(room)
        self._rooms.clear()
        self._moderation.clear()

    def expect(self, name: str, user: str, grace_s: float) -> None:
        """Give a user of the server's last life the grace to come back unnoticed."""
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = Room(name, self._counters, self._turn, self._limits)
        deadline = self._clock() + grace_s
        room.presence.expect(user, deadline)
        self._alarm.set(("grace", name, user), deadline, partial(self._grace_over, room, user))

    # Rules

    def controls(self, name: str) -> Controls:
        """Return a room's controls; a room may be given rules before anybody is in it."""
        check_name(name, self._limits)
        moderation = self._moderation.setdefault(name, Moderation())
        if name not in self._rooms:
            self._keep_rules(name)
        return Controls(self, name, moderation)

    def check_speech(self, connection: Connection, name: str, *, slowed: bool = True) -> None:
        """Raise `Refused` if a connection may not speak in a room now."""
        if name not in connection.rooms:
            raise Refused(
                "not_in_room", f"You are not in {name!r}.", expected="to enter a room before speaking."
            )
        if (moderation := self._moderation.get(name)) is not None:
            moderation.check_speech(connection.user, self._clock(), host=connection.host, slowed=slowed)

    def clear(self, name: str, message: Any) -> None:
        """Forget what a room said; publish a message about it, unless it is None."""
        topic = f"room:{name}"
        self._broker.clear(topic)
        if message is not None:
            self._broker.publish(Envelope(topic, self._encode(message), stored=True))

    def _keep_rules(self, name: str) -> None:
        """Keep an empty room's rules for as long as its history."""
        if name in self._moderation:
            when = self._clock() + self._limits.room_kept_s
            self._alarm.set(("rules", name), when, partial(self._forget_rules, name))

    def _forget_rules(self, name: str) -> None:
        if name not in self._rooms:
            self._moderation.pop(name, None)

    # Typing

    def start_typing(self, connection: Connection, name: str) -> bool:
        """Note a sign of typing; True if the others are due to hear of it."""
        room = connection.rooms.get(name)
        if room is None:
            return False
        tell, deadline = room.typists.start(connection.user, self._clock())
        key = ("typing", name, connection.user)
        self._alarm.set(key, deadline, partial(self._typing_over, room, connection.user))
        return tell

    def stop_typing(self, room: Room, user: str) -> None:
        """Note that a user stopped typing."""
        if room.typists.stop(user):
            self._alarm.clear(("typing", room.name, user))
            self._call(self._on_quiet, room.name, user)

    def _typing_over(self, room: Room, user: str) -> None:
        if room.typists.expire(user, self._clock()):
            self._call(self._on_quiet, room.name, user)

    def _call(self, hook: Hook | None, room: str, user: str) -> None:
        if hook is None:
            return
        try:
            hook(room, user)
        except Exception:
            self._counters.hook_errors += 1
            logger.exception("the app's hook failed for %r in %r", user, room)
