"""A class with an outbox and a writer task for each connection; work is done in threads, many at once."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()


class Chat:
    def __init__(self) -> None:
        self.outboxes: dict[str, asyncio.Queue] = {}

    @asynccontextmanager
    async def member(self, user: str, websocket: WebSocket) -> AsyncIterator[None]:
        outbox: asyncio.Queue = asyncio.Queue()
        writer = asyncio.create_task(self.write(outbox, websocket))
        self.outboxes[user] = outbox
        self.publish("system", f"{user} joined the chat! 👋", "📢")
        try:
            yield
        finally:
            writer.cancel()
            if self.outboxes[user] is outbox:
                del self.outboxes[user]
                self.publish("system", f"{user} left the chat 👋", "📢")

    @staticmethod
    async def write(outbox: asyncio.Queue, websocket: WebSocket) -> None:
        with suppress(WebSocketDisconnect):
            while True:
                await websocket.send_json(await outbox.get())

    def publish(self, sender: str, message: str, emoji: str) -> None:
        for outbox in self.outboxes.values():
            outbox.put_nowait(
                {
                    "type": "message",
                    "emoji": emoji,
                    "sender": sender,
                    "message": message,
                    "timestamp": time.strftime("%H:%M:%S"),
                    "length": len(message),
                }
            )


chat = Chat()


@app.websocket("/ws/work")
async def work(websocket: WebSocket) -> None:
    await websocket.accept()
    async for _ in websocket.iter_text():
        await asyncio.to_thread(time.sleep, float(os.environ["WORK_S"]))
        try:
            await websocket.send_text("Response")
        except WebSocketDisconnect:
            return


@app.websocket("/ws/{user}")
async def enter(websocket: WebSocket, user: str) -> None:
    await websocket.accept()
    async with chat.member(user, websocket):
        async for text in websocket.iter_text():
            chat.publish(user, text, "💬")
