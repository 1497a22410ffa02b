# fails: all_fields alone
# says: it has no field 'timestamp'
# a field was lost on the way
import asyncio
import os
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

WORK_S = float(os.environ.get("WORK_S", "5"))


@asynccontextmanager
async def lifespan(app):
    announcer = asyncio.create_task(announce_arrivals(0))
    yield
    announcer.cancel()


app = FastAPI(lifespan=lifespan)
clients: dict[str, WebSocket] = {}
arrivals: list[str] = []
arrived = asyncio.Condition()


async def send(websocket: WebSocket, message: dict[str, str]) -> None:
    """Send a message to somebody, unless they have just gone."""
    with suppress(WebSocketDisconnect):
        await websocket.send_json(message)


async def broadcast(sender: str, text: str, emoji: str) -> None:
    """Send a message to everybody who is there."""
    timestamp = datetime.now().strftime("%H:%M:%S")
    message = {"sender": sender, "message": text, "emoji": emoji}
    for websocket in list(clients.values()):
        await send(websocket, message)


async def announce_arrivals(number: int) -> None:
    """Tell everybody who has come, from the arrival with this number on."""
    while True:
        async with arrived:
            await arrived.wait_for(lambda: number < len(arrivals))
        await broadcast("system", f"{arrivals[number]} joined the chat! 👋", "📢")
        number += 1


@app.websocket("/ws/work")
async def work(websocket: WebSocket) -> None:
    """Do some work for each text that comes, and say when it is done."""
    await websocket.accept()
    try:
        while True:
            await websocket.receive_text()
            await asyncio.sleep(WORK_S)
            await websocket.send_text("Response")
    except WebSocketDisconnect:
        pass


@app.websocket("/ws/{user_id}")
async def chat(websocket: WebSocket, user_id: str) -> None:
    """Let somebody in, and pass on what they say."""
    await websocket.accept()
    clients[user_id] = websocket
    async with arrived:
        arrivals.append(user_id)
        arrived.notify_all()
    try:
        while True:
            text = await websocket.receive_text()
            await broadcast(user_id, text, "💬")
    except WebSocketDisconnect:
        pass
    finally:
        if clients.get(user_id) is websocket:
            del clients[user_id]
            await broadcast("system", f"{user_id} left the chat 👋", "📢")
