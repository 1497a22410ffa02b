# fails: stalled
# says: nothing
# awaits each send in turn: one who does not read holds up all
import json
import time

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
clients = {}


async def send(client, **message):
    await client.send_text(json.dumps(message))


def now():
    return time.strftime("%H:%M:%S")


async def broadcast(sender, message, emoji):
    for client in list(clients.values()):
        try:
            await send(client, sender=sender, message=message, timestamp=now(), emoji=emoji)
        except (WebSocketDisconnect, RuntimeError):
            pass  # its own handler will notice


@app.get("/users")
def list_users():
    return sorted(clients)


@app.websocket("/ws/{user_id}")
async def chat(websocket: WebSocket, user_id: str):
    await websocket.accept()
    clients[user_id] = websocket
    await broadcast("system", f"{user_id} joined the chat! 👋", "📢")
    try:
        while True:
            await handle(websocket, user_id, await websocket.receive_text())
    except WebSocketDisconnect:
        pass
    finally:
        if clients.get(user_id) is websocket:
            del clients[user_id]
            await broadcast("system", f"{user_id} left the chat 👋", "📢")


async def handle(me, user_id, text):
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    kind = data.get("type") if isinstance(data, dict) else None
    if kind == "typing":
        for name, client in list(clients.items()):
            if name != user_id:
                await send(client, type="typing", sender=user_id)
    elif kind == "private":
        await private(me, user_id, data["to"], data["message"])
    else:
        await broadcast(user_id, text, "💬")


async def private(me, user_id, to, message):
    if to not in clients:
        await send(me, type="error", detail=f"{to} is not here")
        return
    for client in (me, clients[to]):
        await send(client, type="private", sender=user_id, to=to, message=message, timestamp=now(), emoji="🔒")
