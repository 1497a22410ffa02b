"""A class that owns the viewers and one producer task, started by the first viewer and cancelled by the last."""

import asyncio
import json
import os
import random
from datetime import datetime

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

INTERVAL_S = float(os.environ.get("DASHBOARD_INTERVAL_S", "1.0"))


def make_metrics():
    return {
        "timestamp": datetime.now().astimezone().isoformat(),
        "cpu": round(random.uniform(0, 100), 1),
        "memory": random.randint(0, 100),
        "requests_per_second": random.randint(0, 500),
        "active_users": random.randint(0, 50),
        "emoji_mood": random.choice("😊🚀💪🎯"),
    }


class Dashboard:
    def __init__(self):
        self.viewers = set()
        self.ticks = 0
        self.task = None

    def add(self, websocket):
        self.viewers.add(websocket)
        if self.task is None:
            self.task = asyncio.create_task(self.produce())

    def remove(self, websocket):
        self.viewers.discard(websocket)
        if not self.viewers and self.task is not None:
            self.task.cancel()
            self.task = None

    async def produce(self):
        while True:
            await asyncio.sleep(INTERVAL_S)
            message = json.dumps(make_metrics())
            self.ticks += 1
            sends = [websocket.send_text(message) for websocket in self.viewers]
            await asyncio.gather(*sends, return_exceptions=True)


dashboard = Dashboard()
app = FastAPI()


@app.get("/stats")
def stats():
    return {"viewers": len(dashboard.viewers), "ticks": dashboard.ticks}


@app.websocket("/ws/dashboard")
async def watch(websocket: WebSocket):
    await websocket.accept()
    dashboard.add(websocket)
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        pass
    finally:
        dashboard.remove(websocket)
