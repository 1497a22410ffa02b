"""One task owns the room; handlers only post events to its inbox. Joins and goodbyes come a moment later, which is legal."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import datetime

from fastapi import FastAPI, WebSocket

inbox: asyncio.Queue = asyncio.Queue()
outboxes: dict[str, asyncio.Queue] = {}


async def run_room():
    while True:
        event, user, mine, text = await inbox.get()
        if event == "join":
            outboxes[user] = mine
            announce(f"{user} joined the chat! 👋")
        elif event == "leave" and outboxes.get(user) is mine:
            outboxes.pop(user)
            announce(f"{user} left the chat 👋")
        elif event == "text":
            react(user, text)


def react(user, text):
    try:
        command = dict(json.loads(text))
    except (ValueError, TypeError):
        command = {}
    if command.get("type") == "typing":
        deliver({"type": "typing", "sender": user}, set(outboxes) - {user})
    elif command.get("type") == "private":
        to = command["to"]
        if to in outboxes:
            deliver(
                stamped({"type": "private", "to": to, "sender": user, "message": command["message"], "emoji": "🔒"}),
                {user, to},
            )
        else:
            deliver({"type": "error", "detail": "absent", "to": to}, {user})
    else:
        deliver(stamped({"sender": user, "message": text, "emoji": "💬"}), outboxes)


def announce(text):
    deliver(stamped({"sender": "system", "message": text, "emoji": "📢"}), outboxes)


def stamped(message):
    return {**message, "timestamp": datetime.now().time().isoformat("seconds")}


def deliver(message, users):
    for user in users:
        if user in outboxes and outboxes[user].qsize() < 300:
            outboxes[user].put_nowait(message)


@asynccontextmanager
async def lifespan(app):
    room = asyncio.create_task(run_room())
    yield
    room.cancel()


app = FastAPI(lifespan=lifespan)


@app.get("/users")
async def users():
    return sorted(outboxes)


@app.websocket("/ws/{user}")
async def chat(websocket: WebSocket, user: str):
    await websocket.accept()
    mine = asyncio.Queue()
    inbox.put_nowait(("join", user, mine, None))

    async def read():
        async for text in websocket.iter_text():
            inbox.put_nowait(("text", user, mine, text))

    async def write():
        while True:
            await websocket.send_json(await mine.get())

    both = [asyncio.create_task(read()), asyncio.create_task(write())]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    for task in both:
        task.cancel()
    await asyncio.gather(*both, return_exceptions=True)
    await asyncio.sleep(0.03)
    inbox.put_nowait(("leave", user, mine, None))
