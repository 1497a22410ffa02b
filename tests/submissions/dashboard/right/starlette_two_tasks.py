"""Plain Starlette: each handler is a receiver and a sender side by side; the producer ends by itself at a tick without viewers."""

import asyncio
import os
import random
from collections import namedtuple
from datetime import datetime

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

INTERVAL_S = float(os.environ.get("DASHBOARD_INTERVAL_S", "1"))
Metrics = namedtuple("Metrics", "timestamp cpu memory requests_per_second active_users emoji_mood")
queues, tasks, ticks = [], [], 0


async def produce():
    global ticks
    while True:
        await asyncio.sleep(INTERVAL_S)
        if not queues:
            break
        ticks += 1
        moment = datetime.now().astimezone().replace(microsecond=0).isoformat()
        metrics = Metrics(moment, random.random() * 100, 42.0, random.randrange(9), len(queues), "🎯")
        for queue in list(queues):
            await queue.put(metrics._asdict())
    tasks.clear()


async def listen(websocket):
    while (await websocket.receive())["type"] == "websocket.receive":
        pass


async def show(websocket, queue):
    while True:
        await websocket.send_json(await queue.get())


async def watch(websocket):
    await websocket.accept()
    queue = asyncio.Queue()
    queues.append(queue)
    if not tasks:
        tasks.append(asyncio.create_task(produce()))
    pair = {asyncio.create_task(listen(websocket)), asyncio.create_task(show(websocket, queue))}
    done, pending = await asyncio.wait(pair, return_when=asyncio.FIRST_COMPLETED)
    queues.remove(queue)
    for task in pending:
        task.cancel()
    for task in done:
        if task.exception() and not isinstance(task.exception(), (WebSocketDisconnect, RuntimeError)):
            raise task.exception()


async def stats(request):
    return JSONResponse({"viewers": len(queues), "ticks": ticks})


app = Starlette(routes=[Route("/stats", stats), WebSocketRoute("/ws/dashboard", watch)])
