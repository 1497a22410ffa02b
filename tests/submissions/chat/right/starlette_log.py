"""Plain Starlette, and no registry of sockets: one log, a cursor for each reader, a condition to wake them all.

Latecomers get what was said before, as messages of a kind of its own.
"""

import asyncio
import itertools
import json
from datetime import datetime

from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute

log = []  # pairs: who may see it, and the message
present = {}  # id → the number of its newest connection
numbers = itertools.count()
news = asyncio.Condition()


async def note(fields, sees=lambda user: True, stamped=True):
    if stamped:
        fields = {"type": "chat", "timestamp": f"{datetime.now():%X}", **fields}
    async with news:
        log.append((sees, json.dumps(fields)))
        news.notify_all()


async def follow(websocket, user, number):
    at = len(log)
    history = [json.loads(message) for sees, message in log[-20:] if sees(user) and '"typing"' not in message]
    await websocket.send_json({"type": "history", "messages": history})
    while True:
        async with news:
            await news.wait_for(lambda: len(log) > at)
        while at < len(log):
            sees, message = log[at]
            at += 1
            if sees(user) and present.get(user) == number:
                await websocket.send_text(message)


class Chat(WebSocketEndpoint):
    encoding = None

    async def on_connect(self, websocket):
        await websocket.accept()
        self.user = websocket.path_params["user"]
        self.number = present[self.user] = next(numbers)
        self.following = asyncio.create_task(follow(websocket, self.user, self.number))
        await asyncio.sleep(0)
        await note({"sender": "system", "message": f"{self.user} joined the chat! 👋", "emoji": "📢"})

    async def on_receive(self, websocket, data):
        user = self.user
        try:
            asked = json.loads(data)
            kind = asked["type"]
        except (ValueError, TypeError, KeyError):
            kind = "none"
        if kind == "typing":
            await note({"type": "typing", "sender": user}, lambda u: u != user, stamped=False)
        elif kind == "private" and asked["to"] in present:
            pair = {user, asked["to"]}
            fields = {"type": "private", "sender": user, "to": asked["to"], "message": asked["message"]}
            await note({**fields, "emoji": "🔒"}, lambda u: u in pair)
        elif kind == "private":
            await note({"type": "error", "detail": f"no {asked['to']} here"}, lambda u: u == user)
        else:
            await note({"sender": user, "message": data, "emoji": "💬"})

    async def on_disconnect(self, websocket, close_code):
        self.following.cancel()
        if present.get(self.user) == self.number:
            del present[self.user]
            await note({"sender": "system", "message": f"{self.user} left the chat 👋", "emoji": "📢"})


async def users(request):
    return JSONResponse(sorted(present))


app = Starlette(routes=[WebSocketRoute("/ws/{user}", Chat), Route("/users", users)])
