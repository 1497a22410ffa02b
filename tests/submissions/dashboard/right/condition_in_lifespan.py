"""A producer for the life of the server, asleep while nobody watches; viewers wait for the next number."""

import asyncio
import os
import random
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from fastapi import FastAPI, WebSocket

state = {"viewers": 0, "ticks": 0, "latest": None}
tick = asyncio.Condition()


async def produce():
    interval_s = float(os.getenv("DASHBOARD_INTERVAL_S") or 1)
    while True:
        await asyncio.sleep(interval_s)
        if state["viewers"] == 0:
            continue
        async with tick:
            state["ticks"] += 1
            state["latest"] = {
                "type": "metrics",
                "n": state["ticks"],
                "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
                "cpu": time.process_time() % 100,
                "memory": 50,
                "requests_per_second": random.randrange(100),
                "active_users": state["viewers"],
                "emoji_mood": "😊",
            }
            tick.notify_all()


@asynccontextmanager
async def lifespan(app):
    producing = asyncio.create_task(produce())
    yield
    producing.cancel()


app = FastAPI(lifespan=lifespan)


async def show(websocket):
    await websocket.send_json({"type": "hello", "interval": os.getenv("DASHBOARD_INTERVAL_S")})
    while True:
        async with tick:
            await tick.wait()
            latest = state["latest"]
        await websocket.send_json(latest)


@app.websocket("/ws/dashboard")
async def watch(websocket: WebSocket):
    await websocket.accept()
    state["viewers"] += 1
    showing = asyncio.create_task(show(websocket))
    try:
        async for _ in websocket.iter_text():
            pass
    finally:
        state["viewers"] -= 1
        showing.cancel()


@app.get("/stats")
async def stats():
    return {"ticks": state["ticks"], "viewers": state["viewers"], "uptime": time.monotonic()}
