"""One board in use: what its artists do becomes what everybody gets, in one order and at the pace of its ticks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pydantic import BaseModel

from labkit.apps.artists import Artists, Person
from labkit.apps.messages.drawing import (
    BoardLimits,
    BoardWelcome,
    Hello,
    Notice,
    UserJoined,
    UserLeft,
    Users,
)
from labkit.apps.messages.session import RoomRules
from labkit.board.board import Accepted, Board
from labkit.board.item import compact
from labkit.board.limits import BOARD_MAX_ITEMS, STROKE_MAX_POINTS
from labkit.hub import CURSOR_RATE, DRAWING_RATE, RELIABLE, Connection, Hub, Joined, latest

TICKS_S = ((20, 0.033), (250, 0.04))
TICK_MAX_S = 0.066
"""The pace of batches by the number of artists: with so many or fewer, so many seconds."""
USERS_EVERY_S = 0.25
STROKE_GRACE_S = 30.0
"""For so long after an artist is gone, a stroke that they did not end waits for them."""
PART_BYTES = 60_000


class LiveBoard:
    """A board, its artists and the hub's rooms. Everybody is in the room of the board's name, for its rules; what
    happens is said in two others, one for each kind of client.

    Args:
        record: called with each record of the board, to keep it.

    Attributes:
        trouble: what newcomers are to know too, such as that nothing is saved.
    """

    def __init__(
        self, name: str, hub: Hub, board: Board, *, key: bytes, record: Callable[[str], None]
    ) -> None:
        self.name = name
        self.board = board
        self.artists = Artists(name, key)
        self.trouble: Notice | None = None
        self._hub = hub
        self._record = record
        self._plain = f"{name}/plain"
        self._batched = f"{name}/batched"
        self._ops: list[str] = []
        self._cursors: dict[str, tuple[Person, str, str]] = {}
        self._tick_timer: asyncio.TimerHandle | None = None
        self._ticked_at = 0.0
        self._users_timer: asyncio.TimerHandle | None = None
        self._end_timers: dict[str, asyncio.TimerHandle] = {}
        self._parts: tuple[int, list[str]] = (-1, [])
        for item in board.growing():  # of the server's life before
            self._end_later(item.artist_id)

    @property
    def idle(self) -> bool:
        """Nobody is here, nobody watches, and nothing is about to happen."""
        rooms = self._hub.rooms()
        in_use = any(room in rooms for room in (self.name, self._plain, self._batched))
        return not (in_use or self.artists or self._tick_timer or self._end_timers)

    @property
    def tick_s(self) -> float:
        """Seconds between batches."""
        return next((pace_s for most, pace_s in TICKS_S if len(self.artists) <= most), TICK_MAX_S)

    # Coming and going

    async def enter(self, connection: Connection, person: Person, hello: Hello | None) -> None:
        """Let a client in: one that is greeted with all that is on the board, or with what it missed.

        Args:
            hello: what a client of `labkit.draw.v2` said first; None for a plain one.

        Raises:
            Refused: the board is locked, or the host has removed this artist.
        """
        await connection.join(self.name)
        first = self.artists.enter(person)
        person.connection, person.plain = connection, hello is None
        self._stop_ending(person.id)
        if first:
            users = self.artists.shown
            joined = UserJoined(artist_id=person.id, active_users=len(users), users=users)
            self._say(self._plain, joined)
        self._users_changed()
        if hello is None:
            await connection.join(self._plain, welcome=lambda _: self._init(person))
        else:
            await self.watch(connection, person, hello)
        if self.trouble is not None:
            connection.send(self.trouble)

    async def watch(self, connection: Connection, person: Person | None, hello: Hello) -> None:
        """Show the board to a client of `labkit.draw.v2`, an artist or nobody."""
        self._tick_now()

        def welcome(joined: Joined) -> None:
            for text in self._welcome(connection, person, hello):
                connection.writer.send_free(text)

        await connection.join(self._batched, welcome=welcome)

    def left(self, artist_id: str) -> None:
        """Note that an artist has gone for good, after the grace."""
        person = self.artists.leave(artist_id)
        if person is None:
            return
        if person.plain:
            self.accept(self.board.forget(artist_id))
        self._cursors.pop(artist_id, None)
        users = self.artists.shown
        self._say(self._plain, UserLeft(artist_id=artist_id, active_users=len(users), users=users))
        self._users_changed()
        self._end_later(artist_id)

    # What artists do

    def accept(self, accepted: Accepted) -> None:
        """Tell everybody what happened, and keep it."""
        if accepted.record:
            self._record(accepted.record)
        for op in accepted.ops:
            if not op.text:
                self._show_anew()
                continue
            self._ops.append(op.text)
            if op.plain:
                self._hub.publish(self._plain, op.plain, stored=False)
        if accepted.ops:
            self._wake()

    def point(self, person: Person, x: str, y: str) -> None:
        """Note where an artist points: JSON numbers, as they were sent. The newest of a tick goes out."""
        self._cursors[person.id] = (person, x, y)
        if self._tick_timer is None:
            self._wake()

    def notify(self, notice: Notice) -> None:
        """Tell everybody something about the board."""
        for room in (self._plain, self._batched):
            self._say(room, notice)

    def close(self) -> None:
        """End all timers."""
        for timer in (self._tick_timer, self._users_timer, *self._end_timers.values()):
            if timer is not None:
                timer.cancel()

    # Ticks

    def _wake(self) -> None:
        if self._tick_timer is None:
            loop = asyncio.get_running_loop()
            due = max(loop.time(), self._ticked_at + self.tick_s)
            self._tick_timer = loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._tick_timer = None
        self._ticked_at = asyncio.get_running_loop().time()
        ops, self._ops = self._ops, []
        cursors, self._cursors = self._cursors, {}
        fields = ['"type":"batch"']
        if ops:
            fields.append(f'"ops":[{",".join(ops)}]')
        if cursors:
            places = ",".join([f"[{person.label},{x},{y}]" for person, x, y in cursors.values()])
            fields.append(f'"cursors":[{places}]')
        if ops or cursors:
            self._hub.publish(self._batched, f"{{{','.join(fields)}}}", stored=False)
        if self._plain in self._hub.rooms():
            for person, x, y in cursors.values():
                text = (
                    f'{{"type":"cursor","artist_id":{person.label},"color":"{person.color}","x":{x},"y":{y}}}'
                )
                delivery = latest(f"cursor {person.id}")
                self._hub.publish(self._plain, text, delivery=delivery, skip=person.connection)

    def _tick_now(self) -> None:
        if self._ops or self._cursors:
            if self._tick_timer is not None:
                self._tick_timer.cancel()
            self._tick()

    # What is shown as a whole

    def _show_anew(self) -> None:
        self._tick_now()
        parts = self.parts()
        reset = compact({"type": "reset", "seq": self.board.seq, "parts": len(parts)})
        for text in (reset, *parts):
            self._hub.publish(self._batched, text, stored=False)
        self._hub.publish(self._plain, f'{{"type":"history","history":[{self._history()}]}}', stored=False)

    def parts(self) -> list[str]:
        """Return the whole board as `Items` messages, made once for all who come before it changes."""
        seq, parts = self._parts
        if seq != self.board.seq:
            parts = self._make_parts()
            self._parts = (self.board.seq, parts)
        return parts

    def _make_parts(self) -> list[str]:
        groups: list[list[str]] = []
        room = 0
        for item in (*self.board.finished(), *self.board.growing()):
            text = item.text
            if len(text) > room:
                groups.append([])
                room = PART_BYTES
            groups[-1].append(text)
            room -= len(text) + 1
        return [
            f'{{"type":"items","part":{number},"of":{len(groups)},"items":[{",".join(group)}]}}'
            for number, group in enumerate(groups, 1)
        ]

    def _history(self) -> str:
        return ",".join(item.text for item in self.board.finished())

    def _init(self, person: Person) -> str:
        users = [artist.model_dump() for artist in self.artists.shown]
        head = {"type": "init", "artist_id": person.id, "color": person.color, "active_users": len(users)}
        return f'{compact(head | {"users": users})[:-1]},"history":[{self._history()}]}}'

    def _welcome(self, connection: Connection, person: Person | None, hello: Hello) -> list[str]:
        board = self.board
        missed = None
        if hello.since is not None:
            missed = board.log.since(hello.epoch, hello.since)
        parts = self.parts() if missed is None else []
        welcome = BoardWelcome(
            board=self.name,
            artist_id=person.id if person else "",
            name=person.name if person else "",
            color=person.color if person else "#000000",
            token=self.artists.token(person) if person else "",
            epoch=board.log.epoch,
            seq=board.seq,
            recovered=None if hello.since is None else missed is not None,
            parts=len(parts),
            users=self.artists.shown,
            tick_ms=round(1000 * self.tick_s),
            rules=RoomRules.of(self.name, self._hub.controls(self.name).rules, connection.user),
            limits=BoardLimits(
                stroke_points=STROKE_MAX_POINTS,
                items=BOARD_MAX_ITEMS,
                ops_per_s=DRAWING_RATE.per_s,
                ops_burst=DRAWING_RATE.burst,
                cursors_per_s=CURSOR_RATE.per_s,
                message_bytes=self._hub.limits.max_message_bytes,
            ),
        )
        texts = [welcome.model_dump_json(exclude_none=True), *parts]
        if missed:
            texts.append(f'{{"type":"batch","ops":[{",".join(missed)}]}}')
        return texts

    # Users, and those who have gone

    def _users_changed(self) -> None:
        if self._users_timer is None:
            self._users_timer = asyncio.get_running_loop().call_later(USERS_EVERY_S, self._tell_users)

    def _tell_users(self) -> None:
        self._users_timer = None
        users = self.artists.shown
        message = Users(active_users=len(users), users=users, tick_ms=round(1000 * self.tick_s))
        self._hub.publish(self._batched, message, delivery=latest("users"))

    def _end_later(self, artist_id: str) -> None:
        if not any(item.artist_id == artist_id for item in self.board.growing()):
            return
        self._stop_ending(artist_id)
        loop = asyncio.get_running_loop()
        self._end_timers[artist_id] = loop.call_later(STROKE_GRACE_S, self._end_strokes, artist_id)

    def _stop_ending(self, artist_id: str) -> None:
        if (timer := self._end_timers.pop(artist_id, None)) is not None:
            timer.cancel()

    def _end_strokes(self, artist_id: str) -> None:
        self._end_timers.pop(artist_id, None)
        self.accept(self.board.end_all(artist_id))

    def _say(self, room: str, message: BaseModel) -> None:
        self._hub.publish(room, message, delivery=RELIABLE, stored=False)
