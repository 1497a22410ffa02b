"""A dashboard with one producer for all: it runs while somebody watches, and makes each message once."""

import asyncio
import json
import os
import random
from datetime import datetime
from typing import Any

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

INTERVAL_S = float(os.environ.get("DASHBOARD_INTERVAL_S", "1.0"))


def measure() -> dict[str, Any]:
    """Return the figures of one tick; these are invented."""
    return {
        "timestamp": datetime.now().astimezone().isoformat(timespec="milliseconds"),
        "cpu": round(random.uniform(5, 95), 1),
        "memory": round(random.uniform(30, 70), 1),
        "requests_per_second": random.randint(0, 500),
        "active_users": random.randint(0, 50),
        "emoji_mood": random.choice(["😊", "🚀", "💪", "🎯"]),
    }


class Dashboard:
    """Knows the viewers, and owns the one task that sends to them."""

    def __init__(self) -> None:
        self.viewers: set[WebSocket] = set()
        self.ticks = 0
        self._producer: asyncio.Task[None] | None = None

    def add(self, viewer: WebSocket) -> None:
        """Let a viewer watch; the first one starts the producer."""
        self.viewers.add(viewer)
        # One that still sleeps although all had left goes on for the newcomer: there is never a second.
        if self._producer is None or self._producer.done():
            self._producer = asyncio.create_task(self._produce())

    def remove(self, viewer: WebSocket) -> None:
        """Forget a viewer. Doing it twice is harmless."""
        self.viewers.discard(viewer)

    async def _produce(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            if not self.viewers:
                return
            message = json.dumps(measure())
            self.ticks += 1
            sends = [viewer.send_text(message) for viewer in self.viewers]
            # Who fails is noticed by its own handler.
            await asyncio.gather(*sends, return_exceptions=True)


dashboard = Dashboard()
app = FastAPI()


@app.get("/stats")
async def show_stats() -> dict[str, int]:
    """Return how many watch, and how many messages were made."""
    return {"viewers": len(dashboard.viewers), "ticks": dashboard.ticks}


@app.websocket("/ws/dashboard")
async def watch(websocket: WebSocket) -> None:
    """Register a viewer, and read whatever it sends until it goes."""
    await websocket.accept()
    dashboard.add(websocket)
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        pass
    finally:
        dashboard.remove(websocket)
