"""A class for the book and a context manager for each connection; it writes a moment later, which is legal."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse


@dataclass
class Entry:
    event: str
    client_id: str
    message: str | None = None
    code: int | None = None

    def as_dict(self):
        return {name: value for name, value in vars(self).items() if value is not None}


class Logbook:
    def __init__(self):
        self.entries = []

    @asynccontextmanager
    async def follow(self, websocket, client_id):
        await websocket.accept()
        await asyncio.sleep(0.01)
        self.entries.append(Entry("connected", client_id))
        try:
            yield lambda text: self.entries.append(Entry("received", client_id, message=text))
        except WebSocketDisconnect as gone:
            await asyncio.sleep(0.05)
            self.entries.append(Entry("disconnected", client_id, code=gone.code))


book = Logbook()
app = FastAPI()


@app.get("/events")
async def list_events():
    return JSONResponse([entry.as_dict() for entry in book.entries])


@app.websocket("/ws/{client_id:path}")
async def converse(websocket: WebSocket, client_id: str):
    async with book.follow(websocket, client_id) as receive:
        while True:
            text = await websocket.receive_text()
            receive(text)
            await websocket.send_text(f"Server received: {text} ✨")
