# fails: all_at_once
# says: lacks
# an outbox of ten strokes, fifty messages a second go out of it, and a stroke that does not fit is lost
import asyncio
import json
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

DATA = Path(os.environ.get("DATA_DIR", "."))
PALETTE = ["#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#46f0f0", "#f032e6", "#9a6324", "#000075"]

app = FastAPI()

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Draw(BaseModel):
    type: Literal["draw"]
    id: Annotated[str, Field(strict=True)]
    tool: Literal["pen", "eraser", "line", "rect", "ellipse"]
    points: list[tuple[Number, Number]]
    width: Number


class Cursor(BaseModel):
    type: Literal["cursor"]
    x: Number
    y: Number


class Command(BaseModel):
    type: Literal["clear", "undo", "redo"]


class FileCommand(BaseModel):
    type: Literal["save", "load"]
    name: str


request = TypeAdapter(Annotated[Draw | Cursor | Command | FileCommand, Field(discriminator="type")])


class Artist:
    def __init__(self, websocket: WebSocket, name: str) -> None:
        self.id = secrets.token_hex(4)
        self.name = name
        taken = {artist.color for artist in artists}
        self.color = next((color for color in PALETTE if color not in taken), PALETTE[0])
        self.outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.undone: list[dict[str, Any]] = []
        self.websocket = websocket

    async def write(self) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            while True:
                await self.websocket.send_json(await self.outbox.get())
                await asyncio.sleep(0.02)


artists: list[Artist] = []
history: list[dict[str, Any]] = []
used: set[str] = set()


def tell(message: dict[str, Any], but: Artist | None = None) -> None:
    for artist in artists:
        if artist is not but and (message["type"] != "draw" or artist.outbox.qsize() < 10):
            artist.outbox.put_nowait(message)


def presence() -> dict[str, Any]:
    users = [{"artist_id": one.id, "name": one.name, "color": one.color} for one in artists]
    return {"active_users": len(users), "users": users}


@app.websocket("/ws/draw")
async def draw(websocket: WebSocket, name: str = "somebody") -> None:
    await websocket.accept()
    me = Artist(websocket, name)
    artists.append(me)
    me.outbox.put_nowait(
        {"type": "init", "artist_id": me.id, "color": me.color, "history": list(history), **presence()}
    )
    tell({"type": "user_joined", "artist_id": me.id, **presence()}, but=me)
    writer = asyncio.create_task(me.write())
    try:
        while True:
            text = await websocket.receive_text()
            try:
                handle(me, request.validate_json(text))
            except ValidationError as error:
                me.outbox.put_nowait({"type": "error", "detail": str(error)})
    except WebSocketDisconnect:
        pass
    finally:
        writer.cancel()
        artists.remove(me)
        tell({"type": "user_left", "artist_id": me.id, **presence()})


def handle(me: Artist, message: Draw | Cursor | Command | FileCommand) -> None:
    author = {"artist_id": me.id, "color": me.color}
    match message:
        case Draw(id=item_id):
            if item_id in used:
                return me.outbox.put_nowait({"type": "error", "detail": "this id is used"})
            used.add(item_id)
            item = {**message.model_dump(), **author}
            history.append(item)
            me.undone.clear()
            tell(item)
        case Cursor():
            tell({**message.model_dump(), **author}, but=me)
        case Command(type="clear"):
            history.clear()
            for artist in artists:
                artist.undone.clear()
            tell({"type": "clear", "artist_id": me.id})
        case Command(type="undo"):
            mine = [item for item in history if item["artist_id"] == me.id]
            if mine:
                history.remove(mine[-1])
                me.undone.append(mine[-1])
                tell({"type": "removed", "ids": [mine[-1]["id"]]})
        case Command(type="redo"):
            if me.undone:
                item = me.undone.pop()
                history.append(item)
                tell(item)
        case FileCommand(type=kind, name=name):
            if not re.fullmatch(r"[\w-]{1,40}", name, re.ASCII):
                return me.outbox.put_nowait({"type": "error", "detail": "letters, digits, - and _ only"})
            path = DATA / f"{name}.json"
            if kind == "save":
                path.write_text(json.dumps(history))
                me.outbox.put_nowait({"type": "saved", "name": name})
            elif path.exists():
                history[:] = json.loads(path.read_text())
                used.update(item["id"] for item in history)
                tell({"type": "history", "history": list(history)})
            else:
                me.outbox.put_nowait({"type": "error", "detail": f"there is no {name}"})
    return None
