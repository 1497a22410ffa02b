"""Exercise `lifecycle`: a logbook of connections. The task is in task.md, beside this file.

Copy this file to solution.py, work on the copy, and run `labkit check lifecycle` as often as you like.
"""

from fastapi import FastAPI, WebSocket

app = FastAPI()
events = []


@app.get("/events")
def list_events():
    return events


@app.websocket("/ws/{client_id}")
async def converse(websocket: WebSocket, client_id: str) -> None:
    # TODO: accept, and note {"event": "connected", "client_id": client_id}.
    # TODO: answer each text T with: Server received: T ✨ - and note what was received.
    # TODO: note the end of the connection, with its close code.
    ...
