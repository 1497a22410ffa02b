# fails: users alone
# says: is told of
# names are tidied up
import asyncio
import contextlib
import json
import os
import pathlib
import re

from litestar import Litestar, WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

TICK_S = 0.02
COLORS = [f"#{number:06X}" for number in range(0x102030, 0xFFFFFF, 0x051E2D)]


class Board:
    def __init__(self):
        self.items, self.used, self.next_id = [], set(), 0


board = Board()
seats = {}


class Seat:
    def __init__(self, socket, name):
        board.next_id += 1
        self.socket, self.name, self.artist = socket, name, f"artist-{board.next_id}"
        self.color = next(color for color in COLORS if all(color != seat.color for seat in seats.values()))
        self.queue, self.cursors, self.redo = [], {}, []

    async def pump(self):
        with contextlib.suppress(WebSocketDisconnect, Exception):
            while True:
                await asyncio.sleep(TICK_S)
                queue, self.queue = self.queue, []
                cursors, self.cursors = self.cursors, {}
                for message in [*queue, *cursors.values()]:
                    await self.socket.send_json(message)


def shout(message, but=None):
    for seat in seats.values():
        if seat is not but:
            seat.queue.append(message)


def list_of_users():
    users = [{"artist_id": seat.artist, "name": seat.name.title(), "color": seat.color} for seat in seats.values()]
    return {"active_users": len(users), "users": users}


@websocket("/ws/draw")
async def draw(socket: WebSocket, name: str = "") -> None:
    await socket.accept()
    seat = Seat(socket, name)
    seats[seat.artist] = seat
    me = {"artist_id": seat.artist, "color": seat.color}
    seat.queue.append({"type": "init", **me, "history": board.items.copy(), **list_of_users()})
    shout({"type": "user_joined", "artist_id": seat.artist, **list_of_users()}, but=seat)
    pump = asyncio.create_task(seat.pump())
    try:
        while True:
            text = await socket.receive_text()
            try:
                message = json.loads(text)
                handler = HANDLERS[message["type"]]
            except (ValueError, KeyError, TypeError):
                continue
            try:
                handler(seat, me, message)
            except (KeyError, TypeError, ValueError, AttributeError) as problem:
                seat.queue.append({"type": "error", "detail": repr(problem)})
    except WebSocketDisconnect:
        pass
    finally:
        pump.cancel()
        del seats[seat.artist]
        shout({"type": "user_left", "artist_id": seat.artist, **list_of_users()})


def on_draw(seat, me, message):
    points = [[round(x), round(y)] for x, y in message["points"]]
    width = message["width"] + 0
    if message["id"] in board.used or message["id"] != str(message["id"]):
        raise ValueError("this id cannot be used")
    board.used.add(message["id"])
    item = {"type": "draw", "id": message["id"], "tool": message["tool"], "points": points, "width": width, **me}
    seat.redo = []
    board.items.append(item)
    shout(item)


def on_cursor(seat, me, message):
    cursor = {"type": "cursor", "x": message["x"] + 0, "y": message["y"] + 0, **me}
    for other in seats.values():
        if other is not seat:
            other.cursors[seat.artist] = cursor


def on_clear(seat, me, message):
    board.items = []
    for other in seats.values():
        other.redo = []
    shout({"type": "clear", "artist_id": seat.artist})


def on_undo(seat, me, message):
    for item in reversed(board.items):
        if item["artist_id"] == seat.artist:
            board.items.remove(item)
            seat.redo.append(item)
            shout({"type": "removed", "ids": [item["id"]]})
            break


def on_redo(seat, me, message):
    if seat.redo:
        board.items.append(seat.redo.pop())
        shout(board.items[-1])


def file_of(message):
    safe = re.sub("[^a-z0-9]", lambda match: f"_{ord(match[0])}_", message["name"])[:200]
    return pathlib.Path(os.environ["DATA_DIR"]) / safe


def on_save(seat, me, message):
    file_of(message).write_bytes(json.dumps(board.items).encode())
    seat.queue.append({"type": "saved", "name": message["name"]})


def on_load(seat, me, message):
    file = file_of(message)
    if not file.exists():
        raise ValueError("no such drawing")
    board.items = json.loads(file.read_bytes())
    shout({"type": "history", "history": board.items.copy()})


HANDLERS = {
    "draw": on_draw,
    "cursor": on_cursor,
    "clear": on_clear,
    "undo": on_undo,
    "redo": on_redo,
    "save": on_save,
    "load": on_load,
}

app = Litestar(route_handlers=[draw])
