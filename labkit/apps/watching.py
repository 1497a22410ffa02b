"""Watching a room without being in it: for the projector at the front of the class."""

from __future__ import annotations

import secrets

from starlette.websockets import WebSocket

from labkit.apps.messages.session import Welcome, read_pong
from labkit.apps.names import WATCHER, people
from labkit.apps.socket_transport import accept, incoming, refuse
from labkit.hub import Hub, Position, Refused


async def watch(hub: Hub, ws: WebSocket, room: str) -> None:
    """Show a room to a client that says nothing: what it sends is ignored, and nobody sees it come or go."""
    transport = await accept(ws)
    user = WATCHER + secrets.token_hex(8)
    since = Position.parse(ws.query_params.get("since"), ws.query_params.get("epoch"))
    try:
        # A host's rules don't bind it: the projector stays when the room is locked.
        async with hub.connect(transport, user=user, host=True, batches=transport.batches) as connection:
            await connection.join(
                room,
                since=since,
                welcome=lambda joined: Welcome.of(
                    joined, user="", users=people(hub, room), rules=hub.controls(room).rules
                ),
            )
            async for _ in incoming(ws, connection, read_pong):
                pass
            connection.leave(room)
    except Refused as refusal:
        await refuse(ws, refusal)
