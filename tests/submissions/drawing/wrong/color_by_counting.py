# fails: colors alone
# says: eight different colours
# a colour is chosen by how many are there, and who left is not thought of
import asyncio
import json
import os
import time
import uuid

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
lock = asyncio.Lock()
here: dict[WebSocket, dict] = {}
board: dict[str, dict] = {}
undone: dict[str, list[dict]] = {}
known_ids: set[str] = set()
HUES = ["#ff0000", "#00aa00", "#0000ff", "#aa5500", "#aa00aa", "#008888", "#555555", "#ff8800"]


async def deliver(websocket: WebSocket, text: str) -> None:
    try:
        await asyncio.wait_for(websocket.send_text(text), 1.5)
    except (TimeoutError, WebSocketDisconnect, RuntimeError):
        here.pop(websocket, None)


async def to_all(message: dict, but: WebSocket | None = None) -> None:
    text = json.dumps(message, ensure_ascii=False)
    await asyncio.gather(*[deliver(one, text) for one in here if one is not but])


def roll() -> dict:
    return {"active_users": len(here), "users": list(here.values())}


def is_number(value) -> bool:
    return type(value) in (int, float)


def is_stroke(message: dict) -> bool:
    points = message.get("points")
    return (
        type(message.get("id")) is str
        and is_number(message.get("width"))
        and type(points) is list
        and len(points) > 0
        and all(type(point) is list and len(point) == 2 and all(map(is_number, point)) for point in points)
    )


@app.websocket("/ws/draw")
async def draw(websocket: WebSocket, name: str | None = None):
    await websocket.accept()
    artist_id = str(uuid.uuid4())
    async with lock:
        taken = {user["color"] for user in here.values()}
        color = HUES[len(taken) % len(HUES)]
        here[websocket] = {"artist_id": artist_id, "name": name, "color": color}
        init = {"type": "init", "artist_id": artist_id, "color": color, "history": list(board.values()), **roll()}
        await deliver(websocket, json.dumps(init))
        await to_all({"type": "user_joined", "artist_id": artist_id, **roll()}, but=websocket)
    try:
        while True:
            message = await websocket.receive_json()
            async with lock:
                await answer(websocket, artist_id, color, message)
    except (WebSocketDisconnect, ValueError):
        pass
    finally:
        async with lock:
            here.pop(websocket, None)
            await to_all({"type": "user_left", "artist_id": artist_id, **roll()})


async def answer(websocket: WebSocket, artist_id: str, color: str, message) -> None:
    kind = message.get("type") if isinstance(message, dict) else None
    mine = undone.setdefault(artist_id, [])
    if kind == "draw" and is_stroke(message) and message["id"] not in known_ids:
        known_ids.add(message["id"])
        item = board[message["id"]] = {**message, "artist_id": artist_id, "color": color, "at": time.time()}
        mine.clear()
        await to_all(item)
    elif kind == "cursor" and is_number(message.get("x")) and is_number(message.get("y")):
        await to_all({**message, "artist_id": artist_id, "color": color}, but=websocket)
    elif kind == "clear":
        board.clear()
        undone.clear()
        await to_all({"type": "clear", "artist_id": artist_id})
    elif kind == "undo":
        own = [item for item in board.values() if item["artist_id"] == artist_id]
        if own:
            mine.append(board.pop(own[-1]["id"]))
            await to_all({"type": "removed", "ids": [own[-1]["id"]]})
    elif kind == "redo" and mine:
        item = mine.pop()
        board[item["id"]] = item
        await to_all(item)
    elif kind in ("save", "load") and str(message.get("name")).replace("-", "").isalnum() and len(message["name"]) < 99:
        path = os.path.join(os.environ.get("DATA_DIR", "."), message["name"] + ".drawing")
        if kind == "save":
            with open(path, "w") as file:
                json.dump(board, file)
            await deliver(websocket, json.dumps({"type": "saved", "name": message["name"]}))
        elif os.path.exists(path):
            with open(path) as file:
                saved = json.load(file)
            board.clear()
            board.update(saved)
            await to_all({"type": "history", "history": list(board.values())})
    else:
        await deliver(websocket, json.dumps({"type": "error", "detail": f"cannot do {str(message)[:80]}"}))
