"""Another framework: Litestar, with a queue for each connection, emptied by a task in a group."""

import asyncio
import json
import time
from contextlib import suppress

from litestar import Litestar, WebSocket, get, websocket
from litestar.exceptions import WebSocketDisconnect

queues: dict[str, asyncio.Queue] = {}


def publish(message: dict, to: list[str] | None = None) -> None:
    text = json.dumps({"timestamp": time.strftime("%H:%M:%S")} | message)
    for user in queues if to is None else to:
        with suppress(asyncio.QueueFull):
            queues[user].put_nowait(text)


def act(user: str, text: str) -> None:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = None
    match value:
        case {"type": "typing"}:
            publish({"type": "typing", "sender": user}, [other for other in queues if other != user])
        case {"type": "private", "to": to} if to not in queues:
            publish({"type": "error", "detail": f"{to!r} is absent"}, [user])
        case {"type": "private", "to": to, "message": message}:
            whisper = {"type": "private", "sender": user, "to": to, "message": message, "emoji": "🔒"}
            publish(whisper, sorted({user, to}))
        case _:
            publish({"type": "message", "sender": user, "message": text, "emoji": "💬"})


@get("/users")
async def users() -> list[str]:
    return sorted(queues)


@websocket("/ws/{user:str}")
async def chat(socket: WebSocket, user: str) -> None:
    await socket.accept()
    mine = queues[user] = asyncio.Queue(maxsize=100)
    publish({"sender": "system", "message": f"{user} joined the chat! 👋", "emoji": "📢"})

    async def write() -> None:
        with suppress(WebSocketDisconnect, OSError, RuntimeError):
            while True:
                await socket.send_text(await mine.get())

    writing = asyncio.create_task(write())
    try:
        while True:
            act(user, await socket.receive_text())
    except WebSocketDisconnect:
        pass
    finally:
        writing.cancel()
        if queues.get(user) is mine:
            del queues[user]
            publish({"sender": "system", "message": f"{user} left the chat 👋", "emoji": "📢"})


app = Litestar([users, chat])
