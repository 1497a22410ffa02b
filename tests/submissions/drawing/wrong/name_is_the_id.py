# fails: init
# says: three different ids
# the name is taken for the id, so two of one name are one
import asyncio
import hashlib
import json
import os
from collections import deque
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs

NUMBERS = count(1)
COLORS = [f"#{red}{green}{blue}" for red in ("ff", "00", "88") for green in ("00", "80", "cc") for blue in ("00", "66", "ff", "dd")]
CLIENTS = {}
LOG = []


class Client:
    def __init__(self, send, name):
        self.send, self.name, self.id = send, name, name or f"a{next(NUMBERS)}"
        self.color = [color for color in COLORS if color not in {one.color for one in CLIENTS.values()}][0]
        self.waiting, self.news = deque(), asyncio.Event()

    def put(self, kind, **fields):
        self.waiting.append({"type": kind, **fields})
        self.news.set()

    async def run(self):
        while True:
            await self.news.wait()
            self.news.clear()
            while self.waiting:
                await self.send({"type": "websocket.send", "text": json.dumps(self.waiting.popleft())})


def visible():
    return [action["item"] for action in LOG if action["live"]]


def everyone(kind, but=None, **fields):
    for client in CLIENTS.values():
        if client is not but:
            client.put(kind, **fields)


def who():
    users = [{"artist_id": one.id, "name": one.name, "color": one.color, "present": True} for one in CLIENTS.values()]
    return {"users": users, "active_users": len(users)}


def number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def act(me, text):
    message = json.loads(text)
    kind = message["type"]
    mine = [action for action in LOG if action["item"]["artist_id"] == me.id and not action["cleared"]]
    if kind == "draw":
        item = {key: message[key] for key in ("id", "tool", "points", "width")}
        if not (isinstance(item["id"], str) and number(item["width"]) and isinstance(item["points"], list)):
            raise TypeError("id, width or points")
        if not all(number(x) and number(y) for x, y in item["points"]):
            raise TypeError("points")
        if any(action["item"]["id"] == item["id"] for action in LOG):
            raise ValueError("used")
        item |= {"artist_id": me.id, "color": me.color}
        for action in mine:
            action["redoable"] = False
        LOG.append({"item": item, "live": True, "redoable": False, "cleared": False, "undone_at": 0})
        everyone("draw", **item)
    elif kind == "cursor":
        if not (number(message["x"]) and number(message["y"])):
            raise TypeError("x or y")
        everyone("cursor", but=me, x=message["x"], y=message["y"], artist_id=me.id, color=me.color)
    elif kind == "clear":
        for action in LOG:
            action.update(live=False, redoable=False, cleared=True)
        everyone("clear", artist_id=me.id)
        everyone("history", history=[])
    elif kind == "undo":
        last = [action for action in mine if action["live"]][-1]
        last.update(live=False, redoable=True, undone_at=next(NUMBERS))
        everyone("removed", ids=[last["item"]["id"]])
        everyone("history", history=visible())
    elif kind == "redo":
        last = max((action for action in mine if action["redoable"]), key=lambda action: action["undone_at"])
        last.update(live=True, redoable=False)
        everyone("draw", **last["item"])
    elif kind in ("save", "load"):
        file = Path(os.environ["DATA_DIR"], hashlib.sha256(message["name"].encode()).hexdigest())
        if kind == "save":
            file.write_text(json.dumps(visible()), encoding="utf-8")
            me.put("saved", name=message["name"])
        else:
            items = json.loads(file.read_text(encoding="utf-8"))
            LOG[:] = []
            for item in items:
                item["id"] = f"loaded-{next(NUMBERS)}"
                LOG.append({"item": item, "live": True, "redoable": False, "cleared": False, "undone_at": 0})
            everyone("history", history=visible())


async def app(scope, receive, send):
    if scope["type"] != "websocket" or scope["path"] != "/ws/draw":
        raise NotImplementedError(scope["type"])
    await receive()
    await send({"type": "websocket.accept"})
    me = Client(send, parse_qs(scope["query_string"].decode()).get("name", [""])[0])
    CLIENTS[id(send)] = me
    me.put("init", artist_id=me.id, color=me.color, history=visible(), **who())
    everyone("user_joined", but=me, artist_id=me.id, **who())
    writer = asyncio.ensure_future(me.run())
    while (event := await receive())["type"] == "websocket.receive":
        try:
            act(me, event["text"])
        except (ValueError, LookupError, TypeError, AttributeError, OSError):
            pass
    writer.cancel()
    del CLIENTS[id(send)]
    everyone("user_left", artist_id=me.id, **who())
