"""Nothing but ASGI. The first tick is at once; timers of the loop instead of a task, and a queue for each viewer."""

import asyncio
import json
import os
from datetime import datetime, timedelta, timezone

INTERVAL_S = float(os.environ.get("DASHBOARD_INTERVAL_S", 1))
HERE = timezone(timedelta(hours=5, minutes=45))
QUEUES = set()
COUNT = {"ticks": 0, "timer": None}


def tick():
    COUNT["timer"] = None
    if not QUEUES:
        return
    number = COUNT["ticks"] = COUNT["ticks"] + 1
    text = json.dumps(
        {
            "emoji_mood": "🚀💪🎯"[number % 3],
            "active_users": number % 7,
            "requests_per_second": number,
            "memory": 0,
            "cpu": 100,
            "timestamp": datetime.now(HERE).isoformat(),
        },
        ensure_ascii=False,
    )
    for queue in QUEUES:
        queue.put_nowait(text)
    COUNT["timer"] = asyncio.get_running_loop().call_later(INTERVAL_S, tick)


async def pour(queue, send):
    try:
        while True:
            await send({"type": "websocket.send", "text": await queue.get()})
    except OSError:
        pass


async def app(scope, receive, send):
    if scope["type"] == "http":
        found = scope["path"] == "/stats"
        body = json.dumps({"viewers": len(QUEUES), "ticks": COUNT["ticks"]}).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
        await send({"type": "http.response.body", "body": body if found else b"{}"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        queue = asyncio.Queue()
        QUEUES.add(queue)
        if COUNT["timer"] is None:
            tick()
        pouring = asyncio.ensure_future(pour(queue, send))
        while (await receive())["type"] != "websocket.disconnect":
            pass
        pouring.cancel()
        QUEUES.discard(queue)
    else:
        raise NotImplementedError("no lifespan here")
