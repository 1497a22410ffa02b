"""A class for all rooms, receive_json's opposite number iter_text, and extra fields that nobody asked for."""

import asyncio
import json
import uuid

from fastapi import FastAPI, WebSocket

app = FastAPI()


class Rooms:
    def __init__(self):
        self.members: dict[str, dict[str, tuple[WebSocket, str]]] = {}
        self.lock = asyncio.Lock()

    async def join(self, room_id, key, websocket, name):
        async with self.lock:
            self.members.setdefault(room_id, {})[key] = (websocket, name)
        await self.announce(room_id, "user_joined", name)

    async def leave(self, room_id, key):
        async with self.lock:
            _, name = self.members[room_id].pop(key)
            if not self.members[room_id]:
                self.members.pop(room_id)
        await self.announce(room_id, "user_left", name)

    async def announce(self, room_id, kind, name):
        count = len(self.members.get(room_id, ()))
        await self.publish(room_id, type=kind, user=name, message=f"{name}: {kind}", room_members=count, room=room_id)

    async def publish(self, to, **message):
        text = json.dumps(message, indent=1)
        members = [websocket for websocket, _ in self.members.get(to, {}).values()]
        await asyncio.gather(*(member.send_text(text) for member in members), return_exceptions=True)


rooms = Rooms()


@app.get("/rooms")
async def list_rooms():
    return {room_id: len(members) for room_id, members in rooms.members.items()}


@app.websocket("/ws/rooms/{room_id}")
async def enter(websocket: WebSocket, room_id: str, name: str):
    await websocket.accept()
    await websocket.send_json({"type": "hello", "version": 3})
    key = uuid.uuid4().hex
    await rooms.join(room_id, key, websocket, name)
    try:
        async for text in websocket.iter_text():
            await rooms.publish(room_id, id=uuid.uuid4().hex, type="message", room_id=room_id, user=name, message=text)
    finally:
        await rooms.leave(room_id, key)
