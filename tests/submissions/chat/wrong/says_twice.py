# fails: message
# says: field 'sender' is
# the speaker gets a copy of their own besides the broadcast
import asyncio
import json
import time

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
clients = {}


class Client:
    def __init__(self, websocket):
        self.websocket = websocket
        self.outbox = asyncio.Queue()

    async def write(self):
        while True:
            await self.websocket.send_text(await self.outbox.get())


def send(client, **message):
    client.outbox.put_nowait(json.dumps(message))


def now():
    return time.strftime("%H:%M:%S")


def broadcast(sender, message, emoji):
    for client in clients.values():
        send(client, sender=sender, message=message, timestamp=now(), emoji=emoji)


@app.get("/users")
def list_users():
    return sorted(clients)


@app.websocket("/ws/{user_id}")
async def chat(websocket: WebSocket, user_id: str):
    await websocket.accept()
    me = clients[user_id] = Client(websocket)
    writer = asyncio.create_task(me.write())
    broadcast("system", f"{user_id} joined the chat! 👋", "📢")
    try:
        while True:
            await handle(me, user_id, await websocket.receive_text())
    except WebSocketDisconnect:
        pass
    finally:
        writer.cancel()
        if clients.get(user_id) is me:
            del clients[user_id]
            broadcast("system", f"{user_id} left the chat 👋", "📢")


async def handle(me, user_id, text):
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    kind = data.get("type") if isinstance(data, dict) else None
    if kind == "typing":
        for name, client in clients.items():
            if name != user_id:
                send(client, type="typing", sender=user_id)
    elif kind == "private":
        private(me, user_id, data["to"], data["message"])
    else:
        send(me, sender=user_id, message=text, timestamp=now(), emoji="💬")
        broadcast(user_id, text, "💬")


def private(me, user_id, to, message):
    if to not in clients:
        send(me, type="error", detail=f"{to} is not here")
        return
    for client in (me, clients[to]):
        send(client, type="private", sender=user_id, to=to, message=message, timestamp=now(), emoji="🔒")
