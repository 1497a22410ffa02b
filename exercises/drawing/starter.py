"""Exercise `drawing`: everybody draws on one board. The task is in task.md, beside this file.

Copy this file to solution.py, work on the copy, and run `labkit check drawing` as often as you like.
"""

import os

from fastapi import FastAPI, WebSocket

DATA_DIR = os.environ.get("DATA_DIR", ".")  # saved drawings live here (bonus)

app = FastAPI()


@app.websocket("/ws/draw")
async def draw(websocket: WebSocket, name: str = "") -> None:
    # TODO: accept, send init, tell the others; then pass on what is drawn, and keep it for those who come later.
    ...
