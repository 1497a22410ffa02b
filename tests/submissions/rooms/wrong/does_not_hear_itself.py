# fails: speak alone
# says: got nothing
# the sender is left out
import asyncio
from collections import defaultdict
from contextlib import suppress

from fastapi import FastAPI, Query, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse

app = FastAPI()


class Member:
    def __init__(self, websocket: WebSocket, name: str) -> None:
        self.websocket = websocket
        self.name = name
        self.outbox: asyncio.Queue[dict] = asyncio.Queue(maxsize=500)

    async def write(self) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            while True:
                await self.websocket.send_json(await self.outbox.get(), mode="text")


members: defaultdict[str, set[Member]] = defaultdict(set)


def publish(room: str, kind: str, but: Member | None = None, **fields: object) -> None:
    for member in members[room] - {but}:
        with suppress(asyncio.QueueFull):
            member.outbox.put_nowait({"type": kind, **fields})


@app.get("/rooms")
async def list_rooms() -> JSONResponse:
    return JSONResponse({room: len(there) for room, there in members.items() if there})


@app.websocket("/ws/rooms/{room}")
async def enter(websocket: WebSocket, room: str, name: str = Query(default="nobody")) -> None:
    await websocket.accept()
    me = Member(websocket, name)
    writer = asyncio.create_task(me.write())
    members[room].add(me)
    publish(room, "user_joined", user=name, message="✨", room_members=len(members[room]))
    try:
        while True:
            publish(room, "message", but=me, room_id=room, user=name, message=await websocket.receive_text())
    except WebSocketDisconnect:
        members[room].discard(me)
        publish(room, "user_left", user=name, message="", room_members=len(members[room]))
    finally:
        members[room].discard(me)
        writer.cancel()
