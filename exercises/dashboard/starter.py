"""Exercise `dashboard`: one producer for everybody. The task is in task.md, beside this file.

Copy this file to solution.py, work on the copy, and run `labkit check dashboard` as often as you like.
"""

import os

from fastapi import FastAPI, WebSocket

INTERVAL_S = float(os.environ.get("DASHBOARD_INTERVAL_S", "1.0"))

app = FastAPI()


@app.get("/stats")
def show_stats():
    # TODO: how many viewers are connected, and how many messages were produced.
    return {}


@app.websocket("/ws/dashboard")
async def watch(websocket: WebSocket) -> None:
    await websocket.accept()
    # TODO: register the viewer, and see to it that exactly one producer runs.
    # TODO: read whatever the viewer sends, ignore it, and notice when it has gone.
