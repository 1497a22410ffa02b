"""The host's view: who is here, and lock, mute, kick, clear, slow mode and undo, for any app over a hub.

The page is at ``/host/{token}``; the token is made at start and told to nobody but through
``app.state.host_token``. The page sends it as its first message and not in the address of its WebSocket,
because servers log those.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any, Protocol

from fastapi import FastAPI
from starlette.responses import Response
from starlette.websockets import WebSocket

from labkit.apps.messages.host import (
    Done,
    Hello,
    PersonControl,
    RoomControl,
    RoomState,
    Slow,
    State,
    read_message,
)
from labkit.apps.messages.session import Cleared, RoomRules
from labkit.apps.names import WATCHER, people
from labkit.apps.page_files import add_static, page_response
from labkit.apps.socket_transport import accept, incoming, refuse
from labkit.hub import Connection, Hub, Refused, latest
from labkit.hub.limits import AUTH_TIMEOUT_S

LOOK_EVERY_S = 1.0
WRONG_TOKEN = 1008

Control = RoomControl | PersonControl | Slow


class Things(Protocol):
    """What a host can do to the things in an app's rooms, where clearing them is more than forgetting messages.

    Each raises `Refused` if it can't be done.
    """

    def clear(self, room: str) -> None:
        """Take everything away."""

    def undo(self, room: str) -> bool:
        """Take back what was done to the things last; False if the rules were changed since, or nothing was done."""

    def rules_changed(self, room: str) -> None:
        """Note that the host has changed the rules, and has done that last."""

    def hide(self, room: str, user: str) -> None:
        """Hide what a user has made."""

    def show(self, room: str, user: str) -> None:
        """Show it again."""

    def describe(self, room: str) -> dict[str, Any]:
        """Return fields of `RoomState`: `hidden`, `names` and `colors`."""


def add_host_view(
    app: FastAPI,
    hub: Hub,
    *,
    rooms: Collection[str] = (),
    cleared: Callable[[str], Any] = lambda room: Cleared(room=room),
    things: Things | None = None,
    shown: Callable[[str], bool] = lambda room: True,
) -> None:
    """Give an app the host's page and its WebSocket, and set ``app.state.host_token``.

    Args:
        rooms: names of rooms to show even when nobody is there.
        cleared: makes the message that tells a room that it was cleared.
        things: what is in the rooms, if it is more than messages.
        shown: tells which rooms a host is to see.
    """
    token = app.state.host_token = secrets.token_urlsafe(16)
    state = StateOf(app.title, hub, rooms, things, shown)
    add_static(app, "/host/static")

    @app.get("/host/{given}", include_in_schema=False)
    async def show_host_page(given: str) -> Response:
        if not hmac.compare_digest(given.encode(), token.encode()):
            return Response("This is not the host's address.\n", 404, media_type="text/plain")
        return page_response("host", framed=False)

    @app.websocket("/host/ws")
    async def host(ws: WebSocket) -> None:
        # accept
        transport = await accept(ws)
        try:
            # register
            user = f"{WATCHER}host {secrets.token_hex(8)}"
            async with hub.connect(transport, user=user, host=True) as connection:
                messages = incoming(ws, connection, read_message)
                if not await _knows(token, messages):
                    connection.close(WRONG_TOKEN, "not the host's token")
                    return
                async with state.shown_to(connection):
                    # receive loop
                    async for message in messages:
                        if isinstance(message, Control):
                            try:
                                done = carry_out(hub, message, cleared, things)
                            except Refused as refusal:
                                connection.refuse(refusal)
                            else:
                                connection.send(Done(detail=done))
                                state.show()
                # unregister: the block's end does it
        except Refused as refusal:
            await refuse(ws, refusal)


async def _knows(token: str, messages: AsyncIterator[Any]) -> bool:
    """Wait for the first message, and tell whether it has the token."""
    try:
        async with asyncio.timeout(AUTH_TIMEOUT_S):
            first = await anext(messages, None)
    except TimeoutError:
        return False
    return isinstance(first, Hello) and hmac.compare_digest(first.token.encode(), token.encode())


def carry_out(hub: Hub, control: Control, cleared: Callable[[str], Any], things: Things | None = None) -> str:
    """Do what the host wants, tell those in the room, and return in words what was done."""
    room = control.room
    if (done := _carry_out_on_things(control, things)) is not None:
        return done
    before = hub.controls(room).rules
    controls = hub.controls(room)
    match control:
        case RoomControl(type="lock"):
            controls.lock()
            done = f"{room} is locked: nobody new comes in."
        case RoomControl(type="unlock"):
            controls.unlock()
            done = f"{room} is open."
        case RoomControl(type="clear"):
            controls.clear(cleared(room))
            done = f"{room} is cleared."
        case RoomControl():
            done = "The last change is undone." if controls.undo() else "There is nothing to undo."
        case PersonControl(type="mute", user=user):
            controls.mute(user)
            done = f"{user} is muted."
        case PersonControl(type="unmute", user=user):
            controls.unmute(user)
            done = f"{user} may speak."
        case PersonControl(type="kick", user=user):
            controls.kick(user)
            done = f"{user} is out."
        case PersonControl(user=user):
            controls.readmit(user)
            done = f"{user} may come back."
        case Slow(seconds=seconds):
            controls.slow(seconds)
            done = f"One message in {seconds:g} s." if seconds else "Slow mode is off."
    if things is not None and control.type != "undo" and controls.rules != before:
        things.rules_changed(room)
    for user in people(hub, room):
        hub.send_to(user, RoomRules.of(room, controls.rules, user))
    return done


def _carry_out_on_things(control: Control, things: Things | None) -> str | None:
    """Do what concerns an app's things, if it does, and return in words what was done."""
    match control:
        case RoomControl(type="clear", room=room) if things is not None:
            things.clear(room)
            return f"{room} is cleared."
        case RoomControl(type="undo", room=room) if things is not None and things.undo(room):
            return f"{room} is as it was before."
        case PersonControl(type="hide" | "show") if things is None:
            raise Refused("bad_message", "Nothing is drawn here.")
        case PersonControl(type="hide", room=room, user=user) if things is not None:
            things.hide(room, user)
            return f"What {user} has drawn is hidden."
        case PersonControl(type="show", room=room, user=user) if things is not None:
            things.show(room, user)
            return f"What {user} has drawn is shown again."
    return None


class StateOf:
    """Sends the state of a hub's rooms to the hosts who watch it, whenever it differs from what they have."""

    def __init__(
        self,
        title: str,
        hub: Hub,
        rooms: Collection[str],
        things: Things | None = None,
        shown: Callable[[str], bool] = lambda room: True,
    ) -> None:
        self._title = title
        self._hub = hub
        self._rooms = rooms
        self._things = things
        self._shown = shown
        self._hosts: dict[Connection, State] = {}

    @asynccontextmanager
    async def shown_to(self, connection: Connection) -> AsyncIterator[None]:
        """Keep a host up to date for as long as the block lasts."""
        self._hosts[connection] = State(app="", rooms=[], connections=-1)
        self.show()
        looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            looking.cancel()
            del self._hosts[connection]

    def show(self) -> None:
        """Send the state to those who don't have it yet."""
        now = self._now()
        for connection, known in self._hosts.items():
            if known != now:
                self._hosts[connection] = now
                connection.send(now, latest("state"))

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.show()

    def _now(self) -> State:
        in_use = (room for room in self._hub.rooms() if self._shown(room) and people(self._hub, room))
        names = sorted({*self._rooms, *in_use})
        return State(
            app=self._title,
            rooms=[self._room(name) for name in names],
            connections=self._hub.stats().connections,
        )

    def _room(self, room: str) -> RoomState:
        rules = self._hub.controls(room).rules
        return RoomState(
            room=room,
            people=people(self._hub, room),
            typing=self._hub.typing(room),
            locked=rules.locked,
            slow_s=rules.slow_s,
            muted=sorted(rules.muted),
            kicked=sorted(rules.kicked),
            **(self._things.describe(room) if self._things is not None else {}),
        )
