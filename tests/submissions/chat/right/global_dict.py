"""Global dicts and a lock; each send has a deadline, and who misses it is out. The first of two logins is closed."""

import asyncio
import json
import time

from fastapi import FastAPI, WebSocket

app = FastAPI()
clients = {}
turn = asyncio.Lock()


async def send(user_id, message):
    websocket = clients.get(user_id)
    try:
        await asyncio.wait_for(websocket.send_text(json.dumps(message, ensure_ascii=False)), 0.4)
    except Exception:
        if clients.get(user_id) is websocket:
            del clients[user_id]
            asyncio.create_task(tell_left(user_id))


async def tell_left(user_id):
    await tell_all({"sender": "system", "message": f"{user_id} left the chat 👋", "emoji": "📢"})


async def tell_all(message):
    async with turn:
        message = {**message, "timestamp": time.strftime("%H:%M:%S")}
        await asyncio.gather(*[send(user_id, message) for user_id in list(clients)])


@app.get("/users")
async def users():
    return sorted(clients)


@app.websocket("/ws/{me}")
async def chat(websocket: WebSocket, me: str):
    await websocket.accept()
    old = clients.pop(me, None)
    clients[me] = websocket
    if old is not None:
        await old.close(4000, "replaced")
    await tell_all({"sender": "system", "message": f"{me} joined the chat! 👋", "emoji": "📢"})
    async for text in websocket.iter_text():
        await handle(me, text)
    if clients.get(me) is websocket:
        del clients[me]
        await tell_left(me)


async def handle(me, text):
    try:
        asked = json.loads(text)
    except json.JSONDecodeError:
        asked = None
    kind = asked.get("type") if isinstance(asked, dict) else None
    if kind == "typing":
        await asyncio.gather(*[send(u, {"type": "typing", "sender": me}) for u in list(clients) if u != me])
    elif kind == "private":
        if asked["to"] not in clients:
            await send(me, {"type": "error", "detail": "nobody of that name is here", "emoji": "⚠️"})
            return
        now = time.strftime("%H:%M:%S")
        message = {"type": "private", "sender": me, "to": asked["to"], "message": asked["message"]}
        for user_id in {me, asked["to"]}:
            await send(user_id, {**message, "timestamp": now, "emoji": "🔒"})
    else:
        await tell_all({"sender": me, "message": text, "emoji": "💬"})
