"""Litestar, with one broadcaster task for the whole app, which the handlers feed through a queue."""

import asyncio
import os
from contextlib import asynccontextmanager
from datetime import datetime

from litestar import Litestar, WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

POST: asyncio.Queue = asyncio.Queue()
CLIENTS: dict[int, WebSocket] = {}


@asynccontextmanager
async def broadcasting(app):
    async with asyncio.TaskGroup() as group:
        task = group.create_task(broadcast())
        yield
        task.cancel()


async def broadcast():
    while True:
        sender, message, emoji = await POST.get()
        note = {"sender": sender, "message": message, "emoji": emoji, "timestamp": datetime.now().time().isoformat("seconds")}
        for key in list(CLIENTS):
            socket = CLIENTS.get(key)
            if socket is not None:
                try:
                    await socket.send_json(note)
                except Exception:
                    CLIENTS.pop(key, None)


@websocket("/ws/{user:str}")
async def chat(socket: WebSocket, user: str) -> None:
    await socket.accept()
    if user == "work":
        return await work(socket)
    CLIENTS[id(socket)] = socket
    await POST.put(("system", f"{user} joined the chat! 👋", "📢"))
    try:
        while True:
            await POST.put((user, await socket.receive_text(), "💬"))
    except WebSocketDisconnect:
        pass
    finally:
        CLIENTS.pop(id(socket), None)
        await POST.put(("system", f"{user} left the chat 👋", "📢"))


async def work(socket: WebSocket) -> None:
    try:
        async for _ in socket.iter_data():
            await asyncio.sleep(float(os.environ.get("WORK_S", "5")))
            await socket.send_text("Response")
    except WebSocketDisconnect:
        return


app = Litestar(route_handlers=[chat], lifespan=[broadcasting])
