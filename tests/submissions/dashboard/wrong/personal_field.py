# fails: same_for_all
# says: what Cleo got
# each viewer's number is in the message
import asyncio
import json
import os
import random
from datetime import datetime

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

INTERVAL_S = float(os.environ.get("DASHBOARD_INTERVAL_S", "1.0"))

app = FastAPI()
viewers = set()
ticks = 0
producer = None


def make_metrics():
    return {
        "timestamp": datetime.now().astimezone().isoformat(),
        "cpu": random.uniform(0, 100),
        "memory": random.uniform(0, 100),
        "requests_per_second": random.randint(0, 500),
        "active_users": random.randint(0, 50),
        "emoji_mood": random.choice(["😊", "🚀", "💪", "🎯"]),
    }


async def produce():
    global ticks
    while viewers:
        await asyncio.sleep(INTERVAL_S)
        if not viewers:
            break
        message = json.dumps(make_metrics())
        ticks += 1
        for number, viewer in enumerate(list(viewers)):
            try:
                await viewer.send_text(json.dumps({**json.loads(message), "you_are": number}))
            except (WebSocketDisconnect, RuntimeError):
                viewers.discard(viewer)


@app.get("/stats")
def show_stats():
    return {"viewers": len(viewers), "ticks": ticks}


@app.websocket("/ws/dashboard")
async def watch(websocket: WebSocket):
    global producer
    await websocket.accept()
    viewers.add(websocket)
    if producer is None or producer.done():
        producer = asyncio.create_task(produce())
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        pass
    finally:
        viewers.discard(websocket)
