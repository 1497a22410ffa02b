"""A class with an outbox and a writer task for each connection; who does not read is let go of."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import datetime

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

MAX_WAITING = 200


@dataclass(eq=False)
class Member:
    user_id: str
    websocket: WebSocket
    outbox: asyncio.Queue = field(default_factory=lambda: asyncio.Queue(MAX_WAITING))

    def put(self, message):
        if not self.outbox.full():
            self.outbox.put_nowait(message)

    async def write(self):
        while True:
            await self.websocket.send_text(await self.outbox.get())


class ConnectionManager:
    def __init__(self):
        self.members = {}

    async def connect(self, member):
        await member.websocket.accept()
        self.members[member.user_id] = member
        self.broadcast("system", f"{member.user_id} joined the chat! 👋", "📢")

    def disconnect(self, member):
        if self.members.get(member.user_id) is member:
            del self.members[member.user_id]
            self.broadcast("system", f"{member.user_id} left the chat 👋", "📢")

    def broadcast(self, sender, text, emoji):
        message = json.dumps(stamped(sender=sender, message=text, emoji=emoji))
        for member in self.members.values():
            member.put(message)

    def whisper(self, member, to, text):
        other = self.members.get(to)
        if other is None:
            member.put(json.dumps({"type": "error", "detail": f"{to} is not here"}))
            return
        message = json.dumps(stamped(type="private", sender=member.user_id, to=to, message=text, emoji="🔒"))
        for one in {member, other}:
            one.put(message)

    def show_typing(self, member):
        for other in self.members.values():
            if other is not member:
                other.put(json.dumps({"type": "typing", "sender": member.user_id}))


def stamped(**fields):
    return {**fields, "timestamp": datetime.now().strftime("%H:%M:%S")}


manager = ConnectionManager()
app = FastAPI()


@app.get("/users")
async def users() -> list[str]:
    return sorted(manager.members)


@app.websocket("/ws/{user_id}")
async def chat(websocket: WebSocket, user_id: str):
    member = Member(user_id, websocket)
    await manager.connect(member)
    writer = asyncio.create_task(member.write())
    try:
        while True:
            text = await websocket.receive_text()
            try:
                command = json.loads(text)
            except ValueError:
                command = None
            match command:
                case {"type": "private", "to": str(to), "message": str(message)}:
                    manager.whisper(member, to, message)
                case {"type": "typing"}:
                    manager.show_typing(member)
                case _:
                    manager.broadcast(user_id, text, "💬")
    except WebSocketDisconnect:
        pass
    finally:
        writer.cancel()
        manager.disconnect(member)
