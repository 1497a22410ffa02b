"""Litestar, with a lock around each room's sending."""

import asyncio
from collections import defaultdict

from litestar import Litestar, WebSocket, get, websocket
from litestar.exceptions import WebSocketDisconnect

ROOMS: dict[str, set[WebSocket]] = {}
LOCKS: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)


@get("/rooms")
async def list_rooms() -> dict[str, int]:
    return {room_id: len(sockets) for room_id, sockets in ROOMS.items()}


async def tell(room_id: str, message: dict) -> None:
    async with LOCKS[room_id]:
        for socket in ROOMS.get(room_id, set()).copy():
            try:
                await asyncio.wait_for(socket.send_json(message), timeout=30)
            except Exception:
                ROOMS.get(room_id, set()).discard(socket)


@websocket("/ws/rooms/{room_id:str}")
async def enter(socket: WebSocket, room_id: str, name: str) -> None:
    await socket.accept()
    ROOMS.setdefault(room_id, set()).add(socket)

    async def announce(kind: str) -> None:
        members = len(ROOMS.get(room_id, ()))
        await tell(room_id, {"type": kind, "user": name, "message": kind, "room_members": members})

    await announce("user_joined")
    try:
        while True:
            text = await socket.receive_text()
            await tell(room_id, {"type": "message", "room_id": room_id, "user": name, "message": text})
    except WebSocketDisconnect:
        pass
    finally:
        ROOMS[room_id].discard(socket)
        if not ROOMS[room_id]:
            del ROOMS[room_id]
        await announce("user_left")


app = Litestar(route_handlers=[list_rooms, enter])
