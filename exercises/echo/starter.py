"""Exercise `echo`: an echo that answers everybody. The task is in task.md, beside this file.

Copy this file to solution.py, work on the copy, and run `labkit check echo` as often as you like.
"""

from fastapi import FastAPI, WebSocket
from fastapi.responses import HTMLResponse

app = FastAPI()


@app.get("/")
def page() -> HTMLResponse:
    # TODO: an input, a button, a list of replies, and a script that opens a WebSocket to /ws.
    return HTMLResponse("<h1>Echo</h1>")


@app.websocket("/ws")
async def echo(websocket: WebSocket) -> None:
    # TODO: accept the connection, then answer each text T with: Echo: T 🔊
    ...
