"""Nothing but ASGI, and no lifespan; an older connection is sent away when a newer one comes."""

import asyncio
import json
import os
from datetime import datetime

CLIENTS = {}


async def app(scope, receive, send):
    if scope["type"] != "websocket":
        raise NotImplementedError(scope["type"])
    await receive()
    await send({"type": "websocket.accept"})
    name = scope["path"].removeprefix("/ws/")
    await (work(receive, send) if name == "work" else chat(name, receive, send))


async def work(receive, send):
    pause_s = float(os.environ.get("WORK_S") or 5)
    answers = set()

    async def answer():
        await asyncio.sleep(pause_s)
        try:
            await send({"type": "websocket.send", "text": "Response"})
        except OSError:
            pass

    while (await receive())["type"] == "websocket.receive":
        task = asyncio.ensure_future(answer())
        answers.add(task)
        task.add_done_callback(answers.discard)
    for task in answers:
        task.cancel()


async def chat(name, receive, send):
    older, CLIENTS[name] = CLIENTS.get(name), send
    await tell("system", f"{name} joined the chat! 👋", "📢")
    if older:
        try:
            await older({"type": "websocket.close", "code": 4000})
        except (OSError, RuntimeError):
            pass
    while (event := await receive())["type"] == "websocket.receive":
        await tell(name, event["text"], "💬")
    if CLIENTS[name] is send:
        CLIENTS.pop(name)
        await tell("system", f"{name} left the chat 👋", "📢")


async def tell(sender, message, emoji):
    fields = {"sender": sender, "message": message, "emoji": emoji, "timestamp": f"{datetime.now():%H:%M:%S}"}
    await asyncio.gather(*[put(send, json.dumps(fields)) for send in CLIENTS.values()])


async def put(send, text):
    try:
        await send({"type": "websocket.send", "text": text})
    except (OSError, RuntimeError):
        pass
